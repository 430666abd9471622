"""Events that may crash the worker: found by deliveries that were never settled, then handled alone.

The queue says how many leases of a message in a row were neither acknowledged nor given back (`lost`). One such death
proves nothing. After two the event is a suspect: it runs alone, so that it cannot fail other events, and a record is
committed before it begins. When the next delivery finds that record, the worker died of this event: a failure of the
event as any other, with backoff, limits, undoing and the dead letter. Suspects without such a record go first.

Where the broker does not count deliveries, handlers note each attempt that calls a service before the call (`unended`).
So an event without calls that ends the process is not found there, and an attempt that a drain cuts short counts.
"""

from collections.abc import Sequence

from msgspec import structs

from fairlead_contract.spec.bindings import Queue as QueueSpec
from fairlead_workload.bindings import Bindings
from fairlead_workload.errors import DependencyError
from fairlead_workload.model import retention
from fairlead_workload.stores.base import Unit
from fairlead_workload.worker import inbox
from fairlead_workload.worker.dispatch import Item
from fairlead_workload.worker.failures.retry_policy import Failures, WorkerDied

SUSPICIOUS_DEATHS = 2


class Suspects:
    """Knows which events are tried alone."""

    def __init__(self, bindings: Bindings, queue: QueueSpec) -> None:
        self._store = bindings.store
        self._clock = bindings.clock
        self._keep_seconds = retention.inbox_seconds(queue, bindings.delivered_seconds)

    async def among(self, items: Sequence[Item]) -> list[Item]:
        """Those of `items` to be tried alone, in that order. Reads what is on record about the items."""
        try:
            histories = await inbox.read_histories(self._store, [item.id for item in items])
        except DependencyError:
            return [item for item in items if _lost(item) >= SUSPICIOUS_DEATHS]
        for item, history in zip(items, histories, strict=True):
            item.history = history
        return sorted(filter(_suspicious, items), key=lambda item: _failures(item).counted)

    async def begin(self, item: Item) -> None:
        """Note that the event is tried alone now. Raises what the store raises."""
        if item.history.final_entry(item.delivery.redrives) is not None:
            return
        now = self._clock()
        failures = item.history.failures or Failures(first_failed_at=now, redrives=item.delivery.redrives)
        begun = structs.replace(failures, alone=True, begun=True)
        await self._store.commit(
            Unit(records=(inbox.failures_record(item.id, begun, expires_at=now + self._keep_seconds),))
        )


def death(item: Item) -> WorkerDied | None:
    """The death of the worker that tried this event alone at its last delivery."""
    lost = _lost(item)
    return WorkerDied(lost) if lost and _failures(item).begun else None


def _suspicious(item: Item) -> bool:
    return _lost(item) >= SUSPICIOUS_DEATHS or _failures(item).alone


def _lost(item: Item) -> int:
    """How many attempts before this one, in a row, did not end."""
    delivery = item.delivery
    return delivery.lost if delivery.deliveries is not None else max(delivery.lost, _failures(item).unended)


def _failures(item: Item) -> Failures:
    return item.history.failures or Failures()
