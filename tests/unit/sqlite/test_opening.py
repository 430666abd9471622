"""Opening a data directory: one server, tools beside it, and one clear message for everything that is wrong."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fairlead_contract.spec.bindings import Order
from fairlead_workload.errors import Misconfigured
from fairlead_workload.queues.base import LetterFilter, Message
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.sqlite import Database
from fairlead_workload.sqlite.database import DATABASE_FILE
from fairlead_workload.stores.base import LEASES, RecordWrite, Unit
from fairlead_workload.stores.sqlite import SqliteStore


async def test_a_second_server_is_refused_until_the_first_has_left(tmp_path: Path) -> None:
    first = Database.open(tmp_path)
    with pytest.raises(Misconfigured) as caught:
        Database.open(tmp_path)
    assert caught.value.path == str(tmp_path)
    assert f"process {os.getpid()}" in str(caught.value)
    assert "--data-dir" in caught.value.remedy
    await first.close()
    await Database.open(tmp_path).close()


def test_the_lock_of_a_killed_server_is_gone(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from fairlead_workload.sqlite import Database;"
        " d = Database.open(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script, tmp_path], check=False).returncode == -9
    asyncio.run(Database.open(tmp_path).close())


async def test_a_tool_works_beside_a_running_server(tmp_path: Path) -> None:
    server = Database.open(tmp_path)
    queue = SqliteQueue(server, order=Order.KEY)
    await queue.publish([Message("1", "k", b"1")])
    tool = Database.open(tmp_path, exclusive=False)
    beside = SqliteQueue(tool)
    await beside.publish([Message("2", "k", b"2"), Message("3", "l", b"3")])
    received = await queue.receive(10, wait_seconds=0)
    assert [delivery.message.id for delivery in received] == ["1", "3"], "the tool took the server's order"
    assert [letter async for letter in beside.scan(LetterFilter())] == []
    await tool.close()
    await server.close()


async def test_a_receiver_finds_what_another_process_published(tmp_path: Path) -> None:
    server = Database.open(tmp_path)
    queue = SqliteQueue(server)
    tool = Database.open(tmp_path, exclusive=False)
    assert await queue.receive(1, wait_seconds=0) == []
    await SqliteQueue(tool).publish([Message("1", "k", b"1")])
    assert len(await queue.receive(1, wait_seconds=10)) == 1
    await tool.close()
    await server.close()


async def test_the_order_of_delivery_may_change_between_runs(tmp_path: Path) -> None:
    async def leased(order: Order) -> int:
        database = Database.open(tmp_path)
        queue = SqliteQueue(database, order=order, visibility_seconds=0)
        count = len(await queue.receive(10, wait_seconds=0))
        await database.close()
        return count

    database = Database.open(tmp_path)
    await SqliteQueue(database).publish([Message(str(n), "k", b"") for n in range(3)])
    await database.close()
    assert [await leased(order) for order in (Order.NONE, Order.KEY, Order.NONE)] == [3, 1, 3]


async def test_a_new_server_does_not_wait_for_the_leases_of_a_killed_one(tmp_path: Path) -> None:
    lease = RecordWrite(LEASES, "outbox-relay", b"the killed one", expires_at=time.time() + 3600)
    database = Database.open(tmp_path)
    queue, store = SqliteQueue(database), SqliteStore(database, [])
    await queue.publish([Message("3", "k", b"3")])
    (late,) = await queue.receive(1, wait_seconds=0)
    await queue.retry(late, delay_seconds=3600)
    await queue.publish([Message("1", "k", b"1"), Message("2", "k", b"2")])
    (first,) = await queue.receive(1, wait_seconds=0)
    await store.commit(Unit(records=(lease,)))
    await database.close()

    database = Database.open(tmp_path)
    queue, store = SqliteQueue(database), SqliteStore(database, [])
    again = await queue.receive(10, wait_seconds=0)
    assert {(delivery.message.id, delivery.deliveries) for delivery in again} == {("1", 2), ("2", 1)}
    await queue.ack([first])
    assert (await queue.depth()).leased == 2, "the lease of the killed one is void"
    assert await store.records([(LEASES, "outbox-relay")]) == [None]
    tool = Database.open(tmp_path, exclusive=False)
    assert await SqliteQueue(tool).receive(10, wait_seconds=0) == [], "a tool takes nothing from the server"
    await tool.close()
    await database.close()


def other_text(path: Path) -> None:
    path.write_text("this is no database, but it is long enough to be mistaken for one" * 100)


def other_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a)")


def half_written(path: Path) -> None:
    asyncio.run(Database.open(path.parent).close())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE filler AS SELECT randomblob(100000) AS body")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(path.read_bytes()[:20_000])


def newer(path: Path) -> None:
    asyncio.run(Database.open(path.parent).close())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (Path.mkdir, "unable to open"),
        (other_text, "not a database"),
        (other_database, "another program"),
        (half_written, "malformed"),
        (newer, "format 99"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(tmp_path / DATABASE_FILE)
    with pytest.raises(Misconfigured, match=message) as caught:
        Database.open(tmp_path)
    assert caught.value.path == str(tmp_path / DATABASE_FILE)
    assert caught.value.remedy


def test_an_empty_file_is_taken_as_a_new_one(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).touch()
    asyncio.run(Database.open(tmp_path).close())


def test_a_data_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for data_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(Misconfigured) as caught:
            Database.open(data_dir)
        assert caught.value.path == str(data_dir)
        with pytest.raises(Misconfigured):
            Database.open(data_dir, exclusive=False)


def test_a_tool_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no database"):
        Database.open(tmp_path, exclusive=False)
    assert list(tmp_path.iterdir()) == []


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Permissions mean nothing to root, so the body runs as nobody then."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def public_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
        path.chmod(0o755)


def test_a_directory_without_permission_is_named(public_dir: Path) -> None:
    public_dir.chmod(0o555)
    with ordinary_user(), pytest.raises(Misconfigured, match="Permission denied"):
        Database.open(public_dir)
    with ordinary_user(), pytest.raises(Misconfigured, match="Permission denied"):
        Database.open(public_dir / "new")


def test_a_read_only_file_is_named(public_dir: Path) -> None:
    asyncio.run(Database.open(public_dir).close())
    for path in public_dir.iterdir():
        path.chmod(0o666 if path.suffix == ".lock" else 0o444)
    public_dir.chmod(0o777)
    with ordinary_user(), pytest.raises(Misconfigured, match="readonly") as caught:
        Database.open(public_dir)
    assert "writable" in caught.value.remedy
