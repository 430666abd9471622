"""Housekeeping: expired records, old tombstones and dead letters beyond their retention go, a few at a time."""

import asyncio
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from fairlead_workload.errors import DependencyError
from fairlead_workload.model.retention import TOMBSTONE_SECONDS
from fairlead_workload.queues.base import Queue
from fairlead_workload.stores.base import Store, Sweeper

PERIOD_SECONDS = 60.0
LIMIT = 500  # rows per transaction, to keep it short
PAUSE_SECONDS = 0.05


@runtime_checkable
class SweptStore(Sweeper, Protocol):
    """A store that has to be swept."""


@runtime_checkable
class SweptQueue(Protocol):
    """Capability: a queue that does not remove old dead letters by itself."""

    async def sweep(self, *, limit: int = 1000) -> int:
        """Remove dead letters older than the retention. Returns how many went."""


class Housekeeping:
    """Sweeps the store and the queue that need it. `random` gives numbers in [0, 1)."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        period_seconds: float = PERIOD_SECONDS,
    ) -> None:
        self._store = store if isinstance(store, SweptStore) else None
        self._queue = queue if isinstance(queue, SweptQueue) else None
        self._clock = clock
        self._random = random
        self._period_seconds = period_seconds

    async def run(self) -> None:
        """Sweep now and then until cancelled; workers do not do it in step."""
        while True:
            await asyncio.sleep(self._period_seconds * (0.5 + self._random()))
            try:
                await self.sweep()
            except DependencyError:
                continue

    async def sweep(self) -> int:
        """Remove everything that is due. Returns how many rows went."""
        total = 0
        while gone := await self._sweep_some():
            total += gone
            await asyncio.sleep(PAUSE_SECONDS)
        return total

    async def _sweep_some(self) -> int:
        now, gone = self._clock(), 0
        if self._store is not None:
            gone += await self._store.sweep(now=now, tombstones_before=now - TOMBSTONE_SECONDS, limit=LIMIT)
        if self._queue is not None:
            gone += await self._queue.sweep(limit=LIMIT)
        return gone
