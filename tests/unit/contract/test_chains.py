"""Handlers that cause their own events are reported by lint, once a chain, at the step that begins it."""

import copy
from typing import Any

import pytest
from tests.unit.contract.test_findings import ORDERS

from fairlead_contract.validation.rules import check

HANDLERS = "spec.worker.handlers"
SET = {"name": "mark", "set": {"status": "'CONFIRMED'"}}
CONFIRM = {"name": "confirm", "publish": {"type": "orders.confirmed"}}
ASK = {"name": "ask", "publish": {"type": "orders.asked"}}
CALL = {"name": "call", "call": {"service": {"name": "payments", "path": "/x"}}}
GUARD = {"when": "document.status != 'CONFIRMED'"}
AFTERWARDS = [SET | {"name": "afterwards"}]


def handler(event: str, *steps: dict[str, Any], on_failure: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"event": f"orders.{event}", "steps": list(steps), "onFailure": on_failure or []}


def chains_in(*handlers: dict[str, Any]) -> list[tuple[str, str]]:
    document = copy.deepcopy(ORDERS)
    document["spec"]["worker"]["handlers"] = list(handlers)
    checked = check(document)
    assert not checked.errors
    return [(f.path, f.message) for f in checked.warnings if "causes the event" in f.message]


CHAINS: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str]]]] = {
    "a set on updated": (
        [handler("updated", SET)],
        [("[0].steps[0].set", "orders.updated -> orders.updated")],
    ),
    "a set after a call": (
        [handler("updated", CALL, SET)],
        [("[0].steps[1].set", "orders.updated -> orders.updated")],
    ),
    "a set that undoes": (
        [handler("updated", CALL | {"compensate": {"set": SET["set"]}})],
        [("[0].steps[0].compensate.set", "orders.updated -> orders.updated")],
    ),
    "a set after a failure": (
        [handler("updated", CALL, on_failure=AFTERWARDS)],
        [("[0].onFailure[0].set", "orders.updated -> orders.updated")],
    ),
    "a publish of its own type": (
        [handler("created", CONFIRM), handler("confirmed", CONFIRM)],
        [("[1].steps[0].publish", "orders.confirmed -> orders.confirmed")],
    ),
    "over two handlers, reported once": (
        [handler("confirmed", ASK), handler("asked", CONFIRM)],
        [("[0].steps[0].publish", "orders.confirmed -> orders.asked -> orders.confirmed")],
    ),
    "a fact and an event": (
        [handler("updated", CONFIRM), handler("confirmed", SET)],
        [("[0].steps[0].publish", "orders.updated -> orders.confirmed -> orders.updated")],
    ),
    "two chains": (
        [handler("updated", SET, CONFIRM), handler("confirmed", CONFIRM)],
        [
            ("[0].steps[0].set", "orders.updated -> orders.updated"),
            ("[1].steps[0].publish", "orders.confirmed -> orders.confirmed"),
        ],
    ),
}


@pytest.mark.parametrize("case", CHAINS)
def test_a_chain_that_comes_back_is_a_warning(case: str) -> None:
    handlers, expected = CHAINS[case]
    assert chains_in(*handlers) == [
        (f"{HANDLERS}{place}", f"causes the event it handles: {way}") for place, way in expected
    ]


SOUND: dict[str, list[dict[str, Any]]] = {
    "a set on created": [handler("created", SET)],
    "a set on created, and a handler of updated that only calls": [handler("created", SET), handler("updated", CALL)],
    "a condition": [handler("updated", SET | GUARD)],
    "a condition somewhere in the chain": [handler("updated", CONFIRM), handler("confirmed", SET | GUARD)],
    "an announcement": [handler("updated", CONFIRM)],
}


@pytest.mark.parametrize("case", SOUND)
def test_a_chain_that_ends_is_no_warning(case: str) -> None:
    assert chains_in(*SOUND[case]) == []


def test_the_remedy_says_how_to_end_it() -> None:
    document = copy.deepcopy(ORDERS)
    document["spec"]["worker"]["handlers"] = [handler("updated", SET)]
    (found,) = [f for f in check(document).warnings if "causes the event" in f.message]
    assert "`when`" in found.remedy
    assert "dead letter" in found.remedy
