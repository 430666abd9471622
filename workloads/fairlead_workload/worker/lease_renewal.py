"""The deliveries this worker holds: leases are renewed at half of their time, and released at the end."""

import asyncio
from collections.abc import Iterable

from fairlead_workload.errors import DependencyError
from fairlead_workload.queues.base import Delivery, Queue
from fairlead_workload.worker.stats import WorkerStats


class LeaseRenewer:
    """Keeps the leases of what is being handled."""

    def __init__(self, queue: Queue, *, stats: WorkerStats) -> None:
        self._queue = queue
        self._lease_seconds = queue.lease_seconds
        self._stats = stats
        self._renewed_at: dict[int, tuple[Delivery, float]] = {}  # by identity: a receipt need not be hashable

    def add(self, deliveries: Iterable[Delivery]) -> None:
        now = asyncio.get_running_loop().time()
        self._renewed_at.update((id(delivery), (delivery, now)) for delivery in deliveries)
        self._stats.in_flight = len(self._renewed_at)

    def remove(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            self._renewed_at.pop(id(delivery), None)
        self._stats.in_flight = len(self._renewed_at)

    async def run(self) -> None:
        """Renew leases until cancelled."""
        if self._lease_seconds is None:
            await asyncio.Event().wait()
            return
        while True:
            await asyncio.sleep(self._lease_seconds / 4)
            now = asyncio.get_running_loop().time()
            due = [delivery for delivery, at in self._renewed_at.values() if now - at >= self._lease_seconds / 4]
            if not due:
                continue
            try:
                await self._queue.extend(due)
            except DependencyError:
                continue  # the next round is still in time
            for delivery in due:
                if id(delivery) in self._renewed_at:
                    self._renewed_at[id(delivery)] = (delivery, now)

    async def release(self) -> None:
        """Return all deliveries to the queue, to be delivered at once."""
        deliveries = [delivery for delivery, _ in self._renewed_at.values()]
        self._renewed_at.clear()
        self._stats.in_flight = 0
        results = await asyncio.gather(
            *(self._queue.retry(delivery, delay_seconds=0) for delivery in deliveries), return_exceptions=True
        )
        for result in results:  # all have been tried
            if isinstance(result, BaseException):
                raise result
