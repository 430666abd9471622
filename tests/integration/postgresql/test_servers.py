"""Which server is asked: TLS towards it, read replicas, failover, poolers; and what is heard of other processes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.certificates import Authority
from tests.conformance.store_cases import put, read, write
from tests.left_out import skip_if_left_out
from tests.postgresql import new_schema, open_schema
from tests.servers.postgresql import GROUP, PART, PASSWORD, PostgreSQL, running

from fairlead_contract.spec.bindings import TlsMode
from fairlead_workload.credentials import Credentials
from fairlead_workload.errors import Unavailable
from fairlead_workload.stores.base import OutboxEvent, Query, Unit
from fairlead_workload.stores.postgresql import Limits, PostgresqlStore, Tls
from fairlead_workload.stores.postgresql.connections import connect

from .conftest import RESOURCES, Service, running_for_localhost, until

pytestmark = pytest.mark.xdist_group(GROUP)

SECOND_HOST = "127.0.0.2"
HBA = """
hostssl all by_certificate 127.0.0.1/32 cert
hostssl all encrypted 127.0.0.1/32 scram-sha-256
host all fairlead 127.0.0.1/32 scram-sha-256
"""


@pytest.fixture(scope="module", autouse=True)
def _left_out() -> None:
    skip_if_left_out(PART)


@asynccontextmanager
async def opened(service: Service, **options: Any) -> AsyncIterator[PostgresqlStore]:
    async with open_schema(service.server, RESOURCES, schema=service.schema, **options) as store:
        yield store


# TLS


@pytest.fixture(scope="module")
def tls_server(authorities: tuple[Authority, Authority]) -> Iterator[PostgreSQL]:
    """A server whose certificate is for the name localhost, and not for its address."""
    with running_for_localhost(authorities[0], hba=HBA) as server:
        server.execute(f"CREATE ROLE encrypted SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        server.execute("CREATE ROLE by_certificate SUPERUSER LOGIN")
        yield server


@pytest.fixture
def files(authorities: tuple[Authority, Authority], tmp_path: Path) -> dict[str, Path]:
    """Files as Secrets mount them: the authority, another one, and a client's certificate."""
    for name, authority in zip(("ca", "other"), authorities, strict=True):
        (tmp_path / name).write_bytes(authority.certificate)
    certificate, key = authorities[0].issue("by_certificate").write(tmp_path, "tls")
    return {"ca": tmp_path / "ca", "other": tmp_path / "other", "certificate": certificate, "key": key}


@pytest.mark.parametrize(
    ("mode", "ca", "host", "connects"),
    [
        (TlsMode.DISABLE, "ca", "localhost", False),
        (TlsMode.REQUIRE, None, "localhost", True),
        (TlsMode.REQUIRE, "other", "127.0.0.1", True),
        (TlsMode.VERIFY_CA, "ca", "127.0.0.1", True),
        (TlsMode.VERIFY_CA, "other", "localhost", False),
        (TlsMode.VERIFY_CA, None, "localhost", False),
        (TlsMode.VERIFY_FULL, "ca", "localhost", True),
        (TlsMode.VERIFY_FULL, "ca", "127.0.0.1", False),
        (TlsMode.VERIFY_FULL, "other", "localhost", False),
        (TlsMode.VERIFY_FULL, None, "localhost", False),
    ],
)
async def test_modes_of_tls(
    tls_server: PostgreSQL, files: dict[str, Path], mode: TlsMode, ca: str | None, host: str, connects: bool
) -> None:
    server = tls_server.server(
        host=host,
        tls=Tls(mode, files[ca] if ca else None),
        credentials=lambda: Credentials("encrypted", PASSWORD),
    )
    if not connects:
        with pytest.raises(Unavailable) as caught:
            await connect(server)
        assert PASSWORD not in str(caught.value)
        return
    connection = await connect(server)
    cursor = await connection.execute(b"SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    assert await cursor.fetchone() == (True,)
    await connection.close()


async def test_a_client_certificate_stands_for_a_password(tls_server: PostgreSQL, files: dict[str, Path]) -> None:
    tls = Tls(TlsMode.VERIFY_FULL, files["ca"], files["certificate"], files["key"])
    server = tls_server.server(host="localhost", tls=tls, credentials=lambda: Credentials("by_certificate", ""))
    await (await connect(server)).close()


async def test_connections_with_tls_are_used_again(tls_server: PostgreSQL, files: dict[str, Path]) -> None:
    tls = Tls(TlsMode.VERIFY_FULL, files["ca"])
    server = tls_server.server(host="localhost", tls=tls, credentials=lambda: Credentials("encrypted", PASSWORD))
    async with open_schema(tls_server, RESOURCES, server=server) as store:
        await write(store, put("a", n=1))
        before = tls_server.backends()
        for _ in range(20):
            assert await read(store, "a") == {"id": "a", "n": 1}
        assert tls_server.backends() == before


# Replicas and failover


@pytest.fixture(scope="module")
def primary() -> Iterator[PostgreSQL]:
    with running() as server:
        yield server


@pytest.fixture
def standby(primary: PostgreSQL) -> Iterator[PostgreSQL]:
    with running(standby_of=primary, host=SECOND_HOST, port=primary.port) as server:
        yield server


@pytest.fixture
async def replicated(primary: PostgreSQL, standby: PostgreSQL) -> AsyncIterator[Service]:
    async with new_schema(primary, RESOURCES) as schema:
        yield Service(primary, schema)


async def caught_up(primary: PostgreSQL, standby: PostgreSQL) -> None:
    [(position,)] = primary.execute("SELECT pg_current_wal_lsn()")
    await until(lambda: standby.execute(f"SELECT pg_last_wal_replay_lsn() >= '{position}'") == [(True,)])


async def test_strong_reads_and_writes_go_to_the_primary_and_others_to_the_replica(
    replicated: Service, standby: PostgreSQL
) -> None:
    async with opened(replicated, replica=standby.server()) as store:
        await write(store, put("a", n=1))
        await caught_up(replicated.server, standby)
        standby.execute("SELECT pg_wal_replay_pause()")
        await write(store, put("a", n=2))
        for strong, n in ((False, 1), (True, 2)):
            (record,) = await store.get("orders", [("a",)], strong=strong)
            page = await store.query("orders", Query(), strong=strong)
            assert record is not None
            assert [record.document["n"], page.records[0].document["n"]] == [n, n]
        standby.stop()
        assert await read(store, "a") == {"id": "a", "n": 2}  # the primary serves
        assert standby.port
        standby.start()
        await until(lambda: _serves(standby))
        assert await read(store, "a") is not None


def _serves(server: PostgreSQL) -> bool:
    return server.execute("SELECT pg_is_in_recovery()") == [(True,)]


async def test_a_standby_that_is_promoted_is_found(replicated: Service, standby: PostgreSQL) -> None:
    server = replicated.server.server(host=f"{replicated.server.host},{SECOND_HOST}")
    async with opened(replicated, server=server) as store:
        await write(store, put("a", n=1))
        await caught_up(replicated.server, standby)
        replicated.server.stop()
        with pytest.raises(Unavailable):
            await write(store, put("a", n=2))  # the standby takes no writes
        standby.execute("SELECT pg_promote()")
        await write(store, put("a", n=3))
        assert await read(store, "a") == {"id": "a", "n": 3}
        replicated.server.start()


# Poolers


async def test_behind_a_pooler_limits_are_those_of_each_transaction(service: Service) -> None:
    limits = Limits(lock=0.3, batch_lock=0.05)
    server = service.server.server(pooler=True, limits=limits)
    connection = await connect(server)
    cursor = await connection.execute(b"SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
    assert await cursor.fetchone() == ("0", "0")
    await connection.close()
    async with opened(service, server=server) as store:
        await asyncio.gather(write(store, put("a")), write(store, put("b")))
        with service.server.connect() as other:
            other.execute("BEGIN")
            other.execute(f"SELECT 1 FROM {service.table('orders')} WHERE id = 'a' FOR UPDATE".encode())
            commits = [write(store, put(name, n=1)) for name in "ab"]
            results = await asyncio.gather(*commits, return_exceptions=True)
        assert [isinstance(result, Unavailable) for result in results] == [True, False]
        assert service.server.execute("SELECT count(*) FROM pg_prepared_statements") == [(0,)]


# Notifications


@pytest.mark.parametrize("ends", [False, True], ids=["heard", "heard again after the connection ended"])
async def test_commits_of_another_process_are_heard_of(service: Service, ends: bool) -> None:
    listen = service.server.server()
    async with opened(service, listen=listen) as relay, opened(service, listen=listen) as other:
        woken = asyncio.Event()
        relay.on_outbox(woken.set)
        await asyncio.wait_for(woken.wait(), 60)  # it may have missed what was before
        if ends:
            woken.clear()
            service.server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'")
            await asyncio.wait_for(woken.wait(), 60)
        for n in range(3):
            woken.clear()
            await other.commit(Unit((put("a", n=n),), outbox=(OutboxEvent(f"{n}", "a", b""),)))
            await asyncio.wait_for(woken.wait(), 60)


async def test_many_commits_are_few_notifications(service: Service) -> None:
    listen = service.server.server()
    async with opened(service, listen=listen) as relay, opened(service, listen=listen) as other:
        heard = 0

        def hear() -> None:
            nonlocal heard
            heard += 1

        relay.on_outbox(hear)
        await until(lambda: heard)
        for n in range(50):
            await other.commit(Unit((put("a", n=n),), outbox=(OutboxEvent(f"{n}", "a", b""),)))
        await until(lambda: heard > 1)
        assert heard < 40
