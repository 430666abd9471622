"""Schema changes on an existing file: what grows, what is refused, and that half of a migration is none."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fairlead_contract.spec.api import Resource
from fairlead_workload.errors import Misconfigured
from fairlead_workload.sqlite import Database
from fairlead_workload.sqlite.database import DATABASE_FILE
from fairlead_workload.stores.base import Query, Range
from fairlead_workload.stores.sqlite import SqliteStore

from .resources import BOOLEAN, INTEGER, NUMBER, ORDERS, TEXT, put, resource


async def written(data_dir: Path, declared: Resource, **values: Any) -> None:
    """Serve `declared` once and store the order `a`."""
    database = Database.open(data_dir)
    try:
        await SqliteStore(database, [declared]).commit(put("a", **values))
    finally:
        await database.close()


async def stored(data_dir: Path, declared: Resource, query: Query) -> list[dict[str, Any]]:
    database = Database.open(data_dir)
    try:
        page = await SqliteStore(database, [declared]).query("orders", query)
        return [record.document for record in page.records]
    finally:
        await database.close()


def indexes(data_dir: Path) -> set[str]:
    with closing(sqlite3.connect(data_dir / DATABASE_FILE)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'orders'")
        return {name for (name,) in rows if name.startswith("orders_")}


async def test_a_new_property_takes_over_what_documents_had_and_can_be_indexed(tmp_path: Path) -> None:
    await written(tmp_path, resource({"id": TEXT}), price=2.5, note="n", other=None)
    grown = resource({"id": TEXT, "note": TEXT, "price": NUMBER}, indexes=(("byNote", "note", "price"),))
    found = await stored(tmp_path, grown, Query("byNote", "n", Range(gt=2)))
    assert found == [{"id": "a", "price": 2.5, "note": "n", "other": None}]


async def test_a_removed_property_stays_part_of_the_documents(tmp_path: Path) -> None:
    await written(tmp_path, ORDERS, customer="c", quantity=1)
    assert await stored(tmp_path, resource({"id": TEXT}), Query()) == [{"id": "a", "customer": "c", "quantity": 1}]
    assert await stored(tmp_path, ORDERS, Query("byCustomer", "c")) == [{"id": "a", "customer": "c", "quantity": 1}]


async def test_indexes_come_change_and_go(tmp_path: Path) -> None:
    properties = {"id": TEXT, "customer": TEXT, "quantity": INTEGER}
    await written(tmp_path, resource(properties, indexes=(("one", "customer"), ("ONE", "quantity"))), customer="c")
    assert indexes(tmp_path) == {"orders_one", "orders_ONE__2"}
    changed = resource(properties, indexes=(("one", "quantity", "customer"),))
    await written(tmp_path, changed, customer="c", quantity=3)
    assert await stored(tmp_path, changed, Query("one", 3)) == [{"id": "a", "customer": "c", "quantity": 3}]
    assert indexes(tmp_path) == {"orders_one"}
    assert await stored(tmp_path, resource(properties), Query()) == [{"id": "a", "customer": "c", "quantity": 3}]
    assert indexes(tmp_path) == set()


async def test_swapped_index_names_are_no_clash(tmp_path: Path) -> None:
    properties = {"id": TEXT, "customer": TEXT, "quantity": INTEGER}
    await written(tmp_path, resource(properties, indexes=(("x", "customer"), ("X", "quantity"))), customer="c")
    swapped = resource(properties, indexes=(("X", "quantity"), ("x", "customer")))
    assert await stored(tmp_path, swapped, Query("x", "c")) == [{"id": "a", "customer": "c"}]


async def test_a_resource_that_left_keeps_its_documents(tmp_path: Path) -> None:
    await written(tmp_path, ORDERS, customer="c")
    database = Database.open(tmp_path)
    SqliteStore(database, [resource({"id": TEXT}, name="products")])
    await database.close()
    assert await stored(tmp_path, ORDERS, Query()) == [{"id": "a", "customer": "c"}]


async def test_an_unchanged_schema_changes_nothing_in_the_file(tmp_path: Path) -> None:
    await written(tmp_path, ORDERS)

    def schema_version() -> int:
        with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
            version: int = connection.execute("PRAGMA schema_version").fetchone()[0]
            return version

    before = schema_version()
    await written(tmp_path, ORDERS)
    assert schema_version() == before


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (resource({"id": TEXT, "quantity": NUMBER}), "api.resources[orders].schema.properties.quantity"),
        (resource({"id": TEXT, "customer": BOOLEAN}), "api.resources[orders].schema.properties.customer"),
        (resource({"id": INTEGER}), "api.resources[orders].schema.properties.id"),
        (resource({"id": TEXT, "customer": TEXT}, key=("customer",)), "api.resources[orders].key"),
        (resource({"id": TEXT, "customer": TEXT}, key=("id", "customer")), "api.resources[orders].key"),
        (
            resource({"id": TEXT, "lines": {"type": "array"}}, indexes=(("byLines", "lines"),)),
            "api.resources[orders].indexes[byLines]",
        ),
    ],
)
async def test_what_documents_cannot_follow_is_refused_by_name(tmp_path: Path, changed: Resource, field: str) -> None:
    await written(tmp_path, ORDERS, customer="c", quantity=1)
    with pytest.raises(Misconfigured) as caught:
        await stored(tmp_path, changed, Query())
    assert caught.value.path == field
    assert caught.value.remedy
    assert await stored(tmp_path, ORDERS, Query()) == [{"id": "a", "customer": "c", "quantity": 1}]


async def test_a_tool_beside_a_server_changes_no_tables(tmp_path: Path) -> None:
    server = Database.open(tmp_path)
    store = SqliteStore(server, [ORDERS])
    tool = Database.open(tmp_path, exclusive=False)
    edited = resource({"id": INTEGER, "new": TEXT}, indexes=(("byNew", "new"),))
    beside = SqliteStore(tool, [edited, resource({"id": TEXT}, name="products")])
    await store.commit(put("a", new="n"))
    assert await beside.get("orders", [("a",)]) == await store.get("orders", [("a",)])
    await tool.close()
    await server.close()
    assert indexes(tmp_path) == {"orders_byCustomer"}


async def test_a_property_may_begin_to_allow_null(tmp_path: Path) -> None:
    await written(tmp_path, ORDERS, customer="c")
    nullable = resource({"id": TEXT, "customer": {"type": ["string", "null"]}})
    assert await stored(tmp_path, nullable, Query()) == [{"id": "a", "customer": "c"}]


async def test_a_migration_that_is_refused_half_way_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    await written(tmp_path, ORDERS, customer="c")
    database = Database.open(tmp_path)
    products = resource({"id": TEXT}, name="products", indexes=(("byId", "id"),))
    with pytest.raises(Misconfigured):
        SqliteStore(database, [products, resource({"id": INTEGER})])
    await database.close()
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE tbl_name = 'products'").fetchone() == (0,)
        assert connection.execute("SELECT resource FROM _layouts").fetchall() == [("orders",)]
