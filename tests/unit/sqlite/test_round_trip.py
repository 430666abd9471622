"""A document comes back exactly as it was written, whatever its schema is called and says."""

import json
import sqlite3
from contextlib import closing
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead_contract.spec.api import Resource
from fairlead_workload.stores.base import Key
from fairlead_workload.stores.relational.layout import Layout
from fairlead_workload.stores.sqlite.migration import migrate
from fairlead_workload.stores.sqlite.units import Table

from .resources import resource

AWKWARD = [
    "order", "select", "version", "Version", "VERSION", "_version", "_extra", "_deleted_at", "_key0", "rowid", "a", "A",
    "a__2", "property", "property__2", "", " ", '"', "a\"b", "a'b", "a;--", "a\u0000b", "ä", "Ä", "名前", "id", "ID",
]  # fmt: skip
TYPES = ["string", "integer", "number", "boolean", "object", "array"]

names = st.sampled_from(AWKWARD) | st.text(max_size=8)
schemas = st.one_of(
    st.builds(lambda type_: {"type": type_}, st.sampled_from(TYPES)),
    st.builds(lambda types: {"type": types}, st.lists(st.sampled_from([*TYPES, "null"]), min_size=1, max_size=3)),
    st.just({}),
)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0, 1, 0.0, -0.0, 1.0, 2.0**53, 1e17, 1e300]) | st.text(max_size=6)
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=4
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Resource, Key, list[dict[str, Any]]]:
    properties = draw(st.dictionaries(names, schemas, max_size=8))
    key_type = draw(st.sampled_from(["string", "integer", "number", "boolean"]))
    properties["id"] = {"type": key_type}
    keys = {
        "string": st.text(min_size=1, max_size=5),
        "integer": st.integers(-(2**63), 2**63 - 1),
        "number": st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False),
        "boolean": st.booleans(),
    }
    key = draw(keys[key_type])
    declared = st.sampled_from(sorted(properties))
    document = st.dictionaries(declared | names, values, max_size=8)
    documents = [
        written | draw(st.sampled_from([{"id": key}, {"id": key}, {}]))
        for written in draw(st.lists(document, min_size=1))
    ]
    return resource(properties), (key,), documents


def exact(document: Any) -> str:
    """Distinguishes 1, 1.0, True and -0.0; the order of properties does not matter."""
    return json.dumps(document, sort_keys=True)


def write(connection: sqlite3.Connection, layout: Layout, key: Key, document: dict[str, Any]) -> None:
    table = Table(layout)
    connection.execute(table.write, (*table.codec.encode(table.codec.storable_key(key), document), 7, None))


def read(connection: sqlite3.Connection, layout: Layout, key: Key) -> dict[str, Any]:
    table = Table(layout)
    wanted = table.codec.key(key)
    assert wanted is not None
    (row,) = table.documents.rows(connection, [wanted])
    record = table.codec.record(row)
    assert (exact(record.key), record.version) == (exact(key), 7)
    return record.document


def connect() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE _marks (name TEXT PRIMARY KEY, value ANY) STRICT")
    return connection


@given(cases())
def test_documents_come_back_as_they_were_written(case: tuple[Resource, Key, list[dict[str, Any]]]) -> None:
    declared, key, documents = case
    with closing(connect()) as connection:
        layout = migrate(connection, [declared])["orders"]
        for document in documents:
            write(connection, layout, key, document)
            assert exact(read(connection, layout, key)) == exact(document)


@settings(max_examples=50)
@given(cases(), st.data())
def test_documents_come_back_after_the_schema_has_grown(
    case: tuple[Resource, Key, list[dict[str, Any]]], data: st.DataObject
) -> None:
    grown, key, documents = case
    kept = data.draw(st.sets(st.sampled_from(sorted(grown.schema_.properties))))
    former = resource({name: grown.schema_.properties[name] for name in sorted(kept | {"id"})})
    with closing(connect()) as connection:
        write(connection, migrate(connection, [former])["orders"], key, documents[0])
        for shape in (grown, former, grown):
            layout = migrate(connection, [shape])["orders"]
            assert exact(read(connection, layout, key)) == exact(documents[0])
        write(connection, layout, key, documents[-1])
        assert exact(read(connection, layout, key)) == exact(documents[-1])
