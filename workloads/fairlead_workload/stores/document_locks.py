"""Locks of documents in this process: writers of one document go one after another, in the order in which they came.

A process does not race against itself. A writer that reads, decides and commits with the lock loses only to writers
without it (another process, or a write that takes no lock). An outage that the holder meets is reported to all who
wait: each of them would meet it too, one after the other. Nothing is kept about a name that nobody holds.

A writer may leave the document that it has committed to the next one, who need not read it then. By that time others
may have changed it, so it is good for an attempt only: a commit that expects its version. Now and then the next one
has to read all the same: who leaves no time between two commits never loses to another process, which then never wins.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType

from fairlead_workload.errors import Unavailable
from fairlead_workload.stores.base import Record

PATIENCE_SECONDS = 10.0
IN_A_ROW = 8  # writers who take over the document from the one before, until one reads it


@dataclass(slots=True)
class _Held:
    """A lock that somebody holds: who waits for it, and what the last holder has left."""

    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    left: Record | None = None
    in_a_row: int = 0  # how often it was taken over since somebody read


class DocumentLocks:
    """The locks of one event loop. A writer that needs several at once takes them in the order of their names.

    `patience_seconds` bounds the wait for one.
    """

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._held: dict[str, _Held] = {}

    def of(self, name: str) -> "DocumentLock":
        """`async with` it. Raises TimeoutError when the wait is too long, and the `Unavailable` that the holder met."""
        return DocumentLock(self, name)

    async def _take(self, name: str) -> None:
        held = self._held.get(name)
        if held is None:
            self._held[name] = _Held()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        held.waiting.append(turn)
        try:
            async with asyncio.timeout(self._patience_seconds):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # it came while we gave up
                self._pass_on(name)
            raise

    def _pass_on(self, name: str) -> None:
        waiting = self._held[name].waiting
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._held[name]

    def _fail(self, name: str, error: Unavailable) -> None:
        for turn in self._held.pop(name).waiting:
            if not turn.done():
                turn.set_exception(error)


class DocumentLock:
    """The lock of one document, made by `DocumentLocks.of`. `leave` and `take_over` are the holder's."""

    __slots__ = ("_document_locks", "_name")

    def __init__(self, document_locks: DocumentLocks, name: str) -> None:
        self._document_locks = document_locks
        self._name = name

    def leave(self, record: Record) -> None:
        """The holder has committed this document: the next one may take it over."""
        self._document_locks._held[self._name].left = record

    def take_over(self) -> Record | None:
        """What the holder before has left, once; None when it has to be read."""
        held = self._document_locks._held[self._name]
        left, held.left = held.left, None
        if left is None or held.in_a_row == IN_A_ROW:
            held.in_a_row = 0
            return None
        held.in_a_row += 1
        return left

    async def __aenter__(self) -> None:
        await self._document_locks._take(self._name)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Unavailable):
            self._document_locks._fail(self._name, error)
        else:
            self._document_locks._pass_on(self._name)
