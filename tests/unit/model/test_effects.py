"""What each write does to each stored state under each condition."""

from typing import Any

import pytest

from fairlead_workload.errors import Problem
from fairlead_workload.model.effects import Action, Command, Effect, Fact, effect
from fairlead_workload.stores.base import Expect, Record

from .specs import resource

AT = 1_767_225_600.0
LATER = "2026-01-01T00:01:00.000000Z"
ORDERS = resource()
BODY: dict[str, Any] = {"customer": "ada", "quantity": 2}
STORED = ORDERS.created(BODY, ("1",), at=AT) | {"status": "CONFIRMED"}
CURRENT = Record(("1",), STORED, 7)


def decide(action: Action, current: Record | None, expect: Expect | int = Expect.ANY, body: Any = None) -> Effect:
    if body is None and action is not Action.DELETE:
        body = {"quantity": 3} if action is Action.PATCH else BODY
    return effect(ORDERS, Command("orders", action, ("1",), body, expect, AT + 60), current)


A, P, X = Expect.ANY, Expect.PRESENT, Expect.ABSENT
# (action, whether a document at version 7 is stored, condition) -> fact and precondition of the mutation, or a problem
TABLE: dict[tuple[Action, bool, Expect | int], tuple[Fact, Expect | int] | str] = {
    (Action.CREATE, False, A): (Fact.CREATED, X),
    (Action.CREATE, True, A): "already-exists",
    (Action.CREATE, False, X): (Fact.CREATED, X),
    (Action.CREATE, True, X): "precondition-failed",
    (Action.REPLACE, False, A): (Fact.CREATED, X),
    (Action.REPLACE, True, A): (Fact.UPDATED, 7),
    (Action.REPLACE, False, P): "precondition-failed",
    (Action.REPLACE, True, P): (Fact.UPDATED, 7),
    (Action.REPLACE, False, X): (Fact.CREATED, X),
    (Action.REPLACE, True, X): "precondition-failed",
    (Action.REPLACE, False, 7): "precondition-failed",
    (Action.REPLACE, True, 7): (Fact.UPDATED, 7),
    (Action.REPLACE, True, 6): "precondition-failed",
    (Action.PATCH, False, A): "not-found",
    (Action.PATCH, True, A): (Fact.UPDATED, 7),
    (Action.PATCH, False, P): "not-found",
    (Action.PATCH, True, P): (Fact.UPDATED, 7),
    (Action.PATCH, True, X): "precondition-failed",
    (Action.PATCH, False, 7): "not-found",
    (Action.PATCH, True, 7): (Fact.UPDATED, 7),
    (Action.PATCH, True, 8): "precondition-failed",
    (Action.DELETE, False, A): "not-found",
    (Action.DELETE, True, A): (Fact.DELETED, 7),
    (Action.DELETE, False, P): "not-found",
    (Action.DELETE, True, P): (Fact.DELETED, 7),
    (Action.DELETE, True, X): "precondition-failed",
    (Action.DELETE, False, 7): "not-found",
    (Action.DELETE, True, 7): (Fact.DELETED, 7),
    (Action.DELETE, True, 6): "precondition-failed",
}


@pytest.mark.parametrize(("action", "stored", "condition"), TABLE)
def test_every_write_to_every_state(action: Action, stored: bool, condition: Expect | int) -> None:
    expected = TABLE[action, stored, condition]
    current = CURRENT if stored else None
    if isinstance(expected, str):
        with pytest.raises(Problem) as raised:
            decide(action, current, condition)
        assert raised.value.type == expected
        return
    decided = decide(action, current, condition)
    assert (decided.fact, decided.mutation.expect) == expected
    assert decided.mutation.document == decided.document
    assert (decided.document is None) is (action is Action.DELETE)
    assert decided.before == (STORED if stored else None)


def problem(*arguments: Any, **named: Any) -> Problem:
    with pytest.raises(Problem) as raised:
        decide(*arguments, **named)
    return raised.value


def test_a_patch_changes_what_it_names_and_the_timestamp() -> None:
    document = decide(Action.PATCH, CURRENT, body={"quantity": 3, "tags": None}).document
    assert document is not None
    assert document == {name: value for name, value in STORED.items() if name != "tags"} | {
        "quantity": 3,
        "updatedAt": LATER,
    }


REFUSED_PATCHES = {
    "a wrong value": ({"quantity": 0}, {"/quantity"}),
    "a fraction for an integer": ({"quantity": 1.5}, {"/quantity"}),
    "a required property removed": ({"customer": None}, {""}),
    "an unknown property": ({"colour": "red"}, {""}),
    "a read-only property changed": ({"status": "PENDING"}, {"/status"}),
    "another key": ({"id": "2"}, {"/id"}),
    "a date that is none": ({"due": "2026-02-30T00:00:00Z"}, {"/due"}),
}


@pytest.mark.parametrize("case", REFUSED_PATCHES)
def test_a_patch_that_makes_an_invalid_document(case: str) -> None:
    patch, pointers = REFUSED_PATCHES[case]
    raised = problem(Action.PATCH, CURRENT, body=patch)
    assert raised.type == "invalid-document"
    assert {error["pointer"] for error in raised.errors} == pointers


def test_a_patch_cannot_remove_what_it_cannot_set() -> None:
    document = decide(Action.PATCH, CURRENT, body={"status": None, "createdAt": None, "id": None}).document
    assert document is not None
    assert {name: document[name] for name in ("status", "createdAt", "id")} == {
        "status": "CONFIRMED",
        "createdAt": STORED["createdAt"],
        "id": "1",
    }


def test_what_was_read_can_be_put_back() -> None:
    document = decide(Action.REPLACE, CURRENT, body=STORED | {"quantity": 5}).document
    assert document == STORED | {"quantity": 5, "updatedAt": LATER}
    other_spelling = STORED | {"createdAt": "2026-01-01T01:00:00+01:00"}
    assert decide(Action.REPLACE, CURRENT, body=other_spelling).document == STORED | {"updatedAt": LATER}


def test_a_put_cannot_change_or_invent_read_only_values() -> None:
    assert problem(Action.REPLACE, CURRENT, body=BODY | {"status": "PENDING"}).type == "invalid-document"
    assert problem(Action.REPLACE, None, body=BODY | {"status": "PENDING"}).type == "invalid-document"


def test_a_put_creates_generated_keys_only_as_uuid7() -> None:
    orders = resource(key={"partition": "id", "generate": "UUIDv7"})
    with pytest.raises(Problem) as raised:
        effect(orders, Command("orders", Action.REPLACE, ("1",), BODY, Expect.ANY, AT), None)
    assert raised.value.errors[0]["pointer"] == "/id"
    key = ("01985a5e-7a2b-7c3d-8e4f-5a6b7c8d9e0f",)
    assert effect(orders, Command("orders", Action.REPLACE, key, BODY, Expect.ANY, AT), None).fact is Fact.CREATED


def test_the_stored_document_is_not_changed() -> None:
    before = ORDERS.encode(STORED)
    for action in (Action.REPLACE, Action.PATCH, Action.DELETE):
        decide(action, CURRENT)
    decide(Action.PATCH, CURRENT, body={"address": {"city": "Ulm"}, "tags": ["x"]})
    assert ORDERS.encode(STORED) == before


@pytest.mark.parametrize(
    ("action", "stored", "fact"),
    [
        (Action.REPLACE, False, Fact.CREATED),
        (Action.REPLACE, True, Fact.UPDATED),
        (Action.DELETE, True, Fact.DELETED),
    ],
)
def test_what_was_decided_before_is_taken_as_it_is(action: Action, stored: bool, fact: Fact) -> None:
    body = None if action is Action.DELETE else STORED
    command = Command("orders", action, ("1",), body, Expect.ANY, AT, version=9)
    decided = effect(ORDERS, command, CURRENT if stored else None)
    assert (decided.fact, decided.mutation.version, decided.mutation.expect) == (fact, 9, Expect.ANY)
    assert decided.document == body


def test_a_write_without_a_body_is_a_defect() -> None:
    with pytest.raises(ValueError, match="needs a body"):
        effect(ORDERS, Command("orders", Action.CREATE, ("1",), None, Expect.ANY, AT), None)
