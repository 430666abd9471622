"""Locks of documents in this process: writers of one document go one after another, in the order in which they came.

A process does not race against itself. A writer that reads, decides and commits with the lock loses only to writers
without it (another process, or a write that takes no lock). An outage that the holder meets is reported to all who
wait: each of them would meet it too, one after the other. Nothing is kept about a name that nobody holds.
"""

import asyncio
from collections import deque
from types import TracebackType

from fairlead_workload.errors import Unavailable

PATIENCE_SECONDS = 10.0


class DocumentLocks:
    """The locks of one event loop. A writer that needs several at once takes them in the order of their names.

    `patience_seconds` bounds the wait for one.
    """

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def of(self, name: str) -> "DocumentLock":
        """`async with` it. Raises TimeoutError when the wait is too long, and the `Unavailable` that the holder met."""
        return DocumentLock(self, name)

    async def _take(self, name: str) -> None:
        waiting = self._waiting.get(name)
        if waiting is None:
            self._waiting[name] = deque()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            async with asyncio.timeout(self._patience_seconds):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # it came while we gave up
                self._pass_on(name)
            raise

    def _pass_on(self, name: str) -> None:
        waiting = self._waiting[name]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[name]

    def _fail(self, name: str, error: Unavailable) -> None:
        for turn in self._waiting.pop(name):
            if not turn.done():
                turn.set_exception(error)


class DocumentLock:
    """The lock of one document, made by `DocumentLocks.of`."""

    __slots__ = ("_document_locks", "_name")

    def __init__(self, document_locks: DocumentLocks, name: str) -> None:
        self._document_locks = document_locks
        self._name = name

    async def __aenter__(self) -> None:
        await self._document_locks._take(self._name)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Unavailable):
            self._document_locks._fail(self._name, error)
        else:
            self._document_locks._pass_on(self._name)
