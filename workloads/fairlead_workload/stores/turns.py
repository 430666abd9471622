"""Turns: who writes one document in this process, one after another, in the order in which they came.

A process does not race against itself. Whoever reads, decides and commits in its turn loses only to those outside
(another process, or who took no turn). An outage that the holder meets is that of everybody who waits: each of them
would meet it too, one after the other. Nothing is kept about a name that nobody holds.
"""

import asyncio
from collections import deque
from types import TracebackType

from fairlead_workload.errors import Unavailable

PATIENCE_SECONDS = 10.0


class Turns:
    """The turns of one event loop. Who needs several at once takes them in the order of their names.

    `patience_seconds` bounds the wait for one.
    """

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def of(self, name: str) -> "Turn":
        """`async with` it. Raises TimeoutError when the turn does not come, and `Unavailable` of who had it before."""
        return Turn(self, name)

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


class Turn:
    """One turn, made by `Turns.of`."""

    __slots__ = ("_name", "_turns")

    def __init__(self, turns: Turns, name: str) -> None:
        self._turns = turns
        self._name = name

    async def __aenter__(self) -> None:
        await self._turns._take(self._name)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Unavailable):
            self._turns._fail(self._name, error)
        else:
            self._turns._pass_on(self._name)
