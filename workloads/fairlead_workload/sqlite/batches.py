"""Group commit: one thread, one connection, and everything that waits goes into one transaction.

Operations submitted in one tick of the event loop travel to the thread together; whatever has gathered while a
transaction was under way makes up the next one. A lane is a kind of operation that knows how to do many at once.
Results return to the event loop with one wake-up per batch. No savepoints: a lane checks before it writes, so the
usual failure (a conflict) has nothing to undo. When SQLite itself refuses something, the whole transaction is rolled
back and its operations are done again one by one, so that the bad one fails alone; an outage fails them all.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from fairlead_workload.errors import Unavailable
from fairlead_workload.sqlite import faults

BATCH_LIMIT = 512  # operations per transaction: bounds latency, memory and what an outage takes with it


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """A kind of operation. `run` does many in the open transaction and gives one result or exception each, in order."""

    dependency: str
    run: Callable[[sqlite3.Connection, list[Any]], Sequence[Any]]


_Operation = tuple[Lane, Any, "asyncio.Future[Any]"]
_Outcome = tuple["asyncio.Future[Any]", Any]


class Batcher:
    """Runs operations of one event loop on a thread of its own. `begin` opens a batch's transaction.

    `on_outage` hears, on that thread, of each batch that failed because of the file, the disk or a lock.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        name: str,
        begin: str,
        on_outage: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._begin = begin
        self._on_outage = on_outage
        self._name = name
        self._arriving: list[_Operation] = []
        self._inbox: SimpleQueue[list[_Operation] | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self.outage: Exception | None = None  # of the last batch; None once a batch went through

    def submit(self, lane: Lane, argument: Any) -> "asyncio.Future[Any]":
        """The future result of an operation. It is carried out even when nobody waits for it any more."""
        if self._closed:
            raise Unavailable(lane.dependency, "the database is closed")
        loop = self._loop or self._start()
        future: asyncio.Future[Any] = loop.create_future()
        if not self._arriving:
            loop.call_soon(self._hand_over)
        self._arriving.append((lane, argument, future))
        return future

    async def close(self) -> None:
        """Finish what was submitted, then close the connection."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            self._hand_over()
            self._inbox.put(None)
            await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()
        return self._loop

    def _hand_over(self) -> None:
        if self._arriving:
            self._inbox.put(self._arriving)
            self._arriving = []

    def _work(self) -> None:
        waiting: list[_Operation] = []
        while True:
            arrived = self._inbox.get()
            open_ = arrived is not None
            while arrived is not None:
                waiting += arrived
                if self._inbox.empty() or len(waiting) >= BATCH_LIMIT:
                    break
                arrived = self._inbox.get()
                open_ = arrived is not None
            for start in range(0, len(waiting), BATCH_LIMIT):
                self._deliver(self._carry_out(waiting[start : start + BATCH_LIMIT]))
            waiting = []
            if not open_:
                return

    def _deliver(self, outcomes: list[_Outcome]) -> None:
        assert self._loop is not None  # noqa: S101 - the thread is started by `_start`, which sets it
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            self._loop.call_soon_threadsafe(_resolve, outcomes)

    def _carry_out(self, batch: list[_Operation]) -> list[_Outcome]:
        try:
            outcomes = self._transaction(batch)
        except Exception as error:  # noqa: BLE001 - outermost: whatever went wrong must reach the callers
            self._roll_back()
            if faults.is_outage(error):
                self.outage = error
                self._on_outage(error)
            elif len(batch) > 1:
                return [outcome for operation in batch for outcome in self._carry_out([operation])]
            return [(future, faults.converted(error, lane.dependency)) for lane, _, future in batch]
        self.outage = None
        return outcomes

    def _transaction(self, batch: list[_Operation]) -> list[_Outcome]:
        lanes: dict[Lane, list[_Operation]] = {}
        for operation in batch:
            lanes.setdefault(operation[0], []).append(operation)
        outcomes: list[_Outcome] = []
        self._connection.execute(self._begin)
        for lane, operations in lanes.items():
            results = lane.run(self._connection, [argument for _, argument, _ in operations])
            outcomes.extend(zip((future for _, _, future in operations), results, strict=True))
        self._connection.execute("COMMIT")
        return outcomes

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # some failures end the transaction by themselves
            with contextlib.suppress(sqlite3.Error):  # the callers get the first failure; the thread must live on
                self._connection.execute("ROLLBACK")


def _resolve(outcomes: list[_Outcome]) -> None:
    for future, result in outcomes:
        if future.done():  # whoever waited was cancelled
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
