"""Opening what an ApiService is bound to: the one place that knows which adapter serves which type.

The embedded store, queue and cache share one data directory; the secret behind operation ids is made once and kept in
the store.
"""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.api import Resource as ResourceSpec
from fairlead_contract.spec.bindings import CacheType, DatastoreType, QueueType
from fairlead_contract.spec.model import seconds
from fairlead_workload.api.reads.fetching import fetcher
from fairlead_workload.bindings import Bindings
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.caches.policy import policy_of
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.errors import Conflict, Misconfigured
from fairlead_workload.model.operations import OperationIds
from fairlead_workload.model.resource import Resource
from fairlead_workload.model.retention import DAY
from fairlead_workload.queues.sqlite import RETENTION_SECONDS, SqliteQueue
from fairlead_workload.sqlite import Database
from fairlead_workload.sqlite.disk import Disk
from fairlead_workload.stores.base import SECRETS, Expect, RecordWrite, Store, Unit
from fairlead_workload.stores.sqlite import SqliteStore

VISIBILITY_SECONDS = 60.0  # of the embedded queue; the worker renews leases at half of it
CACHE_ENTRIES = 100_000  # of the in-process cache as a whole; its bytes are bounded too
_SECRET = (SECRETS, "operation-ids")


@dataclass(frozen=True, slots=True)
class Storage:
    """The adapters of one ApiService. `close` closes all of them."""

    store: SqliteStore
    queue: SqliteQueue | None
    cache: MemoryCache | None
    disk: Disk
    close: Callable[[], Awaitable[None]]


def open_storage(document: RuntimeDocument, *, data_dir: Path, exclusive: bool = True) -> Storage:
    """Open the adapters that `document` names. Blocks; raises Misconfigured.

    `exclusive` False opens beside a running server, for tools.
    """
    for refusal in not_served(document):
        raise refusal
    database = Database.open(data_dir, exclusive=exclusive)
    store = SqliteStore(database, document.api.resources)
    queue = None
    if document.queue is not None:
        retention_seconds = max(RETENTION_SECONDS, seconds(document.queue.retry.max_age) + DAY)
        queue = SqliteQueue(
            database,
            order=document.queue.order,
            visibility_seconds=VISIBILITY_SECONDS,
            retention_seconds=retention_seconds,
            dead_letter_retention_seconds=seconds(document.queue.dead_letter.retention),
            longest_delay_seconds=seconds(document.queue.retry.backoff.max),
        )
    cache = MemoryCache(CACHE_ENTRIES) if document.cache.type is CacheType.MEMORY else None

    async def close() -> None:
        if queue is not None:
            await queue.close()
        await store.close()
        await database.close()

    return Storage(store, queue, cache, database.disk, close)


def not_served(document: RuntimeDocument) -> list[Misconfigured]:
    """The bindings that no adapter serves, each named by its path."""
    bindings: list[tuple[str, StrEnum | None, tuple[StrEnum, ...]]] = [
        ("datastore", document.datastore.type, (DatastoreType.SQLITE,)),
        ("cache", document.cache.type, (CacheType.MEMORY, CacheType.NONE)),
        ("queue", document.queue.type if document.queue is not None else None, (QueueType.SQLITE,)),
    ]
    return [
        Misconfigured(f"{role}.type", f"{type_} is not served yet", f"use {' or '.join(served)}")
        for role, type_, served in bindings
        if type_ is not None and type_ not in served
    ]


async def bind(document: RuntimeDocument, storage: Storage) -> Bindings:
    """What API and worker are given. Raises Unavailable."""
    resources = {spec.name: Resource(spec) for spec in document.api.resources}
    return Bindings(
        document=document,
        resources=resources,
        store=storage.store,
        caches={name: _document_cache(resource, storage) for name, resource in resources.items()},
        cache=storage.cache,
        queue=storage.queue,
        operations=OperationIds(await _secret(storage.store)),
    )


def _document_cache(resource: Resource, storage: Storage) -> DocumentCache:
    spec: ResourceSpec = resource.spec
    policy = policy_of(spec.cache, strong=spec.reads == "Strong")
    return DocumentCache(resource.name, policy, storage.cache, fetcher(resource, storage.store))


async def _secret(store: Store) -> bytes:
    """The key behind operation ids: made by the first process, then kept."""
    for _ in range(2):
        [record] = await store.records([_SECRET])
        if record is not None:
            return record.value
        try:
            await store.commit(Unit(records=(RecordWrite(*_SECRET, os.urandom(32), expect=Expect.ABSENT),)))
        except Conflict:
            continue  # another process was faster
    [record] = await store.records([_SECRET])
    if record is None:
        raise Misconfigured("datastore", "the secret of operation ids could not be kept", "look at the store's log")
    return record.value
