"""A write that is late by a whole lifecycle: the resource that it is about is gone, and another has its name."""

import threading

from ..access import OperatorAccess
from . import actions
from .environment import READY_SECONDS, environment
from .exchange import Request
from .proxy import FaultProxy


def test_a_status_never_lands_on_the_next_resource_of_the_name(
    access: OperatorAccess, before_operators: FaultProxy
) -> None:
    with environment(access, before_operators) as env:
        env.start()
        resource = env.resource().create()
        resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
        env.operator.settle()

        def is_status(request: Request) -> bool:
            return request.replica == env.name and request.resource == "apisvcs/status"

        replaced = threading.Event()

        def take_its_place() -> None:
            resource.delete()
            resource.create()
            replaced.set()

        late = before_operators.rule(is_status, actions.call_before(take_its_place, then=actions.untouched))
        resource.edit(api=resource.manifest["spec"]["api"] | {"title": "Other"})
        assert replaced.wait(READY_SECONDS), "no status was written"
        resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
        env.assert_sound()
        (written,) = late.hits
        assert written.landed is not None
        assert written.landed >= 400
