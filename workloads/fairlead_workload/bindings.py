"""What API and worker are made with: the runtime document, its resources compiled, and the opened store, caches and
queue.

Made in one place (`adapters.py`), so that API and worker never know an adapter.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from fairlead_contract.runtime import RuntimeDocument
from fairlead_workload.caches.base import Cache
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.model.operations import OperationIds
from fairlead_workload.model.resource import Resource
from fairlead_workload.queues.base import Queue
from fairlead_workload.stores.base import Store
from fairlead_workload.stores.document_locks import DocumentLocks


@dataclass(frozen=True, slots=True)
class Bindings:
    """One ApiService, opened. `caches` has an entry for every resource; those with strategy None only pass through."""

    document: RuntimeDocument
    resources: Mapping[str, Resource]
    store: Store
    caches: Mapping[str, DocumentCache]
    cache: Cache | None
    queue: Queue | None
    operations: OperationIds
    clock: Callable[[], float] = time.time
    document_locks: DocumentLocks = field(default_factory=DocumentLocks)  # of those who write one document, by its path
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    @property
    def source(self) -> str:
        """`source` of every event of this service."""
        return f"/{self.document.namespace}/{self.document.name}"

    @property
    def handled_event_types(self) -> frozenset[str]:
        """Event types that a handler takes; facts of other types are not queued."""
        worker = self.document.worker
        return frozenset(handler.event for handler in worker.handlers) if worker else frozenset()

    @property
    def delivered_seconds(self) -> float:
        """For how long after its publish the queue may deliver a message; 0 without a queue."""
        return self.queue.retention_seconds if self.queue is not None else 0.0
