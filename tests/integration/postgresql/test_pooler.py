"""PostgreSQL behind PgBouncer in transaction mode: many clients on few connections, and no session to rely on.

Each transaction may have another connection, with whatever a client before it left there.
"""

import asyncio
from contextlib import AsyncExitStack

import pytest
from tests.conformance.store_cases import put, read, write
from tests.integration.postgresql.conftest import RESOURCES, Service, until
from tests.postgresql import open_schema
from tests.servers.pgbouncer import SERVERS, PgBouncer
from tests.servers.postgresql import GROUP

from fairlead_workload.errors import Conflict, Unavailable
from fairlead_workload.stores.base import Mutation, Unit
from fairlead_workload.stores.postgresql import PostgresqlStore

pytestmark = pytest.mark.xdist_group(GROUP)

STORES, POOL, ROUNDS = 8, 8, 5  # 64 clients
CHANGED = "SELECT name, setting FROM pg_settings WHERE source = 'session' AND name <> 'application_name'"


async def stores(stack: AsyncExitStack, service: Service, pooler: PgBouncer, count: int) -> list[PostgresqlStore]:
    return [
        await stack.enter_async_context(
            open_schema(service.server, RESOURCES, schema=service.schema, server=pooler.server(), pool_size=POOL)
        )
        for _ in range(count)
    ]


def plant(pooler: PgBouncer, *settings: str) -> None:
    """Have a client leave settings of its session on every connection of the pooler."""
    with Clients(pooler) as clients:
        for client in clients:
            for setting in settings:
                client.execute(setting.encode())


class Clients:
    """As many clients as there are connections, each in a transaction, so that each has one of its own."""

    def __init__(self, pooler: PgBouncer) -> None:
        self._clients = [pooler.connect() for _ in range(SERVERS)]

    def __enter__(self):
        for client in self._clients:
            client.execute(b"BEGIN")
        return self._clients

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.execute(b"COMMIT")
            client.close()


def changed(pooler: PgBouncer) -> set[tuple[str, str]]:
    """The settings that sessions have kept, on any connection of the pooler."""
    with Clients(pooler) as clients:
        return {(name, value) for client in clients for name, value in client.execute(CHANGED.encode()).fetchall()}


@pytest.fixture(autouse=True)
def _clean(pgbouncer: PgBouncer):
    yield
    plant(pgbouncer, "DISCARD PLANS", "RESET ALL")


async def test_64_clients_work_on_two_connections(service: Service, pgbouncer: PgBouncer) -> None:
    async with AsyncExitStack() as stack:
        opened = await stores(stack, service, pgbouncer, STORES)

        async def client(store: PostgresqlStore, number: int) -> None:
            for count in range(ROUNDS):
                await write(store, put(f"d{number}", n=count))
                [found] = await store.get("orders", [(f"d{number}",)], strong=True)
                assert found is not None
                assert found.document["n"] == count

        await asyncio.gather(*(client(opened[number % STORES], number) for number in range(STORES * POOL)))
        names = [f"d{number}" for number in range(STORES * POOL)]
        found = await opened[0].get("orders", [(name,) for name in names], strong=True)
        assert [record and record.document["n"] for record in found] == [ROUNDS - 1] * len(names)
    behind = service.server.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres' AND client_port IS NOT NULL"
        " AND pid <> pg_backend_pid()"
    )
    assert behind[0][0] <= SERVERS + 2, "the tests themselves have up to two"


async def test_updates_of_one_document_by_64_clients_are_all_applied(service: Service, pgbouncer: PgBouncer) -> None:
    async with AsyncExitStack() as stack:
        opened = await stores(stack, service, pgbouncer, STORES)
        await write(opened[0], put("d", n=0))

        async def add(store: PostgresqlStore) -> None:
            while True:
                [found] = await store.get("orders", [("d",)], strong=True)
                assert found is not None
                document = found.document | {"n": found.document["n"] + 1}
                try:
                    await store.commit(Unit((Mutation("orders", ("d",), document, expect=found.version),)))
                except Conflict:
                    continue
                return

        await asyncio.gather(*(add(opened[number % STORES]) for number in range(STORES * POOL)))
        found = await read(opened[0], "d")
        assert found is not None
        assert found["n"] == STORES * POOL


@pytest.mark.parametrize(
    "setting",
    [
        "SET search_path = pg_catalog",
        "SET default_transaction_isolation = 'serializable'",
        "SET DateStyle = 'German'",
        "SET TimeZone = 'Asia/Kolkata'",
        "SET standard_conforming_strings = off",
        "SET bytea_output = 'escape'",
        "SET extra_float_digits = -10",
    ],
)
async def test_what_another_client_left_on_a_connection_changes_nothing(
    service: Service, pgbouncer: PgBouncer, setting: str
) -> None:
    async with AsyncExitStack() as stack:
        [store] = await stores(stack, service, pgbouncer, 1)
        plant(pgbouncer, setting)
        assert changed(pgbouncer), "it is there"
        document = {"n": 1, "price": 0.1 + 0.2, "at": "2026-01-31T09:00:00Z", "text": "a\\'b"}
        await write(store, put("d", **document))
        found = await read(store, "d")
        assert found is not None
        assert {name: found[name] for name in document} == document


@pytest.mark.parametrize("setting", ["statement_timeout", "lock_timeout"])
async def test_the_time_limits_are_our_own(service: Service, pgbouncer: PgBouncer, setting: str) -> None:
    async with AsyncExitStack() as stack:
        [store] = await stores(stack, service, pgbouncer, 1)
        await write(store, put("d", n=1))
        plant(pgbouncer, f"SET {setting} = '100ms'")
        with service.server.connect() as other:
            with other.transaction():
                other.execute(f"LOCK TABLE {service.table('orders')} IN ACCESS EXCLUSIVE MODE".encode())
                writing = asyncio.ensure_future(write(store, put("d", n=2)))
                await until(lambda: service.server.execute("SELECT 1 FROM pg_locks WHERE NOT granted"))
                await asyncio.sleep(0.3)  # longer than what was planted
            await writing
        found = await read(store, "d")
        assert found is not None
        assert found["n"] == 2


async def test_we_leave_nothing_on_a_connection(service: Service, pgbouncer: PgBouncer) -> None:
    async with AsyncExitStack() as stack:
        [store] = await stores(stack, service, pgbouncer, 1)
        await asyncio.gather(*(write(store, put(f"d{number}", n=number)) for number in range(50)))
        await store.sweep(now=0, tombstones_before=0)
        await store.check()
        assert changed(pgbouncer) == set()
        with Clients(pgbouncer) as clients:
            for client in clients:
                for state in ("pg_prepared_statements", "pg_locks WHERE locktype = 'advisory'", "pg_cursors"):
                    assert client.execute(f"SELECT * FROM {state}".encode()).fetchall() == [], state
    plant(pgbouncer, "SET work_mem = '65MB'")
    assert changed(pgbouncer) == {("work_mem", "66560")}, "a SET of ours would have been seen"


async def test_a_pooler_that_is_not_declared_is_named(service: Service, pgbouncer: PgBouncer) -> None:
    server = pgbouncer.behind.server(host="127.0.0.1", port=pgbouncer.port)
    with pytest.raises(Unavailable) as caught:
        async with open_schema(service.server, RESOURCES, schema=service.schema, server=server) as store:
            await asyncio.gather(*(write(store, put(f"d{number}", n=1)) for number in range(50)))
    assert "pooler" in str(caught.value) or "startup parameter" in str(caught.value)
