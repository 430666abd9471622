"""Group commit: who fails alone, who fails together, and that service goes on."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fairlead_workload.errors import DiskFull, Refused, Unavailable
from fairlead_workload.queues.base import Message
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.sqlite import Batcher, BatchOperation, Database
from fairlead_workload.sqlite.batches import BATCH_LIMIT
from fairlead_workload.stores.base import Query
from fairlead_workload.stores.sqlite import SqliteStore

from .resources import ORDERS, put


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database.open(tmp_path)
    yield database
    await database.close()


class Disk:
    """What a writer has room for. The limit is one of its connection, so the test makes that."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.writer = Batcher(self._connection, name="sqlite-writer", begin="BEGIN IMMEDIATE")

    def limit_pages(self, spare: int | None) -> None:
        """Let the file grow by no more than so many pages; None: by as many as it likes."""
        (used,) = self._connection.execute("PRAGMA page_count").fetchone()
        self._connection.execute(f"PRAGMA max_page_count = {2**30 if spare is None else used + spare}")


@pytest.fixture
async def disk(database: Database) -> Disk:
    await database.writer.close()
    disk = Disk(database.path)
    database.writer = disk.writer
    return disk


async def test_a_full_disk_fails_the_whole_batch_and_service_goes_on_once_there_is_room(
    database: Database, disk: Disk
) -> None:
    store, queue = SqliteStore(database, [ORDERS]), SqliteQueue(database)
    await store.commit(put("before"))
    disk.limit_pages(8)
    publish = asyncio.create_task(queue.publish([Message("1", "k", b"x" * 2000)]))
    await asyncio.sleep(0)  # it has submitted; the commits of this same tick travel with it
    commits = (store.commit(put(str(n), note="x" * 2000)) for n in range(50))
    results = await asyncio.gather(*commits, publish, return_exceptions=True)
    assert [type(result) for result in results[:-1]] == [DiskFull] * 50
    assert results[-1] != [None]
    assert len((await store.query("orders", Query(limit=100))).records) == 1
    assert await queue.receive(10, wait_seconds=0) == []
    await store.check()
    disk.limit_pages(0)
    with pytest.raises(Unavailable):
        await store.commit(put("big", note="x" * 100_000))
    disk.limit_pages(None)
    await store.check()
    await asyncio.gather(*(store.commit(put(str(n), note="x" * 2000)) for n in range(50)))
    assert len((await store.query("orders", Query(limit=100))).records) == 51


async def test_after_an_outage_the_check_tries_to_write(database: Database, disk: Disk) -> None:
    store = SqliteStore(database, [ORDERS])
    disk.limit_pages(0)
    with pytest.raises(Unavailable):
        await store.commit(put("big", note="x" * 100_000))
    assert database.writer.outage is not None
    disk.limit_pages(None)
    await store.check()
    assert database.writer.outage is None
    await store.check()


class Numbers:
    """An operation that writes numbers, and that SQLite stops at what is no number."""

    def __init__(self, database: Database) -> None:
        database.migrate(lambda connection: connection.execute("CREATE TABLE numbers (n INTEGER) STRICT"))
        self.operation = BatchOperation("datastore", self.run)
        self.sizes: list[int] = []

    def run(self, connection: sqlite3.Connection, requests: list[Any]) -> list[Any]:
        self.sizes.append(len(requests))
        connection.executemany("INSERT INTO numbers VALUES (?)", [(n,) for n in requests])
        return requests


async def test_what_sqlite_refuses_fails_alone(database: Database) -> None:
    numbers = Numbers(database)
    wanted = [1, "two", 3, 2**70, 5]
    results = await asyncio.gather(
        *(database.writer.submit(numbers.operation, n) for n in wanted), return_exceptions=True
    )
    assert [type(result) for result in results] == [int, Refused, int, Refused, int]
    rows = database.migrate(lambda connection: connection.execute("SELECT n FROM numbers ORDER BY n").fetchall())
    assert rows == [(1,), (3,), (5,)]


async def test_of_two_the_one_that_sqlite_refuses_fails_alone(database: Database) -> None:
    numbers = Numbers(database)
    results = await asyncio.gather(
        *(database.writer.submit(numbers.operation, n) for n in (1, "two")), return_exceptions=True
    )
    assert [type(result) for result in results] == [int, Refused]


async def test_a_defect_reaches_its_caller_and_nobody_else(database: Database) -> None:
    def divide(_: sqlite3.Connection, requests: list[int]) -> list[float]:
        return [1 / request for request in requests]

    operation = BatchOperation("datastore", divide)
    results = await asyncio.gather(*(database.writer.submit(operation, n) for n in (1, 0, 2)), return_exceptions=True)
    assert [type(result) for result in results] == [float, ZeroDivisionError, float]


async def test_operations_of_one_moment_share_a_transaction_of_bounded_size(database: Database) -> None:
    numbers = Numbers(database)
    count = BATCH_LIMIT * 2 + 1
    assert await asyncio.gather(*(database.writer.submit(numbers.operation, n) for n in range(count))) == list(
        range(count)
    )
    assert numbers.sizes == [BATCH_LIMIT, BATCH_LIMIT, 1]


async def test_an_operation_whose_caller_left_is_carried_out_all_the_same(database: Database) -> None:
    numbers = Numbers(database)
    first, second = (database.writer.submit(numbers.operation, n) for n in (1, 2))
    first.cancel()
    assert await second == 2
    assert numbers.sizes == [2]


async def test_closing_finishes_what_was_submitted(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "data")
    store = SqliteStore(database, [ORDERS])
    commit = asyncio.ensure_future(store.commit(put("a")))
    await asyncio.sleep(0)
    await database.close()
    assert (await commit).versions
    with pytest.raises(Unavailable):
        await store.commit(put("b"))
    await database.close()
