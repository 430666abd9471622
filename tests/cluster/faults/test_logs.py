"""What the operator says about a resource carries its name, also where several children are written at once."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fairlead_operator import logs

from ..ground import Ground
from . import actions
from .exchange import Request
from .proxy import FaultProxy
from .scene import READY_SECONDS, scene

NAMES = ("orders", "late")
FAILING = ("services", "serviceaccounts", "configmaps", "networkpolicies")
FAULTS = 4
_OF_ALL = tuple(f"fairlead_operator.{room}" for room in ("kube.", "cache.", "front.", "controller.leader_election"))
TOLD = (
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


def test_every_line_about_a_resource_has_its_name(ground: Ground, before_operators: FaultProxy) -> None:
    with lines() as found, scene(ground, before_operators) as here:

        def asks(method: str, *resources: str) -> Callable[[Request], bool]:
            return lambda each: (each.replica, each.method) == (here.name, method) and each.resource in resources

        def writes(name: str) -> Callable[[Request], bool]:
            is_child = asks("PATCH", *FAILING)
            return lambda each: is_child(each) and each.name.startswith(f"{name}-")

        here.start()
        faults = [
            *(before_operators.rule(writes(name), actions.answer(500), count=FAULTS) for name in NAMES),
            before_operators.rule(asks("PATCH", "deployments"), actions.answer(403, reason="Forbidden")),
            before_operators.rule(asks("POST", "events"), actions.answer(500)),
        ]
        made = [here.resource(name).create() for name in NAMES]
        for resource in made:
            resource.until("Ready", "True", timeout_seconds=READY_SECONDS)
        here.operator.stop()
        assert [len(rule.hits) for rule in faults] == [FAULTS, FAULTS, 1, 1]
        expected = {name: f"{here.name}/{name}" for name in NAMES}
    for line in found:
        is_of_all = line["logger"].startswith(_OF_ALL)
        assert is_of_all or line.get("resource") in expected.values(), line
        said = " ".join(str(line.get(part, "")) for part in ("child", "error"))
        about = {expected[name] for name in NAMES if f"{name}-" in said}
        assert about <= {line.get("resource")}, line
    told = {message: {line["resource"] for line in found if line["message"] == message} for message in TOLD}
    assert told["a child could not be written"] == told["the pass failed"] == set(expected.values())
    assert len(told["the API server refuses children"]) == len(told["an Event was not written"]) == 1
