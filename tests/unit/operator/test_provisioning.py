"""What a provision Job says is taken only as far as the status can hold it: its image may be anybody's."""

import json
from typing import Any

import pytest

from fairlead_operator.provisioning import MOST_BINDINGS, parse

BINDING = {"role": "datastore", "type": "PostgreSQL", "name": "shop", "state": "Ready"}


def said(*bindings: Any) -> str:
    return json.dumps({"version": 1, "hash": "abc", "bindings": list(bindings)})


def test_bindings_are_taken_as_they_are() -> None:
    queue = BINDING | {"role": "queue", "reason": "Created", "message": "made", "more": 1}
    assert parse(said(BINDING, queue), expected="abc") == [
        BINDING,
        {key: value for key, value in queue.items() if key != "more"},
    ]


@pytest.mark.parametrize(
    "message",
    [
        said(BINDING | {"state": "Fine"}),
        said(BINDING | {"type": ""}),
        said({"role": "queue", "state": "Ready"}),
        said("datastore"),
        said(None),
        json.dumps({"version": 1, "hash": "abc", "bindings": "Ready"}),
        json.dumps({"version": 1, "hash": "abc", "bindings": {"a": 1}}),
        json.dumps({"version": 1, "hash": "other", "bindings": []}),
        json.dumps([]),
        "[" * 4096,
        "",
    ],
)
def test_what_is_not_ours_is_no_result(message: str) -> None:
    assert parse(message, expected="abc") is None


def test_one_binding_of_each_role_and_no_more_than_the_status_holds() -> None:
    many = [BINDING | {"role": f"r{number}"} for number in range(40)]
    assert len(parse(said(*many), expected="abc") or ()) == MOST_BINDINGS
    assert parse(said(BINDING, BINDING | {"state": "Failed"}), expected="abc") == [BINDING | {"state": "Failed"}]


def test_a_credential_in_a_message_does_not_get_through() -> None:
    bad = BINDING | {"state": "Failed", "message": "no route to postgresql://shop:hunter2@db/shop"}
    [found] = parse(said(bad), expected="abc") or ()
    assert found["message"] == "no route to postgresql://***@db/shop"
