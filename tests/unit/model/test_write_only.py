"""A writeOnly property is stored and checked like any other, kept by a PUT without it, and in nothing that is shown."""

import json
from typing import Any

import pytest

from fairlead_workload.errors import Problem
from fairlead_workload.events.facts import facts
from fairlead_workload.model.effects import Action, Command, Effect, effect
from fairlead_workload.stores.base import Expect, Record

from .specs import resource

SECRET = "hunter22"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["id", "name", "password"],
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "password": {"type": "string", "minLength": 8, "writeOnly": True},
        "pin": {"$ref": "#/$defs/pin"},
        "keys": {"type": "object", "writeOnly": True, "properties": {"private": {"type": "string"}}},
    },
    "dependentRequired": {"pin": ["password"]},
    "$defs": {"pin": {"type": "integer", "writeOnly": True}},
}
USERS = resource(name="users", schema=SCHEMA, timestamps={})
STORED = {"id": "1", "name": "Ada", "password": SECRET, "pin": 1234, "keys": {"private": "k"}, "extra": True}
CURRENT = Record(("1",), STORED, 7)


def decide(action: Action, body: Any, current: Record | None = CURRENT) -> Effect:
    return effect(USERS, Command("users", action, ("1",), body, Expect.ANY, 0.0), current)


def refusal(call: Any, *arguments: Any, **named: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        call(*arguments, **named)
    return caught.value


def test_what_is_shown_is_without_it() -> None:
    assert json.loads(USERS.encode(STORED)) == {"id": "1", "name": "Ada", "extra": True}
    assert USERS.shown(STORED) == {"id": "1", "name": "Ada", "extra": True}


KEPT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "all left out": ({"name": "Eve"}, {"password": SECRET, "pin": 1234, "keys": {"private": "k"}}),
    "one given": (
        {"name": "Eve", "password": "another-one"},
        {"password": "another-one", "pin": 1234, "keys": {"private": "k"}},
    ),
    "an object given": ({"name": "Eve", "keys": {}}, {"password": SECRET, "pin": 1234, "keys": {}}),
}


@pytest.mark.parametrize("case", KEPT)
def test_a_put_keeps_what_it_leaves_out(case: str) -> None:
    body, hidden = KEPT[case]
    USERS.check_new(body, from_path=("1",))
    assert decide(Action.REPLACE, body).document == {"id": "1", "name": "Eve"} | hidden


def test_what_a_put_comes_to_is_checked_as_a_whole() -> None:
    without = Record(("1",), {"id": "1", "name": "Ada"}, 7)  # from before it was required
    assert refusal(decide, Action.REPLACE, {"name": "Eve"}, without).type == "invalid-document"


def test_a_put_that_creates_needs_all_that_is_required() -> None:
    USERS.check_new({"name": "Ada"}, from_path=("1",))
    (error,) = refusal(decide, Action.REPLACE, {"name": "Ada"}, None).errors
    assert '"password" is a required property' in error["detail"]
    document = decide(Action.REPLACE, {"name": "Ada", "password": SECRET}, None).document
    assert document == {"id": "1", "name": "Ada", "password": SECRET}


def test_a_put_without_it_is_checked_in_all_else() -> None:
    assert refusal(USERS.check_new, {"name": 1}, from_path=("1",)).type == "invalid-document"
    assert refusal(USERS.check_new, {}, from_path=("1",)).type == "invalid-document"
    assert refusal(USERS.check_new, {"name": "Ada"}).type == "invalid-document"


def test_a_patch_changes_it_keeps_it_and_removes_what_is_not_required() -> None:
    assert decide(Action.PATCH, {"name": "Eve"}).document == STORED | {"name": "Eve"}
    assert decide(Action.PATCH, {"password": "another-one"}).document == STORED | {"password": "another-one"}
    assert "pin" not in (decide(Action.PATCH, {"pin": None}).document or {})
    assert refusal(USERS.check_patch, {"password": None}).type == "invalid-document"


FAULTY: dict[str, dict[str, Any]] = {
    "too short": {"id": "1", "name": "Ada", "password": "hunter2"},
    "of another type": {"id": "1", "name": "Ada", "password": ["hunter2"]},
    "beside another fault": {"id": "1", "name": 7, "password": "hunter22"},
    "in a fault of the whole": {"id": "1", "pin": "hunter2", "password": "hunter22"},
}


@pytest.mark.parametrize("case", FAULTY)
def test_a_problem_does_not_repeat_it(case: str) -> None:
    for call in (USERS.check, USERS.check_new):
        found = refusal(call, FAULTY[case]).errors
        assert found
        assert "hunter" not in json.dumps(found)


@pytest.mark.parametrize("value", ["hunter2", ["hunter2"]])
def test_a_problem_of_a_patch_does_not_repeat_it(value: Any) -> None:
    assert "hunter" not in json.dumps(refusal(USERS.check_patch, {"password": value}).errors)


@pytest.mark.parametrize("action", [Action.REPLACE, Action.PATCH, Action.DELETE])
def test_a_fact_is_without_it(action: Action) -> None:
    decided = decide(action, None if action is Action.DELETE else {"name": "Eve"})
    handled_event_types = {"users.updated", "users.deleted"}
    (event,) = facts(decided, USERS, handled_event_types=handled_event_types, source="/shop", at=0.0)
    assert SECRET not in event.body.decode()
    assert json.loads(event.body)["data"]["name"] in {"Eve", "Ada"}
