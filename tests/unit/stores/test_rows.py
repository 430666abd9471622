"""Documents to rows and back under one layout, under a grown one, and from a row of a former one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.sqlite.resources import INTEGER, NUMBER, TEXT, resource
from tests.unit.sqlite.test_round_trip import cases, exact

from fairlead_contract.spec.api import Resource
from fairlead_workload.errors import Refused
from fairlead_workload.stores.base import Key
from fairlead_workload.stores.relational.layout import plan
from fairlead_workload.stores.relational.rows import RowCodec


def through(codec: RowCodec, key: Key, document: dict[str, Any]) -> list[Any]:
    """The row as it is read: nested values and `_extra` are text."""
    row = codec.encode(codec.storable_key(key), document)
    texts = [json.dumps(value) if isinstance(value, dict | list) else value for value in row]
    return [*texts, 7, codec.layout.number]


@given(cases())
def test_documents_come_back_as_they_were_written(case: tuple[Resource, Key, list[dict[str, Any]]]) -> None:
    declared, key, documents = case
    codec = RowCodec(plan(declared, None))
    for document in documents:
        record = codec.record(through(codec, key, document))
        assert (exact(record.document), record.version) == (exact(document), 7)
        assert record.key == key


@given(cases(), st.data())
def test_a_row_of_a_former_layout_has_nothing_in_the_columns_that_came_later(
    case: tuple[Resource, Key, list[dict[str, Any]]], data: st.DataObject
) -> None:
    grown, key, documents = case
    kept = data.draw(st.sets(st.sampled_from(sorted(grown.schema_.properties))))
    former = plan(resource({name: grown.schema_.properties[name] for name in sorted(kept | {"id"})}), None)
    latter = plan(grown, former)
    before, after = RowCodec(former), RowCodec(latter)
    size = len(former.columns)
    row = through(before, key, documents[0])
    stale = through(after, key, documents[-1])[size : len(latter.columns)]  # of a newer pod, before this write
    record = after.record([*row[:size], *stale, *row[size:]])
    assert exact(record.document) == exact(documents[0])


@pytest.mark.parametrize("value", [2**63, float("inf"), float("nan"), [2**70], {"a": float("nan")}])
@pytest.mark.parametrize("name", ["id2", "number", "undeclared"])
def test_what_no_datastore_holds_exactly_is_refused(name: str, value: Any) -> None:
    codec = RowCodec(plan(resource({"id": TEXT, "id2": INTEGER, "number": NUMBER}), None))
    with pytest.raises(Refused):
        codec.encode(("a",), {"id": "a", name: value})


@pytest.mark.parametrize(
    ("type_", "key", "comparable"),
    [
        ("integer", 1, True), ("integer", 1.0, True), ("integer", 1.5, False), ("integer", True, False),
        ("integer", "1", False), ("integer", 2**63, False), ("integer", float("nan"), False),
        ("integer", float("inf"), False), ("number", 1.5, True), ("number", 1, True), ("number", True, False),
        ("number", float("inf"), False), ("string", "a", True), ("string", "\ud800", False), ("string", "a\0", False),
        ("string", 1, False), ("boolean", True, True), ("boolean", 1, False),
    ],
)  # fmt: skip
def test_which_keys_a_document_can_have(type_: str, key: Any, comparable: bool) -> None:
    codec = RowCodec(plan(resource({"id": {"type": type_}}), None))
    assert (codec.key((key,)) is not None) == comparable
    assert codec.key((key, key)) is None
