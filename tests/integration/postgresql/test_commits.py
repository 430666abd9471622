"""Commits side by side with others: nothing is lost, who has to wait waits alone, and circles are broken."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from tests.conformance.store_cases import ABSENT, PRESENT, conflict, put, read, write
from tests.postgresql import open_schema
from tests.servers.postgresql import GROUP

from fairlead_workload.errors import Conflict, ConflictKind, Unavailable
from fairlead_workload.stores.base import Mutation, OutboxEvent, RecordWrite, Unit
from fairlead_workload.stores.postgresql import Limits, PostgresqlStore

from .conftest import RESOURCES, Service, until

pytestmark = pytest.mark.xdist_group(GROUP)

SHORT = Limits(lock=0.4, batch_lock=0.05)
WAITS_FOR_LONG = (
    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    " AND clock_timestamp() - query_start > interval '150 ms'"
)
REQUIRES_NOTHING: tuple[tuple[str, tuple[Any, ...]], ...] = ()
REQUIRES = (("counters", (1,)),)  # makes a unit one that is committed in steps
WAYS = pytest.mark.parametrize("requires", [REQUIRES_NOTHING, REQUIRES], ids=["one statement", "steps"])


@asynccontextmanager
async def opened(service: Service, limits: Limits | None = None) -> AsyncIterator[PostgresqlStore]:
    server = service.server.server(limits=limits or Limits())
    async with open_schema(service.server, RESOURCES, schema=service.schema, server=server) as store:
        await store.commit(Unit((Mutation("counters", (1,), {"number": 1}),)))
        yield store


@asynccontextmanager
async def session(service: Service) -> AsyncIterator["psycopg.Connection[tuple[Any, ...]]"]:
    """Another session of the database, within a transaction."""
    with service.server.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("SET LOCAL deadlock_timeout = '60s'")  # not the one who notices
        try:
            yield connection
        finally:
            connection.rollback()


@WAYS
async def test_no_increment_of_two_processes_is_lost(service: Service, requires: Any) -> None:
    async with opened(service) as one, opened(service) as other:
        await write(one, put("a", n=0))

        async def increment(store: PostgresqlStore) -> None:
            while True:
                (record,) = await store.get("orders", [("a",)], strong=True)
                assert record is not None
                try:
                    await store.commit(Unit((put("a", record.version, n=record.document["n"] + 1),), requires))
                except Conflict:
                    continue
                return

        await asyncio.gather(*(increment(store) for store in (one, other) for _ in range(15)))
        assert await read(one, "a") == {"id": "a", "n": 30}


@WAYS
async def test_of_racing_creates_of_two_processes_one_wins(service: Service, requires: Any) -> None:
    async with opened(service) as one, opened(service) as other:
        for number in range(10):
            units = [Unit((put(f"{number}", ABSENT, n=n),), requires) for n in range(6)]
            commits = [(one, other)[n % 2].commit(unit) for n, unit in enumerate(units)]
            results = await asyncio.gather(*commits, return_exceptions=True)
            winners = [n for n, result in enumerate(results) if not isinstance(result, Exception)]
            assert len(winners) == 1
            lost = [result for result in results if isinstance(result, Exception)]
            assert {result.kind for result in lost if isinstance(result, Conflict)} == {ConflictKind.EXISTS}
            assert len(lost) == 5
            assert await read(one, f"{number}") == {"id": f"{number}", "n": winners[0]}


@WAYS
async def test_units_that_cross_each_other_all_end(service: Service, requires: Any) -> None:
    async with opened(service) as one, opened(service) as other:
        shuffled = random.Random(7)

        async def commit(store: PostgresqlStore, n: int) -> None:
            names = shuffled.sample("abcdefgh", 4)
            records = tuple(RecordWrite("s", name, b"%d" % n) for name in shuffled.sample("rstu", 2))
            counter = (Mutation("counters", (n % 3,), {"number": n % 3}),) if n % 4 == 0 else ()
            await store.commit(Unit((*(put(name, n=n) for name in names), *counter), requires, records))

        await asyncio.gather(*(commit((one, other)[n % 2], n) for n in range(120)))


@WAYS
async def test_a_row_that_another_session_creates_meanwhile_is_not_overwritten(service: Service, requires: Any) -> None:
    async with opened(service) as store, session(service) as other:
        other.execute(f"INSERT INTO {service.table('orders')} (id, _version, _layout) VALUES ('a', 7, 1)".encode())
        commits = [asyncio.ensure_future(store.commit(Unit((put(name, ABSENT, n=1),), requires))) for name in "abc"]
        await until(service.server.waiting)
        other.commit()
        results = await asyncio.gather(*commits, return_exceptions=True)
        assert [type(result) for result in results].count(Conflict) == 1
        assert isinstance(results[0], Conflict)
        assert results[0].kind is ConflictKind.EXISTS
        assert await read(store, "a") == {"id": "a"}
        assert await read(store, "c") == {"id": "c", "n": 1}


@WAYS
async def test_a_row_that_another_session_changes_meanwhile_is_seen(service: Service, requires: Any) -> None:
    async with opened(service) as store, session(service) as other:
        version = await write(store, put("a", n=1))
        other.execute(f"UPDATE {service.table('orders')} SET _version = _version + 5 WHERE id = 'a'".encode())
        commit = asyncio.ensure_future(store.commit(Unit((put("a", version, n=2),), requires)))
        await until(service.server.waiting)
        other.commit()
        with pytest.raises(Conflict) as caught:
            await commit
        assert (caught.value.kind, caught.value.version) == (ConflictKind.VERSION, version + 5)


@WAYS
async def test_who_waits_for_a_lock_waits_alone(service: Service, requires: Any) -> None:
    async with opened(service, SHORT) as store, session(service) as other:
        await asyncio.gather(*(write(store, put(f"{n}")) for n in range(20)))
        other.execute(f"SELECT 1 FROM {service.table('orders')} WHERE id = '13' FOR UPDATE".encode())
        commits = [store.commit(Unit((put(f"{n}", PRESENT, n=n),), requires)) for n in range(20)]
        results = await asyncio.gather(*commits, return_exceptions=True)
        assert [n for n, result in enumerate(results) if isinstance(result, Exception)] == [13]
        assert isinstance(results[13], Unavailable)
        other.commit()
        await store.commit(Unit((put("13", PRESENT, n=13),), requires))
        assert [(await read(store, f"{n}") or {}).get("n") for n in range(20)] == list(range(20))


@WAYS
async def test_commits_that_failed_leave_nothing_behind_on_their_connection(service: Service, requires: Any) -> None:
    server = service.server.server(limits=Limits(lock=0.01))
    async with open_schema(service.server, RESOURCES, schema=service.schema, server=server, pool_size=1) as store:
        await store.commit(Unit((Mutation("counters", (1,), {"number": 1}), put("a"))))
        unit = Unit((put("a", PRESENT),), requires, (RecordWrite("s", "r", b""),), (OutboxEvent("e", "a", b""),))
        for failures in range(8):  # statements are prepared in the course of it
            async with session(service) as other:
                other.execute(f"SELECT 1 FROM {service.table('orders')} WHERE id = 'a' FOR UPDATE".encode())
                for _ in range(failures):
                    with pytest.raises(Unavailable):
                        await store.commit(unit)
            await store.commit(unit)
            assert await read(store, "a") == {"id": "a"}


async def test_a_lock_that_is_released_in_time_fails_nobody(service: Service) -> None:
    async with opened(service, Limits(batch_lock=0.05, lock=30)) as store, session(service) as other:
        await write(store, put("a"), put("b"))
        other.execute(f"SELECT 1 FROM {service.table('orders')} WHERE id = 'a' FOR UPDATE".encode())
        commits = asyncio.gather(write(store, put("a", n=1)), write(store, put("b", n=1)))
        # The other one, whose property is undeclared, is written meanwhile.
        await until(lambda: service.server.execute(f"SELECT 1 FROM {service.table('orders')} WHERE _extra IS NOT NULL"))
        await until(lambda: service.server.execute(WAITS_FOR_LONG))
        other.commit()
        await commits


@WAYS
async def test_a_deadlock_with_another_session_is_broken(service: Service, requires: Any) -> None:
    async with opened(service, Limits(lock=30, batch_lock=30)) as store, session(service) as other:
        await write(store, put("a"), put("b"))
        other.execute(f"SELECT 1 FROM {service.table('orders')} WHERE id = 'b' FOR UPDATE".encode())
        commit = asyncio.ensure_future(store.commit(Unit((put("a", n=1), put("b", n=1)), requires)))
        await until(service.server.waiting)
        lock = f"SELECT 1 FROM {service.table('orders')} WHERE id = 'a' FOR UPDATE".encode()
        await asyncio.to_thread(other.execute, lock)  # returns when the server has ended our attempt
        other.commit()
        await commit
        assert await read(store, "a") == {"id": "a", "n": 1}


async def test_a_required_document_cannot_go_while_a_unit_requires_it(service: Service) -> None:
    async with opened(service) as store, session(service) as other:
        other.execute(
            f"UPDATE {service.table('counters')} SET _version = _version + 1, _deleted_at = 5 WHERE number = 1".encode()
        )
        commit = asyncio.ensure_future(conflict(store, Unit((put("a"),), REQUIRES)))
        await until(service.server.waiting)
        other.commit()
        assert (await commit).kind is ConflictKind.REFERENCE
        assert await read(store, "a") is None


async def test_events_of_a_document_are_in_order_of_version_whoever_wrote_them(service: Service) -> None:
    async with opened(service) as one, opened(service) as other:

        async def commit(n: int) -> None:
            event = OutboxEvent(f"e{n}", "a", b"")
            await (one, other)[n % 2].commit(Unit((put("a", n=n),), outbox=(event,)))

        await asyncio.gather(*(commit(n) for n in range(60)))
        versions = [row.version for row in await one.unpublished(100)]
        assert len(versions) == 60
        assert versions == sorted(versions)
