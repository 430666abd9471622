"""Opening what an ApiService is bound to: the one place that knows which adapter serves which type of binding.

Each table gives the opener of a type; a type without one is not served. Openers share what an `Opening` holds, such as
the embedded database, which datastore and queue have in common. The secret behind operation ids is made once and kept
in the store.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.bindings import CacheType, Datastore, DatastoreType, QueueType
from fairlead_contract.spec.model import seconds
from fairlead_workload.api.reads.fetching import fetcher
from fairlead_workload.bindings import Bindings
from fairlead_workload.caches.base import Cache
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.caches.policy import policy_of
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.credentials import NO_SECRETS, Secrets
from fairlead_workload.errors import Conflict, Misconfigured
from fairlead_workload.model.operations import OperationIds
from fairlead_workload.model.resource import Resource
from fairlead_workload.model.retention import DAY
from fairlead_workload.queues.base import Queue
from fairlead_workload.queues.sqlite import RETENTION_SECONDS, SqliteQueue
from fairlead_workload.sqlite import Database
from fairlead_workload.sqlite.disk import Disk
from fairlead_workload.stores.base import SECRETS, Expect, RecordWrite, Store, Unit
from fairlead_workload.stores.sqlite import SqliteStore

CACHE_ENTRIES = 100_000  # of the in-process cache as a whole; its bytes are bounded too
_SECRET = (SECRETS, "operation-ids")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Adapters:
    """The opened adapters of one ApiService. `disk` is that of the data directory, if one is used."""

    store: Store
    queue: Queue | None
    cache: Cache | None
    disk: Disk | None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a process has beside the document: where embedded bindings keep data, and where Secrets are.

    `addresses`: where hosts are that the document names, if not where their names lead: an IP address and a port.
    `provisions`: bring the bindings to the document first, as no Job does it. `exclusive` False opens beside a running
    server, for tools.
    """

    data_dir: Path
    secrets: Secrets = NO_SECRETS
    addresses: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    provisions: bool = False
    exclusive: bool = True


class Opening:
    """What adapters are opened with."""

    def __init__(self, document: RuntimeDocument, surroundings: Surroundings, stack: AsyncExitStack) -> None:
        self.document = document
        self.surroundings = surroundings
        self.database: Database | None = None
        self._stack = stack

    async def embedded(self) -> Database:
        """The embedded database; opened once, and closed after all that use it."""
        if self.database is None:
            data_dir, exclusive = self.surroundings.data_dir, self.surroundings.exclusive
            self.database = await asyncio.to_thread(Database.open, data_dir, exclusive=exclusive)
            self._stack.push_async_callback(self.database.close)
        return self.database

    def closing(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have `close` called at the end, before what was opened earlier is closed."""
        self._stack.push_async_callback(close)


async def _sqlite_store(opening: Opening) -> Store:
    database = await opening.embedded()
    store = await asyncio.to_thread(SqliteStore, database, opening.document.api.resources)
    opening.closing(store.close)
    return store


async def _postgresql_store(opening: Opening) -> Store:
    from fairlead_workload.stores import postgresql  # its driver takes a while to import

    document, surroundings = opening.document, opening.surroundings
    bound = postgresql.binding_of(document, surroundings.secrets, surroundings.addresses)
    servers, resources = bound.servers, document.api.resources
    if surroundings.provisions:
        await postgresql.provision(servers.direct, bound.schema, resources, owner=bound.owner)
    store = await postgresql.PostgresqlStore.open(
        servers.primary,
        resources,
        schema=bound.schema,
        pool_size=servers.pool_size,
        replica=servers.replica,
        listen=servers.listen,
    )
    opening.closing(store.close)
    return store


async def _sqlite_queue(opening: Opening) -> Queue:
    database, spec = await opening.embedded(), opening.document.queue
    assert spec is not None  # noqa: S101 - what has no queue opens none
    queue = await asyncio.to_thread(
        SqliteQueue,
        database,
        order=spec.order,
        retention_seconds=max(RETENTION_SECONDS, seconds(spec.retry.max_age) + DAY),
        dead_letter_retention_seconds=seconds(spec.dead_letter.retention),
        longest_delay_seconds=seconds(spec.retry.backoff.max),
    )
    opening.closing(queue.close)
    return queue


async def _memory_cache(opening: Opening) -> Cache | None:
    cache = MemoryCache(CACHE_ENTRIES)
    opening.closing(cache.close)
    return cache


async def _no_cache(opening: Opening) -> Cache | None:
    del opening
    return None


Opener = Callable[[Opening], Awaitable[T]]
STORES: Mapping[DatastoreType, Opener[Store]] = {
    DatastoreType.SQLITE: _sqlite_store,
    DatastoreType.POSTGRESQL: _postgresql_store,
}
CACHES: Mapping[CacheType, Opener[Cache | None]] = {CacheType.MEMORY: _memory_cache, CacheType.NONE: _no_cache}
QUEUES: Mapping[QueueType, Opener[Queue]] = {QueueType.SQLITE: _sqlite_queue}


@asynccontextmanager
async def opened(document: RuntimeDocument, surroundings: Surroundings) -> AsyncIterator[Adapters]:
    """The adapters that `document` names, closed at the end. Raises Misconfigured, Unavailable."""
    for refusal in not_served(document):
        raise refusal
    async with AsyncExitStack() as stack:
        opening = Opening(document, surroundings, stack)
        store = await STORES[document.datastore.type](opening)
        cache = await CACHES[document.cache.type](opening)
        queue = await QUEUES[document.queue.type](opening) if document.queue is not None else None
        disk = opening.database.disk if opening.database is not None else None
        yield Adapters(store, queue, cache, disk)


def not_served(document: RuntimeDocument) -> list[Misconfigured]:
    """The bindings that no adapter serves, each named by its path."""
    bindings: list[tuple[str, StrEnum | None, Sequence[StrEnum]]] = [
        ("datastore", document.datastore.type, tuple(STORES)),
        ("cache", document.cache.type, tuple(CACHES)),
        ("queue", document.queue.type if document.queue is not None else None, tuple(QUEUES)),
    ]
    return [
        Misconfigured(f"{role}.type", f"{type_} is not served yet", f"use {' or '.join(served)}")
        for role, type_, served in bindings
        if type_ is not None and type_ not in served
    ]


async def bind(document: RuntimeDocument, adapters: Adapters) -> Bindings:
    """What API and worker are given. Raises Unavailable."""
    resources = {spec.name: Resource(spec) for spec in document.api.resources}
    lag_seconds = _lag_seconds(document.datastore)
    return Bindings(
        document=document,
        resources=resources,
        store=adapters.store,
        caches={name: _document_cache(resource, adapters, lag_seconds) for name, resource in resources.items()},
        cache=adapters.cache,
        queue=adapters.queue,
        operations=OperationIds(await _secret(adapters.store)),
    )


def _lag_seconds(datastore: Datastore) -> float:
    """For how long a read replica may not have a write: twice the lag to expect. 0: there is none."""
    server = datastore.server
    return 2 * seconds(server.read_replica.max_lag) if server is not None and server.read_replica is not None else 0.0


def _document_cache(resource: Resource, adapters: Adapters, lag_seconds: float) -> DocumentCache:
    policy = policy_of(resource.spec.cache, strong=resource.spec.reads == "Strong", lag_seconds=lag_seconds)
    return DocumentCache(resource.name, policy, adapters.cache, fetcher(resource, adapters.store))


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
