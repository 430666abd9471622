"""Turns: one holder of a name at a time, in order, whatever becomes of those who wait."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fairlead_workload.errors import Refused, Unavailable
from fairlead_workload.stores.base import Record
from fairlead_workload.stores.document_locks import IN_A_ROW, DocumentLocks

NAME = "products/pen"


class Writers:
    """Tasks that take a turn, note it, and hold it until `end`."""

    def __init__(self, locks: DocumentLocks) -> None:
        self._turns = locks
        self.order: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._ends: list[asyncio.Future[None]] = []

    async def add(self, name: str = NAME) -> None:
        """One more, up to where it waits or holds its turn."""
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends.append(end)
        self.tasks.append(asyncio.create_task(self._write(len(self.tasks), name, end)))
        await settled()

    async def _write(self, number: int, name: str, end: asyncio.Future[None]) -> None:
        async with self._turns.of(name):
            self.order.append(number)
            await end

    async def end(self, number: int, error: Exception | None = None) -> None:
        if error is None:
            self._ends[number].set_result(None)
        else:
            self._ends[number].set_exception(error)
        await settled()

    async def finish(self) -> list[BaseException | None]:
        """Let everybody end."""
        for end in self._ends:
            if not end.done():
                end.set_result(None)
        return await asyncio.gather(*self.tasks, return_exceptions=True)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def writers() -> Writers:
    return Writers(DocumentLocks())


async def test_turns_come_in_order_and_one_at_a_time(writers: Writers) -> None:
    for _ in range(4):
        await writers.add()
    seen = []
    for number in range(4):
        seen.append(list(writers.order))
        await writers.end(number)
    assert seen == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]
    assert await writers.finish() == [None] * 4


async def test_names_do_not_wait_for_each_other(writers: Writers) -> None:
    for name in ("products/pen", "products/ink", "orders/pen"):
        await writers.add(name)
    assert writers.order == [0, 1, 2]
    await writers.finish()


async def test_who_comes_after_everybody_has_left_does_not_wait(writers: Writers) -> None:
    await writers.add()
    await writers.end(0)
    await writers.add()
    assert writers.order == [0, 1]
    await writers.finish()


async def cancel_one_that_waits(writers: Writers) -> None:
    writers.tasks[1].cancel()
    await settled()
    await writers.end(0)


async def cancel_the_holder(writers: Writers) -> None:
    await writers.end(0)
    writers.tasks[1].cancel()
    await settled()


@pytest.mark.parametrize("cancel", [cancel_one_that_waits, cancel_the_holder], ids=lambda cancel: cancel.__name__)
async def test_a_cancelled_writer_keeps_nobody_waiting(
    writers: Writers, cancel: Callable[[Writers], Awaitable[None]]
) -> None:
    for _ in range(3):
        await writers.add()
    await cancel(writers)
    assert writers.tasks[1].cancelled()
    assert writers.order[-1] == 2
    assert (await writers.finish())[2] is None


async def test_a_writer_cancelled_as_its_turn_comes_passes_it_on() -> None:
    locks = DocumentLocks()
    writers = Writers(locks)
    async with locks.of(NAME):
        await writers.add()
        await writers.add()
    writers.tasks[0].cancel()  # it has its turn, and has not run since
    await settled()
    assert writers.tasks[0].cancelled()
    assert writers.order == [1]
    await writers.finish()


@pytest.mark.parametrize("error", [Refused("datastore", "too large"), ValueError("a defect")])
async def test_a_failure_of_one_is_its_own(writers: Writers, error: Exception) -> None:
    for _ in range(2):
        await writers.add()
    await writers.end(0, error)
    assert writers.order == [0, 1]
    assert await writers.finish() == [error, None]


async def test_an_outage_is_that_of_everybody_who_waits_and_of_nobody_later(writers: Writers) -> None:
    for _ in range(3):
        await writers.add()
    outage = Unavailable("datastore", "connection refused")
    await writers.end(0, outage)
    await writers.add()
    assert writers.order == [0, 3]
    assert await writers.finish() == [outage, outage, outage, None]


async def test_waiting_has_an_end_and_who_gave_up_keeps_nobody_waiting() -> None:
    writers = Writers(DocumentLocks(patience_seconds=0.01))
    await writers.add()
    await writers.add()
    with pytest.raises(TimeoutError):
        await writers.tasks[1]
    await writers.end(0)
    await writers.add()
    assert writers.order == [0, 2]
    await writers.finish()


async def in_turn(locks: DocumentLocks, count: int, leaving: Callable[[int], Record | None]) -> list[Record | None]:
    """What each of `count` writers who wait for each other takes over; each leaves what `leaving` says."""
    found: list[Record | None] = []

    async def write(number: int) -> None:
        lock = locks.of(NAME)
        async with lock:
            found.append(lock.take_over())
            if (record := leaving(number)) is not None:
                lock.leave(record)
            await settled()

    await asyncio.gather(*map(write, range(count)))
    return found


def record(version: int) -> Record:
    return Record(("pen",), {"id": "pen"}, version)


async def test_what_a_writer_leaves_is_taken_over_by_the_next_and_by_nobody_later() -> None:
    locks = DocumentLocks()
    left = await in_turn(locks, 4, lambda number: record(number) if number in (0, 2) else None)
    assert left == [None, record(0), None, record(2)]
    assert await in_turn(locks, 1, record) == [None], "nobody waited for the last one"
    assert await in_turn(locks, 1, record) == [None]


async def test_now_and_then_a_writer_takes_over_nothing() -> None:
    left = await in_turn(DocumentLocks(), 3 * (IN_A_ROW + 1), record)
    assert [number for number, each in enumerate(left) if each is None] == [0, IN_A_ROW + 1, 2 * (IN_A_ROW + 1)]


async def test_who_leaves_while_waiting_takes_nothing_with_him() -> None:
    locks = DocumentLocks()
    first = locks.of(NAME)
    taken: list[Record | None] = []

    async def write() -> None:
        lock = locks.of(NAME)
        async with lock:
            taken.append(lock.take_over())

    async with first:
        waiting = [asyncio.create_task(write()) for _ in range(2)]
        await settled()
        first.leave(record(1))
    waiting[0].cancel()  # it has its turn, and has not run since
    await settled()
    assert taken == [record(1)]
    assert waiting[0].cancelled()
    await waiting[1]
