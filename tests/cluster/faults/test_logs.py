"""What the operator says about a resource carries its name, also where several children are written at once."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fairlead_operator import logs

from ..access import OperatorAccess
from . import actions
from .environment import READY_SECONDS, environment
from .exchange import Request
from .proxy import FaultProxy

NAMES = ("orders", "late")
FAILING = ("services", "serviceaccounts", "configmaps", "networkpolicies")
FAULTS = 4
_OF_ALL = tuple(f"fairlead_operator.{room}" for room in ("kube.", "cache.", "front.", "controller.leader_election"))
MESSAGES = (
    "a child could not be written",
    "the pass failed",
    "the API server refuses children",
    "an Event was not written",
)


@contextmanager
def lines() -> Iterator[list[dict[str, Any]]]:
    """What the operator logs while the block runs, as it is written in production; complete at its end."""
    logger, text, found = logging.getLogger("fairlead_operator"), io.StringIO(), list[dict[str, Any]]()
    handler, level = logging.StreamHandler(text), logger.level
    handler.setFormatter(logs.JsonFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        found += map(json.loads, text.getvalue().splitlines())


def test_every_line_about_a_resource_has_its_name(access: OperatorAccess, before_operators: FaultProxy) -> None:
    with lines() as found, environment(access, before_operators) as env:

        def asks(method: str, *resources: str) -> Callable[[Request], bool]:
            return lambda each: (each.replica, each.method) == (env.name, method) and each.resource in resources

        def writes(name: str) -> Callable[[Request], bool]:
            is_child = asks("PATCH", *FAILING)
            return lambda each: is_child(each) and each.name.startswith(f"{name}-")

        env.start()
        faults = [
            *(before_operators.rule(writes(name), actions.answer(500), count=FAULTS) for name in NAMES),
            before_operators.rule(asks("PATCH", "deployments"), actions.answer(403, reason="Forbidden")),
            before_operators.rule(asks("POST", "events"), actions.answer(500)),
        ]
        made = [env.resource(name).create() for name in NAMES]
        for resource in made:
            resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
        env.operator.stop()
        assert [len(rule.hits) for rule in faults] == [FAULTS, FAULTS, 1, 1]
        expected = {name: f"{env.name}/{name}" for name in NAMES}
    for line in found:
        is_of_all = line["logger"].startswith(_OF_ALL)
        assert is_of_all or line.get("resource") in expected.values(), line
        said = " ".join(str(line.get(part, "")) for part in ("child", "error"))
        about = {expected[name] for name in NAMES if f"{name}-" in said}
        assert about <= {line.get("resource")}, line
    named = {message: {line["resource"] for line in found if line["message"] == message} for message in MESSAGES}
    assert named["a child could not be written"] == named["the pass failed"] == set(expected.values())
    assert len(named["the API server refuses children"]) == len(named["an Event was not written"]) == 1
