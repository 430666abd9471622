"""What a resource makes of a client's document: checks, defaults, timestamps and the stored form."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead_workload.errors import Problem
from fairlead_workload.model.resource import MAX_ERRORS, pointer

from .specs import PROPERTIES, keyed, resource

AT = 1_767_225_600.0
NOW = "2026-01-01T00:00:00.000000Z"
UUID7 = "01985a5e-7a2b-7c3d-8e4f-5a6b7c8d9e0f"
BODY: dict[str, Any] = {"id": "1", "customer": "ada", "quantity": 2}
GENERATED = resource(key={"partition": "id", "generate": "UUIDv7"})


def refused(call: Any, *arguments: Any, **named: Any) -> dict[str, str]:
    """Details by pointer of the `invalid-document` that `call` raises."""
    with pytest.raises(Problem) as raised:
        call(*arguments, **named)
    assert raised.value.type == "invalid-document"
    return {error["pointer"]: error["detail"] for error in raised.value.errors}


POSTED = {
    "the least": (BODY, set()),
    "a property missing": ({"id": "1", "quantity": 2}, {""}),
    "several faults at once": (
        {"id": "1", "customer": "", "quantity": 0, "price": "9"},
        {"/customer", "/quantity", "/price"},
    ),
    "a wrong type inside": (BODY | {"tags": ["a", 1]}, {"/tags/1"}),
    "deeper": (BODY | {"address": {"city": 1}}, {"/address/city"}),
    "an unknown property": (BODY | {"colour": "red"}, {""}),
    "a read-only property": (BODY | {"status": "PENDING"}, {"/status"}),
    "a timestamp": (BODY | {"createdAt": NOW}, {"/createdAt"}),
    "a date that is none": (BODY | {"due": "2026-02-30T00:00:00Z"}, {"/due"}),
    "a fraction for an integer": (BODY | {"quantity": 1.5}, {"/quantity"}),
    "an integer written as a float": (BODY | {"quantity": 2.0}, set()),
    "a key too long for its schema": (BODY | {"id": "x" * 65}, {"/id"}),
}


@pytest.mark.parametrize("case", POSTED)
def test_a_posted_document(case: str) -> None:
    body, pointers = POSTED[case]
    if pointers:
        assert refused(resource().check_new, body).keys() == pointers
    else:
        resource().check_new(body)


PUT = {
    "the key left out": ({"customer": "ada", "quantity": 2}, ("1",), set()),
    "the key repeated": (BODY, ("1",), set()),
    "another key": (BODY, ("2",), {"/id"}),
    "a key in the URL that the schema refuses": ({"customer": "ada", "quantity": 2}, ("x" * 65,), {"/id"}),
    "a read-only property, for the stored one to decide": (BODY | {"status": "PENDING"}, ("1",), set()),
}


@pytest.mark.parametrize("case", PUT)
def test_a_put_document(case: str) -> None:
    body, key, pointers = PUT[case]
    if pointers:
        assert refused(resource().check_new, body, from_path=key).keys() == pointers
    else:
        resource().check_new(body, from_path=key)


def test_a_generated_key_is_the_server_s_to_make() -> None:
    assert refused(GENERATED.check_new, BODY).keys() == {"/id"}
    GENERATED.check_new({"customer": "ada", "quantity": 2})
    GENERATED.check_created_key((UUID7,))
    assert refused(GENERATED.check_created_key, ("1",)).keys() == {"/id"}
    resource().check_created_key(("1",))


def test_many_errors_are_bounded() -> None:
    assert len(refused(resource().check_new, BODY | {"tags": [1] * 500})) == MAX_ERRORS


def test_a_long_value_does_not_come_back_whole() -> None:
    details = refused(resource().check_new, BODY | {"customer": "x" * 10_000})
    assert len(details["/customer"]) <= 300


@pytest.mark.parametrize(
    ("path", "expected"),
    [([], ""), (["a", 0], "/a/0"), (["a/b"], "/a~1b"), (["a~b"], "/a~0b"), (["~1"], "/~01"), ([""], "/")],
)
def test_pointer(path: list[str | int], expected: str) -> None:
    assert pointer(path) == expected


def test_read_only_values_may_be_repeated_but_not_changed() -> None:
    stored = BODY | {"status": "CONFIRMED", "createdAt": NOW}
    resource().check_read_only(stored, stored)
    assert refused(resource().check_read_only, stored | {"status": "PENDING"}, stored).keys() == {"/status"}
    assert refused(resource().check_read_only, stored | {"approver": "eve"}, stored).keys() == {"/approver"}


def test_a_created_document_has_its_defaults_key_and_timestamps() -> None:
    body = {"customer": "ada", "quantity": 2.0, "due": "2026-01-31T10:00:00+01:00"}
    document = resource().created(body, ("1",), at=AT)
    assert document == {
        "id": "1",
        "customer": "ada",
        "quantity": 2,
        "due": "2026-01-31T09:00:00.000000Z",
        "tags": ["new"],
        "status": "PENDING",
        "createdAt": NOW,
        "updatedAt": NOW,
    }
    assert type(document["quantity"]) is int


def test_defaults_are_not_shared_between_documents() -> None:
    orders = resource()
    orders.created(BODY, ("1",), at=AT)["tags"].append("changed")
    assert orders.created(BODY, ("2",), at=AT)["tags"] == ["new"]


def test_a_replaced_document_keeps_what_the_server_set() -> None:
    stored = resource().created(BODY, ("1",), at=AT) | {"status": "CONFIRMED", "approver": "ada", "price": 3.5}
    document = resource().replaced({"customer": "bob", "quantity": 1}, ("1",), stored, at=AT + 60)
    assert document == {
        "id": "1",
        "customer": "bob",
        "quantity": 1,
        "tags": ["new"],
        "status": "CONFIRMED",
        "approver": "ada",
        "createdAt": NOW,
        "updatedAt": "2026-01-01T00:01:00.000000Z",
    }


def test_an_integer_beyond_64_bits_is_refused_however_it_is_written() -> None:
    for value in (1e300, 2.0**63):
        assert refused(resource().check_new, BODY | {"quantity": value}).keys() == {"/quantity"}
    assert resource().normalise(BODY | {"quantity": 1e15})["quantity"] == 10**15


def test_a_fraction_is_never_cut_to_an_integer() -> None:
    assert resource().normalise(BODY | {"quantity": 1.5})["quantity"] == 1.5


KEYS = {
    "one text": (("string",), ("a b",), ("a b",)),
    "an integer": (("integer",), ("42",), (42,)),
    "a number": (("number",), ("4.5",), (4.5,)),
    "a boolean and a text": (("boolean", "string"), ("true", "x"), (True, "x")),
}


@pytest.mark.parametrize("case", KEYS)
def test_keys_are_read_from_urls(case: str) -> None:
    types, segments, expected = KEYS[case]
    assert keyed(*types).parse_key(segments) == expected


def test_a_bad_key_in_a_url_is_an_invalid_key() -> None:
    with pytest.raises(Problem) as raised:
        keyed("integer").parse_key(("abc",))
    assert (raised.value.type, raised.value.status) == ("invalid-key", 400)


DOCUMENT_KEYS = {
    "missing": ({"a": "x"}, {"/b"}),
    "both missing": ({}, {"/a", "/b"}),
    "empty": ({"a": "", "b": 1}, {"/a"}),
    "control characters": ({"a": "x\x00", "b": 1}, {"/a"}),
    "too many bytes": ({"a": "ü" * 128, "b": 1}, {"/a"}),
}


@pytest.mark.parametrize("case", DOCUMENT_KEYS)
def test_a_document_without_a_usable_key(case: str) -> None:
    document, pointers = DOCUMENT_KEYS[case]
    assert refused(keyed("string", "integer").document_key, document).keys() == pointers


def test_the_key_of_a_document() -> None:
    assert keyed("string", "integer").document_key({"a": "x/y", "b": 7}) == ("x/y", 7)
    assert keyed("string", "integer").path(("x/y", 7)) == "orders/x%2Fy/7"


def test_a_boolean_is_not_the_number_one() -> None:
    assert refused(keyed("integer").check_key, {"a": True}, (1,)).keys() == {"/a"}
    keyed("integer").check_key({"a": 1.0}, (1,))


def test_documents_have_one_encoding() -> None:
    orders = resource()
    document = {"quantity": 2, "price": 3.0, "address": {"zip": "1", "city": "Ulm"}, "id": "1", "customer": "ü"}
    expected = '{"id":"1","customer":"ü","quantity":2,"price":3,"address":{"city":"Ulm","zip":"1"}}'
    assert orders.encode(document).decode() == expected
    assert orders.encode(dict(reversed(document.items()))).decode() == expected


NAMES = st.text('ab\uffff\U00010000ü"', max_size=3)
NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from([1.0, 0.5, 2.0**60]) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
)


def in_order(value: Any) -> Any:
    """`value` with the names of its objects in the order of their characters."""
    if isinstance(value, dict):
        return {name: in_order(value[name]) for name in sorted(value)}
    return [in_order(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(st.sampled_from(["address", "quantity", "tags", "id"]), NESTED), st.dictionaries(NAMES, NESTED))
def test_names_are_in_one_order_at_any_depth(declared: dict[str, Any], others: dict[str, Any]) -> None:
    orders = resource()
    names = [name for name in orders.properties if name in declared] + sorted(others)
    expected = {name: in_order((declared | others)[name]) for name in names}
    assert orders.encode(others | declared) == msgspec.json.encode(expected)


def test_patterns_are_matched_in_linear_time() -> None:
    properties = PROPERTIES | {"customer": {"type": "string", "pattern": "^(a+)+$"}}
    orders = resource(schema={"type": "object", "properties": properties})
    assert refused(orders.check_new, BODY | {"customer": "a" * 50_000 + "!"}).keys() == {"/customer"}


PATCHES = {
    "a value that fits": ({"quantity": 3}, set()),
    "a value that never fits": ({"quantity": 0}, {"/quantity"}),
    "several that never fit": ({"quantity": 0, "customer": 7}, {"/quantity", "/customer"}),
    "removing what is required": ({"customer": None}, {"/customer"}),
    "removing what is not": ({"due": None}, set()),
    "an unknown property": ({"colour": "red"}, {""}),
    "removing an unknown property": ({"colour": None}, set()),
    "part of an object, for the stored one to complete": ({"address": {"street": "High Street"}}, set()),
    "an array": ({"tags": ["a", 1]}, {"/tags/1"}),
}


@pytest.mark.parametrize("case", PATCHES)
def test_a_patch_by_itself(case: str) -> None:
    patch, pointers = PATCHES[case]
    if pointers:
        assert refused(resource().check_patch, patch).keys() == pointers
    else:
        resource().check_patch(patch)
