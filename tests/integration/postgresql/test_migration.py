"""Schema changes on an existing schema: what grows, what is refused, and pods of two layouts side by side."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.postgresql import open_schema
from tests.servers.postgresql import GROUP, PostgreSQL
from tests.unit.sqlite.resources import BOOLEAN, INTEGER, NUMBER, ORDERS, TEXT, put, resource
from tests.unit.sqlite.test_round_trip import cases, exact

from fairlead_contract.spec.api import Resource
from fairlead_workload.errors import Misconfigured, Unavailable
from fairlead_workload.stores.base import Key, Mutation, Query, Range, Unit
from fairlead_workload.stores.postgresql import PostgresqlStore, Reason, provision

from .conftest import until

pytestmark = pytest.mark.xdist_group(GROUP)

PLAIN = resource({"id": TEXT})
NOTED = resource({"id": TEXT, "note": TEXT}, indexes=(("byNote", "note"),))
BY_NOTE = Query("byNote", "n")


class Schema:
    """An empty schema's name, and what is done with it."""

    def __init__(self, server: PostgreSQL) -> None:
        self.server = server
        self.name = f"test_{secrets.token_hex(6)}"

    async def provision(self, *resources: Resource) -> None:
        await provision(self.server.server(), self.name, resources)

    def open(self, *resources: Resource) -> Any:
        return open_schema(self.server, resources, schema=self.name)

    async def write(self, declared: Resource, **values: Any) -> None:
        """Bring the schema to `declared` and store the order `a`."""
        await self.provision(declared)
        async with self.open(declared) as store:
            await store.commit(put("a", **values))

    async def read(self, declared: Resource, query: Query) -> list[dict[str, Any]]:
        await self.provision(declared)
        async with self.open(declared) as store:
            return await listed(store, query)

    def indexes(self) -> set[str]:
        rows = self.server.execute(
            f"SELECT indexname FROM pg_indexes WHERE schemaname = '{self.name}' AND tablename = 'orders'"
        )
        return {name for (name,) in rows if name.startswith("orders_") and name != "orders_pkey"}

    def objects(self) -> list[Any]:
        """Every table, column and index, and which file it has: a change is seen by it."""
        return self.server.execute(
            "SELECT c.relname, c.relfilenode, a.attname, a.attnum FROM pg_class c"
            " JOIN pg_attribute a ON a.attrelid = c.oid"
            f" WHERE c.relnamespace = '{self.name}'::regnamespace ORDER BY 1, 4"
        )


async def listed(store: PostgresqlStore, query: Query) -> list[dict[str, Any]]:
    page = await store.query("orders", query)
    return [record.document for record in page.records]


async def one(store: PostgresqlStore, id_: str = "a") -> dict[str, Any] | None:
    (record,) = await store.get("orders", [(id_,)])
    return record and record.document


@pytest.fixture
async def schema(postgresql: PostgreSQL) -> AsyncIterator[Schema]:
    schema = Schema(postgresql)
    yield schema
    postgresql.execute(f"DROP SCHEMA IF EXISTS {schema.name} CASCADE")


# Growing


async def test_a_new_property_takes_over_what_documents_had_and_can_be_indexed(schema: Schema) -> None:
    await schema.write(PLAIN, price=2.5, note="n", other=None)
    grown = resource({"id": TEXT, "note": TEXT, "price": NUMBER}, indexes=(("byNote", "note", "price"),))
    found = await schema.read(grown, Query("byNote", "n", Range(gt=2)))
    assert found == [{"id": "a", "price": 2.5, "note": "n", "other": None}]


async def test_a_removed_property_stays_part_of_the_documents(schema: Schema) -> None:
    await schema.write(ORDERS, customer="c", quantity=1)
    assert await schema.read(PLAIN, Query()) == [{"id": "a", "customer": "c", "quantity": 1}]
    assert await schema.read(ORDERS, Query("byCustomer", "c")) == [{"id": "a", "customer": "c", "quantity": 1}]


async def test_indexes_come_change_and_go(schema: Schema) -> None:
    properties = {"id": TEXT, "customer": TEXT, "quantity": INTEGER}
    await schema.write(resource(properties, indexes=(("one", "customer"), ("ONE", "quantity"))), customer="c")
    assert schema.indexes() == {"orders_one", "orders_ONE"}
    changed = resource(properties, indexes=(("one", "quantity", "customer"),))
    await schema.write(changed, customer="c", quantity=3)
    assert await schema.read(changed, Query("one", 3)) == [{"id": "a", "customer": "c", "quantity": 3}]
    assert schema.indexes() == {"orders_one"}
    assert await schema.read(resource(properties), Query()) == [{"id": "a", "customer": "c", "quantity": 3}]
    assert schema.indexes() == set()


async def test_names_that_postgresql_would_cut_do_not_meet(schema: Schema) -> None:
    long = "customerWithALongName" * 3
    properties = {"id": TEXT, f"{long}A": TEXT, f"{long}B": TEXT, "ctid": TEXT, "_version": TEXT, 'a"b; --': TEXT}
    indexes = ((f"{long}A"[:63], "ctid"), (f"{long}B"[:62], "id"))
    declared = resource(properties, indexes=indexes)
    document = {name: f"value of {name}" for name in properties if name != "id"}
    await schema.write(declared, **document)
    assert await schema.read(declared, Query(indexes[0][0], "value of ctid")) == [{"id": "a", **document}]


async def test_a_resource_that_left_keeps_its_documents(schema: Schema) -> None:
    await schema.write(ORDERS, customer="c")
    await schema.provision(resource({"id": TEXT}, name="products"))
    assert await schema.read(ORDERS, Query()) == [{"id": "a", "customer": "c"}]


async def test_an_unchanged_resource_changes_nothing_in_the_schema(schema: Schema) -> None:
    await schema.write(ORDERS)
    before = schema.objects()
    await schema.provision(ORDERS)
    assert schema.objects() == before


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        (resource({"id": TEXT, "quantity": NUMBER}), "api.resources[orders].schema.properties.quantity"),
        (resource({"id": TEXT, "customer": BOOLEAN}), "api.resources[orders].schema.properties.customer"),
        (resource({"id": INTEGER}), "api.resources[orders].schema.properties.id"),
        (resource({"id": TEXT, "customer": TEXT}, key=("customer",)), "api.resources[orders].key"),
        (
            resource({"id": TEXT, "lines": {"type": "array"}}, indexes=(("byLines", "lines"),)),
            "api.resources[orders].indexes[byLines]",
        ),
    ],
)
async def test_what_documents_cannot_follow_is_refused_by_name(schema: Schema, changed: Resource, field: str) -> None:
    await schema.write(ORDERS, customer="c", quantity=1)
    before = schema.objects()
    with pytest.raises(Misconfigured) as caught:
        await schema.provision(resource({"id": TEXT}, name="products"), changed)
    assert caught.value.path == field
    assert caught.value.remedy
    assert schema.objects() == before


async def test_migrations_at_one_time_come_one_after_another(schema: Schema) -> None:
    shapes = [resource({"id": TEXT, f"property{n}": TEXT}) for n in range(4)]
    await asyncio.gather(*(schema.provision(shape) for shape in shapes))
    async with schema.open(*shapes[:1]) as store:
        await store.commit(put("a", **{f"property{n}": "x" for n in range(4)}))
        assert schema.server.execute(f"SELECT property0, property3 FROM {schema.name}.orders") == [("x", "x")]


async def test_a_migration_waits_for_those_who_read(schema: Schema) -> None:
    await schema.write(PLAIN)
    with schema.server.connect() as other:
        other.execute("BEGIN")
        other.execute(f"SELECT 1 FROM {schema.name}.orders".encode())
        migrating = asyncio.ensure_future(schema.provision(NOTED))
        await until(schema.server.waiting)
        other.rollback()
        await migrating
    assert await schema.read(NOTED, Query()) == [{"id": "a"}]


async def test_a_schema_that_was_not_provisioned_is_named(schema: Schema) -> None:
    for declared in (PLAIN, NOTED):
        with pytest.raises(Unavailable) as caught:
            async with schema.open(declared):
                pass
        assert caught.value.reason == Reason.NOT_PROVISIONED
        assert "orders" in caught.value.message
        assert "run the provision Job" in caught.value.message
        await schema.provision(PLAIN)


# Two layouts at once


async def test_what_a_former_pod_writes_hides_nothing_and_shows_nothing_stale(schema: Schema) -> None:
    await schema.provision(PLAIN)
    async with schema.open(PLAIN) as former:
        await schema.provision(NOTED)
        async with schema.open(NOTED) as latter:
            await latter.commit(put("a", note="n"))
            assert await listed(latter, BY_NOTE) == [{"id": "a", "note": "n"}]
            await former.commit(put("a", other=1))  # without having read it
            assert await one(latter) == {"id": "a", "other": 1}
            assert await listed(latter, BY_NOTE) == []
            assert await listed(latter, Query()) == [{"id": "a", "other": 1}]
            await former.commit(put("a", note="n"))
            assert await one(latter) == {"id": "a", "note": "n"}


async def test_what_a_former_pod_writes_is_in_the_new_index_after_a_sweep(schema: Schema) -> None:
    await schema.provision(PLAIN)
    async with schema.open(PLAIN) as former:
        await schema.provision(NOTED)
        async with schema.open(NOTED) as latter:
            await former.commit(put("a", note="n"))
            before = await latter.get("orders", [("a",)])
            await latter.sweep(now=0, tombstones_before=0)
            assert await listed(latter, BY_NOTE) == [{"id": "a", "note": "n"}]
            assert await latter.get("orders", [("a",)]) == before
            await former.sweep(now=0, tombstones_before=0)


@pytest.mark.parametrize("query", [None, Query(), Query(partition="a")], ids=["get", "list", "list of one"])
async def test_a_former_pod_loses_no_property_that_it_does_not_know(schema: Schema, query: Query | None) -> None:
    await schema.provision(PLAIN)
    async with schema.open(PLAIN) as former:
        await schema.provision(NOTED)
        async with schema.open(NOTED) as latter:
            await latter.commit(put("a", note="n", other=1))
            found = await one(former) if query is None else (await listed(former, query))[0]
            assert found == {"id": "a", "note": "n", "other": 1}
            await former.commit(Unit((Mutation("orders", ("a",), {**found, "other": 2}),)))
            assert await listed(latter, BY_NOTE) == [{"id": "a", "note": "n", "other": 2}]


async def test_a_former_pod_that_restarts_serves_the_new_layout(schema: Schema) -> None:
    await schema.write(PLAIN, note="n")
    await schema.provision(NOTED)
    async with schema.open(PLAIN) as former, schema.open(NOTED) as latter:
        await former.commit(put("b", note="n"))
        assert [document["id"] for document in await listed(latter, BY_NOTE)] == ["a", "b"]


_numbers = iter(range(10**9))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(cases(), st.data())
async def test_documents_come_back_before_and_after_their_schema_has_grown(
    schema: Schema, case: tuple[Resource, Key, Sequence[dict[str, Any]]], data: st.DataObject
) -> None:
    grown, key, found = case
    documents = [document for document in found if "\\u0000" not in exact(document)]
    if any(isinstance(value, str) and "\0" in value for value in key) or not documents:
        return
    kept = data.draw(st.sets(st.sampled_from(sorted(grown.schema_.properties))))
    name = f"r{next(_numbers)}"
    properties = {name_: grown.schema_.properties[name_] for name_ in sorted(kept | {"id"})}
    former = resource(properties, name=name)
    latter = grown.model_copy(update={"name": name})
    await schema.provision(former)
    async with schema.open(former) as before:
        await check(before, name, key, documents[0])
        await schema.provision(latter)
        async with schema.open(latter) as after:
            await check(after, name, key, None, documents[0])
            for document in documents:
                await check(after, name, key, document)
                await check(before, name, key, None, document)


async def check(
    store: PostgresqlStore, name: str, key: Key, written: dict[str, Any] | None, expected: dict[str, Any] | None = None
) -> None:
    if written is not None:
        await store.commit(Unit((Mutation(name, key, written),)))
    (record,) = await store.get(name, [key])
    assert record is not None
    assert exact(record.document) == exact(expected if written is None else written)
    assert record.key == key
