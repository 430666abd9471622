"""Group commit: one thread, one connection, and everything that waits goes into one transaction.

Operations submitted in one tick of the event loop travel to the thread together; whatever has gathered while a
transaction was under way makes up the next one. A `BatchOperation` does many submissions at once.
Results return to the event loop with one wake-up per batch. No savepoints: an operation checks before it writes, so the
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
class BatchOperation:
    """A kind of operation. `run` does many in the open transaction and gives one result or exception each, in order."""

    dependency: str
    run: Callable[[sqlite3.Connection, list[Any]], Sequence[Any]]


_Submission = tuple[BatchOperation, Any, "asyncio.Future[Any]"]
_Completed = tuple["asyncio.Future[Any]", Any]


class Batcher:
    """Runs operations of one event loop on a thread of its own. `begin` opens a batch's transaction.

    `on_outage` is called on that thread for each batch that failed because of the file, the disk or a lock.
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
        self._arriving: list[_Submission] = []
        self._inbox: SimpleQueue[list[_Submission] | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self.outage: Exception | None = None  # of the last batch; None once a batch went through

    def submit(self, operation: BatchOperation, argument: Any) -> "asyncio.Future[Any]":
        """The future result of an operation. It is carried out even when its future was cancelled."""
        if self._closed:
            raise Unavailable(operation.dependency, "the database is closed")
        loop = self._loop or self._start()
        future: asyncio.Future[Any] = loop.create_future()
        if not self._arriving:
            loop.call_soon(self._pass_on)
        self._arriving.append((operation, argument, future))
        return future

    async def close(self) -> None:
        """Finish what was submitted, then close the connection."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            self._pass_on()
            self._inbox.put(None)
            await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()
        return self._loop

    def _pass_on(self) -> None:
        if self._arriving:
            self._inbox.put(self._arriving)
            self._arriving = []

    def _run(self) -> None:
        is_open = True
        while is_open:
            waiting, is_open = self._take_submitted()
            for offset in range(0, len(waiting), BATCH_LIMIT):
                self._deliver(self._execute(waiting[offset : offset + BATCH_LIMIT]))
            del waiting  # frees the batch while this thread waits for the next one

    def _take_submitted(self) -> tuple[list[_Submission], bool]:
        """Wait for submissions and take what has gathered, about one batch. False: there will be no more."""
        waiting: list[_Submission] = []
        while True:
            submitted = self._inbox.get()
            if submitted is None:
                return waiting, False
            waiting += submitted
            if self._inbox.empty() or len(waiting) >= BATCH_LIMIT:
                return waiting, True

    def _deliver(self, completed: list[_Completed]) -> None:
        assert self._loop is not None  # noqa: S101 - the thread is started by `_start`, which sets it
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it all callers
            self._loop.call_soon_threadsafe(_resolve, completed)

    def _execute(self, batch: list[_Submission]) -> list[_Completed]:
        try:
            completed = self._run_transaction(batch)
        except Exception as error:  # noqa: BLE001 - outermost: whatever went wrong must reach the callers
            self._roll_back()
            if faults.is_outage(error):
                self.outage = error
                self._on_outage(error)
            elif len(batch) > 1:
                return [outcome for submission in batch for outcome in self._execute([submission])]
            return [(future, faults.converted(error, operation.dependency)) for operation, _, future in batch]
        self.outage = None
        return completed

    def _run_transaction(self, batch: list[_Submission]) -> list[_Completed]:
        by_operation: dict[BatchOperation, list[_Submission]] = {}
        for submission in batch:
            by_operation.setdefault(submission[0], []).append(submission)
        completed: list[_Completed] = []
        self._connection.execute(self._begin)
        for operation, submissions in by_operation.items():
            results = operation.run(self._connection, [argument for _, argument, _ in submissions])
            completed.extend(zip((future for _, _, future in submissions), results, strict=True))
        self._connection.execute("COMMIT")
        return completed

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # some failures end the transaction by themselves
            with contextlib.suppress(sqlite3.Error):  # the callers get the first failure; the thread must live on
                self._connection.execute("ROLLBACK")


def _resolve(completed: list[_Completed]) -> None:
    for future, result in completed:
        if future.done():  # the caller was cancelled
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
