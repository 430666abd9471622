"""Fair scheduling: events that are handled step by step share the worker's slots between the handlers.

`worker.concurrency` slots; a free one goes to the handler with the fewest running events, round-robin among equals. A
handler without a `concurrency` of its own leaves one slot to each other handler that makes calls, so that a burst of
slow calls never delays another handler's first event. One with a `concurrency` uses up to so many, whoever waits.

An exclusive event waits for everything that runs, slots and batches, and nothing begins until it has ended.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Mapping

from fairlead_workload.worker.handlers.plans import HandlerPlan


def limits(concurrency: int, plans: Iterable[HandlerPlan]) -> dict[str, int]:
    """The most events of each handler at once, by event type."""
    plans = list(plans)
    calling = {plan.event for plan in plans if plan.calls}
    return {
        plan.event: min(plan.concurrency or max(1, concurrency - len(calling - {plan.event})), concurrency)
        for plan in plans
    }


class Slots:
    """Slots for events that go step by step, and room for batches. `limits`: of each handler, by event type."""

    def __init__(self, concurrency: int, limits: Mapping[str, int]) -> None:
        self._slots = self._free = concurrency
        self._limits = limits
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # in the order of their next turns
        self._batches = 0
        self._admitting = asyncio.Event()
        self._admitting.set()
        self._idle = asyncio.Event()
        self._exclusive = asyncio.Lock()

    async def enter(self) -> None:
        """Begin a batch."""
        while not self._admitting.is_set():
            await self._admitting.wait()
        self._batches += 1

    def leave(self) -> None:
        """The batch has ended."""
        self._batches -= 1
        self._signal_idle()

    @contextlib.asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Wait until nothing runs, and keep it so."""
        async with self._exclusive:
            self._admitting.clear()
            try:
                self._idle.clear()
                self._signal_idle()
                await self._idle.wait()
                yield
            finally:
                self._admitting.set()
                self._assign()

    @contextlib.asynccontextmanager
    async def slot(self, handler: str) -> AsyncIterator[None]:
        """Wait for a turn of `handler` and hold its slot."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(handler, deque()).append(turn)
        self._assign()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._free += 1
                self._running[handler] -= 1
                self._assign()
                self._signal_idle()

    def _signal_idle(self) -> None:
        if self._free == self._slots and not self._batches:
            self._idle.set()

    def _assign(self) -> None:
        while self._admitting.is_set() and self._free and (handler := self._next()) is not None:
            turns = self._waiting.pop(handler)
            turn = turns.popleft()
            if turns:
                self._waiting[handler] = turns
            if not turn.done():  # else its event was cancelled
                self._free -= 1
                self._running[handler] += 1
                turn.set_result(None)

    def _next(self) -> str | None:
        """The handler whose turn it is: of those below their limit, the one that runs least."""
        may = (handler for handler in self._waiting if self._running[handler] < self._limits[handler])
        return min(may, key=self._running.__getitem__, default=None)
