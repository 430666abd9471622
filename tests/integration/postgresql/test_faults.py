"""Connections that end, servers that restart, hang or turn read-only, and credentials that change: who notices what."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.store_cases import put, read, write
from tests.left_out import skip_if_left_out
from tests.postgresql import new_schema, open_schema
from tests.servers import postgresql as server_module
from tests.servers.postgresql import GROUP, PostgreSQL
from tests.unit.sqlite.resources import TEXT, resource

from fairlead_workload.credentials import Credentials, from_folder
from fairlead_workload.errors import Unavailable, Unstorable
from fairlead_workload.stores.base import Query, Unit
from fairlead_workload.stores.postgresql import Limits, PostgresqlStore, Reason

from .conftest import RESOURCES, Service, until

pytestmark = pytest.mark.xdist_group(GROUP)

IMPATIENT = Limits(connect=1, statement=0.5, lock=0.3, batch_lock=0.1)
READS = 40


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgreSQL]:
    """A server that tests stop, with the durability that PostgreSQL has by default."""
    skip_if_left_out(server_module.PART)
    with server_module.running() as server:
        yield server


@pytest.fixture
async def own_service(own_server: PostgreSQL) -> AsyncIterator[Service]:
    async with new_schema(own_server, RESOURCES) as schema:
        yield Service(own_server, schema)


@asynccontextmanager
async def opened(service: Service, *, pool_size: int = 4, **changes: Any) -> AsyncIterator[PostgresqlStore]:
    server = service.server.server(**changes)
    async with open_schema(
        service.server, RESOURCES, schema=service.schema, server=server, pool_size=pool_size
    ) as store:
        yield store


@contextmanager
def locked(service: Service, table: str = "orders") -> Iterator[None]:
    """Nobody else reads or writes the table meanwhile."""
    with service.server.connect() as connection, connection.transaction():
        connection.execute(f"LOCK TABLE {service.table(table)} IN ACCESS EXCLUSIVE MODE".encode())
        yield


def terminate(service: Service, pids: set[int]) -> None:
    assert pids
    for pid in pids:
        service.server.execute(f"SELECT pg_terminate_backend({pid}, 5000)")


# Connections


async def test_an_idle_connection_that_was_ended_fails_nobody(service: Service) -> None:
    async with opened(service) as store:
        await asyncio.gather(*(write(store, put(f"{n}", n=n)) for n in range(8)))
        for n in range(8):
            terminate(service, service.server.backends())
            assert await read(store, f"{n}") == {"id": f"{n}", "n": n}
            terminate(service, service.server.backends())
            await write(store, put("a", n=n))


async def test_a_read_whose_connection_ends_is_done_again(service: Service) -> None:
    async with opened(service, limits=Limits(batch_lock=30)) as store:
        await write(store, put("a", n=1))
        with locked(service):
            reading = asyncio.ensure_future(read(store, "a"))
            await until(service.server.waiting)
            terminate(service, service.server.waiting())
            await until(service.server.waiting)
        assert await reading == {"id": "a", "n": 1}


@pytest.mark.parametrize("requires", [(), (("counters", (1,)),)], ids=["one statement", "steps"])
async def test_a_commit_whose_connection_ends_is_not_done_again(service: Service, requires: Any) -> None:
    async with opened(service, limits=Limits(batch_lock=30)) as store:
        await write(store, put("a", n=1))
        with locked(service):
            commits = [asyncio.ensure_future(store.commit(Unit((put(name, n=2),), requires))) for name in "ab"]
            await until(service.server.waiting)
            terminate(service, service.server.waiting())
            results = await asyncio.gather(*commits, return_exceptions=True)
            assert [isinstance(result, Unavailable) for result in results] == [True, True]
            assert not service.server.waiting()
        assert [await read(store, name) for name in "ab"] == [{"id": "a", "n": 1}, None]
        await write(store, put("a", n=3))


async def test_few_connections_serve_many_and_are_used_again(service: Service) -> None:
    async with opened(service, pool_size=3) as store:
        await asyncio.gather(*(write(store, put(f"{n}", n=n)) for n in range(READS)))
        found = await asyncio.gather(*(read(store, f"{n}") for n in range(READS)))
        assert found == [{"id": f"{n}", "n": n} for n in range(READS)]
        before = service.server.backends()
        assert len(before) <= 3
        for n in range(READS):
            await read(store, f"{n}")
        assert service.server.backends() == before
    await until(lambda: not service.server.backends())


async def test_a_server_that_takes_few_connections_serves_all_the_same(service: Service) -> None:
    with role(service, "CONNECTION LIMIT 1") as credentials:
        async with opened(service, pool_size=6, credentials=lambda: credentials) as store:
            await write(store, put("a", n=1))
            assert await asyncio.gather(*(read(store, "a") for _ in range(READS))) == [{"id": "a", "n": 1}] * READS


# Servers


async def test_a_restart_fails_no_call_that_comes_after_it(own_service: Service) -> None:
    async with opened(own_service) as store:
        await asyncio.gather(*(write(store, put(f"{n}", n=n)) for n in range(8)))
        own_service.server.stop()
        own_service.server.start()
        assert await read(store, "3") == {"id": "3", "n": 3}
        await write(store, put("3", n=4))


async def test_while_the_server_is_down_calls_fail_at_once_and_then_go_on(own_service: Service) -> None:
    async with opened(own_service) as store:
        await write(store, put("a", n=1))
        own_service.server.stop()
        for _ in range(3):
            for call in (read(store, "a"), write(store, put("a", n=2)), store.check(), store.records([("s", "r")])):
                with pytest.raises(Unavailable) as caught:
                    await call
                assert server_module.PASSWORD not in str(caught.value)
        own_service.server.start()
        await store.check()
        assert await read(store, "a") == {"id": "a", "n": 1}


async def test_a_server_that_does_not_answer_is_given_up(own_service: Service) -> None:
    async with opened(own_service, limits=IMPATIENT) as store:
        await write(store, put("a", n=1))
        stopped = {own_service.server.pid, *own_service.server.backends()}
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            results = await asyncio.gather(read(store, "a"), write(store, put("a", n=2)), return_exceptions=True)
            results += await asyncio.gather(store.check(), return_exceptions=True)
            assert [isinstance(result, Unavailable) for result in results] == [True] * 3
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        await store.check()
        assert (await read(store, "a") or {})["n"] in (1, 2)  # the commit may have been carried out


async def test_a_connection_that_is_given_up_leaves_its_place_at_once(own_service: Service) -> None:
    async with opened(own_service, limits=IMPATIENT, pool_size=1) as store:
        await write(store, put("a", n=1))
        (pid,) = own_service.server.backends()
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(Unavailable):
                await read(store, "a")
            assert await read(store, "a") == {"id": "a", "n": 1}
        finally:
            os.kill(pid, signal.SIGCONT)


async def test_what_was_answered_lately_is_a_check_though_every_connection_is_busy(service: Service) -> None:
    async with opened(service, pool_size=1, limits=IMPATIENT) as store:
        await read(store, "a")
        pool_is_busy = service.server.connect()
        pool_is_busy.execute(f"BEGIN; LOCK TABLE {service.table('orders')} IN ACCESS EXCLUSIVE MODE".encode())
        reading = asyncio.ensure_future(read(store, "a"))
        try:
            await until(service.server.waiting)
            await asyncio.wait_for(store.check(), 0.5)
        finally:
            pool_is_busy.close()
            await asyncio.gather(reading, return_exceptions=True)


async def test_nothing_acknowledged_is_lost_when_the_server_is_killed(own_service: Service) -> None:
    async with opened(own_service) as store:
        acknowledged: set[str] = set()

        async def commit_until_it_fails(caller: int) -> None:
            for n in range(100_000):
                id_ = f"{caller}-{n}"
                try:
                    await store.commit(Unit((put(f"{id_}a"), put(f"{id_}b"))))
                except Unavailable:
                    return
                acknowledged.add(id_)

        commits = [asyncio.ensure_future(commit_until_it_fails(caller)) for caller in range(8)]
        await until(lambda: len(acknowledged) >= 50)
        await asyncio.to_thread(own_service.server.kill)
        await asyncio.gather(*commits)
        own_service.server.start()
        rows = own_service.server.execute(f"SELECT id FROM {own_service.table('orders')}")
        there = {str(id_) for (id_,) in rows}
        units = {id_[:-1] for id_ in there}
        assert acknowledged <= units
        assert there == {f"{unit}{half}" for unit in units for half in "ab"}, "a unit is there in part"


async def test_a_server_that_turns_read_only_is_left_until_one_takes_writes(own_service: Service) -> None:
    server = own_service.server
    async with opened(own_service) as store:
        await write(store, put("a", n=1))
        with turned_read_only(server):
            await until(lambda: server.execute("SHOW default_transaction_read_only") == [("on",)])
            for call in (write(store, put("a", n=2)), store.check()):
                with pytest.raises(Unavailable):
                    await call
        await until(lambda: server.execute("SHOW default_transaction_read_only") == [("off",)])
        await store.check()
        await write(store, put("a", n=3))


@contextmanager
def turned_read_only(server: PostgreSQL) -> Iterator[None]:
    """Sessions, also those that are open, take no writes meanwhile."""
    with server.connect() as connection:
        connection.execute("SET default_transaction_read_only = off")  # not this one
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")


# Credentials


@contextmanager
def role(service: Service, options: str = "") -> Iterator[Credentials]:
    """A role that may use the service's schema, and its password."""
    name, password = f"role_{secrets.token_hex(4)}", secrets.token_hex(8)
    server = service.server
    server.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' {options}")
    server.execute(f"GRANT ALL ON SCHEMA {service.schema} TO {name}")
    server.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {service.schema} TO {name}")
    try:
        yield Credentials(name, password)
    finally:
        server.execute(f"DROP OWNED BY {name}")
        server.execute(f"DROP ROLE {name}")


async def test_a_rotated_password_fails_no_request(service: Service, tmp_path: Path) -> None:
    with role(service) as credentials:
        (tmp_path / "username").write_text(credentials.username)
        (tmp_path / "password").write_text(credentials.password + "\n")
        source = from_folder(tmp_path, dependency="datastore")
        async with opened(service, credentials=source) as store:
            await write(store, put("a", n=1))
            service.server.execute(f"ALTER ROLE {credentials.username} PASSWORD 'another'")
            # The server has the new one and the files do not: who has a connection shares it.
            assert await asyncio.gather(*(read(store, "a") for _ in range(READS))) == [{"id": "a", "n": 1}] * READS
            await asyncio.gather(*(write(store, put(f"{n}")) for n in range(READS)))
            terminate(service, service.server.backends())
            with pytest.raises(Unavailable) as caught:
                await read(store, "a")
            assert caught.value.reason == Reason.WRONG_PASSWORD
            assert credentials.password not in str(caught.value)
            (tmp_path / "password").write_text("another")
            assert await read(store, "a") == {"id": "a", "n": 1}


async def test_credentials_that_cannot_be_read_are_named(service: Service, tmp_path: Path) -> None:
    source = from_folder(tmp_path, dependency="datastore")
    with pytest.raises(Unavailable) as caught:
        async with opened(service, credentials=source):
            pass
    assert str(tmp_path / "username") in str(caught.value)


# What PostgreSQL refuses


async def test_a_value_that_no_index_takes_is_refused_alone(postgresql: PostgreSQL) -> None:
    indexed = resource({"id": TEXT, "at": TEXT}, indexes=(("byAt", "at"),))
    async with open_schema(postgresql, [indexed]) as store:
        long = "".join(secrets.token_hex(16) for _ in range(300))
        results = await asyncio.gather(
            *(write(store, put(f"{n}", at=long if n == 3 else "x")) for n in range(8)), return_exceptions=True
        )
        assert [type(result) for result in results] == [int, int, int, Unstorable, int, int, int, int]
        assert str(results[3]) == "datastore: orders: 'at' has 9600 bytes, and an index takes 2600 at most"


@pytest.mark.parametrize("size", [2599, 2600])
async def test_the_longest_value_of_an_index_is_stored_and_found(postgresql: PostgreSQL, size: int) -> None:
    indexed = resource({"id": TEXT, "at": TEXT}, indexes=(("byAt", "at"),))
    async with open_schema(postgresql, [indexed]) as store:
        long = secrets.token_hex(size)[: size - 1]
        await write(store, put("k", at=long))
        page = await store.query(indexed.name, Query(index="byAt", partition=long, limit=2))
        assert [record.key for record in page.records] == [("k",)]
