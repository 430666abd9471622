"""A stage for the kernel: the embedded store and queue, a clock the test moves, and a client that speaks ASGI."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from prometheus_client.registry import CollectorRegistry
from tests.embedded import open_database
from tests.wrapped import WrappedCache, WrappedQueue, WrappedStore

from fairlead_contract.runtime import RuntimeDocument, derive
from fairlead_contract.spec.apiservice import ApiService
from fairlead_workload.api.kernel import Kernel
from fairlead_workload.api.reads.fetching import fetcher
from fairlead_workload.bindings import Bindings
from fairlead_workload.caches.base import Cache
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.caches.policy import policy_of
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.errors import Unavailable
from fairlead_workload.model.operations import OperationIds
from fairlead_workload.model.resource import Resource
from fairlead_workload.queues.base import Message
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.stores.base import Document, Key, Mutation, OutboxEvent, Query, Record, Store, Unit
from fairlead_workload.stores.sqlite import SqliteStore
from fairlead_workload.telemetry.access import AccessLog
from fairlead_workload.telemetry.http import HttpTelemetry

T = TypeVar("T")
# The service of a property is made once: no request may spoil it for the next.
one_service = settings(
    suppress_health_check=[*settings.default.suppress_health_check, HealthCheck.function_scoped_fixture]
)
Hook = Callable[[], Awaitable[object]]


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Faults:
    """What goes wrong with an adapter: `error` with every call, or something happens once before or after one."""

    error: Exception | None = None
    before: dict[str, Hook] = field(default_factory=dict)
    after: dict[str, Hook] = field(default_factory=dict)

    async def around(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        if hook := self.before.pop(name, None):
            await hook()
        if self.error is not None:
            raise self.error
        result = await call()
        if hook := self.after.pop(name, None):
            await hook()
        return result


class FaultyStore(WrappedStore):
    """The embedded store. `reads` are the documents that were asked for, each with whether the read was strong."""

    def __init__(self, inner: SqliteStore) -> None:
        self.faults = Faults()
        self.reads: list[tuple[str, Key, bool]] = []
        super().__init__(inner, self.faults.around)

    async def get(self, resource: str, keys: Sequence[Key], *, strong: bool = False) -> list[Record | None]:
        found = await super().get(resource, keys, strong=strong)
        self.reads += [(resource, key, strong) for key in keys]
        return found


class FaultyQueue(WrappedQueue):
    """The embedded queue."""

    def __init__(self, inner: SqliteQueue) -> None:
        self.faults = Faults()
        super().__init__(inner, self.faults.around)

    async def publish(self, messages: Sequence[Message]) -> list[Exception | None]:
        try:
            return await super().publish(messages)
        except Unavailable as error:  # reported as the embedded queue reports it
            return [error] * len(messages)

    async def messages(self) -> list[Message]:
        """What is in the queue; it stays there."""
        deliveries = await self.inner.receive(100, wait_seconds=0)
        for delivery in deliveries:
            await self.inner.retry(delivery, delay_seconds=0)
        return [delivery.message for delivery in deliveries]

    async def events(self) -> list[dict[str, Any]]:
        return [json.loads(message.body) for message in await self.messages()]


class FaultyCache(WrappedCache):
    """The cache as one process sees it which shares it with others."""

    def __init__(self, inner: MemoryCache) -> None:
        self.faults = Faults()
        super().__init__(inner, self.faults.around)


class Pauses:
    """What is slept through: each pause ends when the test says so."""

    def __init__(self) -> None:
        self._sleeping: list[asyncio.Future[None]] = []
        self._begun = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many sleep."""
        return len(self._sleeping)

    async def sleep(self, seconds: float) -> None:
        self._sleeping.append(asyncio.get_running_loop().create_future())
        self._begun.set()
        await self._sleeping[-1]

    async def begun(self) -> None:
        """Wait until somebody sleeps."""
        await self._begun.wait()

    async def end(self) -> None:
        """Wake all who sleep, and let them run until they wait for something else."""
        self._begun.clear()
        for pause in self._sleeping:
            if not pause.done():
                pause.set_result(None)
        self._sleeping.clear()
        for _ in range(20):
            await asyncio.sleep(0)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    messages: list[dict[str, Any]]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The slug of the problem."""
        assert self.headers["content-type"] == "application/problem+json"
        return str(self.json["type"]).rpartition("/")[2]


Headers = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass
class Service:
    clock: Clock
    store: FaultyStore
    queue: FaultyQueue
    bindings: Bindings
    registry: CollectorRegistry
    log: AccessLog
    lines: list[bytes]
    telemetry: HttpTelemetry
    kernel: Kernel
    pauses: Pauses

    @property
    def cache_faults(self) -> Faults:
        """What goes wrong with the cache, where it is one that others share."""
        assert isinstance(self.bindings.cache, FaultyCache)
        return self.bindings.cache.faults

    async def close(self) -> None:
        """End what is under way. The database belongs to who opened it."""
        for cache in self.bindings.caches.values():
            await cache.close()
        self.log.close()

    async def send(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Headers = (),
        *,
        chunks: Sequence[bytes] | None = None,
        scope: Mapping[str, Any] | None = None,
    ) -> Answer:
        """One request. `body` is encoded as JSON unless it is bytes; `chunks` are sent one by one, then it hangs up."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        path, _, query = url.partition("?")
        fields = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        if not any(name == "host" for name, _ in fields):
            fields.append(("host", "shop.example"))
        if body is not None and not any(name == "content-type" for name, _ in fields):
            fields.append(("content-type", "application/json"))
        request = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields],
            **(scope or {}),
        }
        sent: list[Any] = []
        incoming = self._incoming([raw] if chunks is None else chunks)

        async def receive() -> Any:
            return next(incoming)

        async def send(message: Any) -> None:
            sent.append(message)

        await self.kernel(request, receive, send)
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], found, sent[1]["body"], sent)

    @staticmethod
    def _incoming(chunks: Sequence[bytes]) -> Iterator[dict[str, Any]]:
        for position, chunk in enumerate(chunks):
            yield {"type": "http.request", "body": chunk, "more_body": position < len(chunks) - 1}
        while True:
            yield {"type": "http.disconnect"}

    # What is stored, past the kernel, its cache and the faults

    async def keep(self, resource: str, *documents: Document, version: int | None = 1000) -> None:
        """Put documents into the store, under this version or one that the store finds."""
        names = self.bindings.resources[resource].key_names
        keyed = [(tuple(document[name] for name in names), document) for document in documents]
        await self.store.inner.commit(
            Unit(tuple(Mutation(resource, key, document, version=version) for key, document in keyed))
        )

    async def remove(self, resource: str, *key: str, version: int) -> None:
        """Leave a tombstone of this version in the store."""
        await self.store.inner.commit(Unit((Mutation(resource, key, None, version=version),)))

    async def stored(self, resource: str) -> list[Record]:
        """The documents of a resource."""
        return (await self.store.inner.query(resource, Query(limit=100))).records

    async def documents(self) -> dict[str, list[Record]]:
        """Every document, by resource."""
        return {name: await self.stored(name) for name in self.bindings.resources}

    async def outbox(self) -> list[OutboxEvent]:
        """What waits to be published."""
        return [row.event for row in await self.store.inner.unpublished(100)]


PRODUCTS = {
    "name": "products",
    "key": {"partition": "id"},
    "schema": {
        "type": "object",
        "required": ["id", "name", "price"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": "string", "maxLength": 64},
            "name": {"type": "string", "minLength": 1},
            "price": {"type": "number", "minimum": 0},
        },
    },
    "list": {"unfiltered": True},
    "cache": {"strategy": "ReadThrough"},
}
ORDERS = {
    "name": "orders",
    "key": {"partition": "id", "generate": "UUIDv7"},
    "schema": {
        "type": "object",
        "required": ["customerId", "productId", "quantity"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": "string"},
            "customerId": {"type": "string", "minLength": 1},
            "productId": {"type": "string", "minLength": 1},
            "quantity": {"type": "integer", "minimum": 1},
            "createdAt": {"type": "string", "format": "date-time", "readOnly": True},
            "status": {
                "type": "string",
                "enum": ["PENDING", "CONFIRMED"],
                "default": "PENDING",
                "readOnly": True,
            },
        },
    },
    "timestamps": {"created": "createdAt"},
    "indexes": [{"name": "byCustomer", "partition": "customerId", "sort": "createdAt"}],
    "writes": "Accepted",
    "references": [{"field": "productId", "resource": "products"}],
    "cache": {"strategy": "ReadThrough"},
}
READINGS = {
    "name": "readings",
    "key": {"partition": "sensor", "sort": "at"},
    "schema": {
        "type": "object",
        "properties": {
            "sensor": {"type": "integer"},
            "at": {"type": "string", "format": "date-time"},
            "value": {"type": "number"},
            "valid": {"type": "boolean"},
            "grade": {"type": "number"},
        },
    },
    "indexes": [{"name": "byValidity", "partition": "valid"}, {"name": "byGrade", "partition": "grade"}],
}
REVIEWS = {
    "name": "reviews",
    "key": {"partition": "id", "generate": "UUIDv7"},
    "schema": {
        "type": "object",
        "required": ["productId"],
        "properties": {"id": {"type": "string"}, "productId": {"type": "string"}, "stars": {"type": "integer"}},
    },
    "references": [{"field": "productId", "resource": "products"}],
    "cache": {"strategy": "WriteThrough"},
}
CARTS = {
    "name": "carts",
    "key": {"partition": "id"},
    "schema": {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "items": {"type": "integer"},
            "changedAt": {"type": "string", "format": "date-time", "readOnly": True},
        },
    },
    "timestamps": {"updated": "changedAt"},
    "cache": {"strategy": "WriteBack"},
}
LEDGER = {
    "name": "ledger",
    "key": {"partition": "id"},
    "schema": {"type": "object", "properties": {"id": {"type": "string"}, "sum": {"type": "number"}}},
    "reads": "Strong",
    "operations": ["Create", "Get"],
}
RESOURCES = (PRODUCTS, ORDERS, READINGS, REVIEWS, CARTS, LEDGER)


def specification(
    *, queue: bool = True, security: Mapping[str, Any] | None = None, others: Sequence[Mapping[str, Any]] = ()
) -> ApiService:
    """An ApiService with every kind of resource, and `others`."""
    resources = [dict(resource) for resource in (*RESOURCES, *others)]
    if not queue:
        resources = [{**resource, "writes": "Sync"} for resource in resources if resource is not CARTS]
    spec: dict[str, Any] = {
        "api": {"version": "v1", "resources": resources},
        "datastore": {"type": "SQLite"},
        "cache": {"type": "Memory"},
    }
    if queue:
        spec["queue"] = {"type": "SQLite"}
        spec["worker"] = {"handlers": [{"event": "reviews.created", "steps": [{"name": "a", "set": {"stars": "1"}}]}]}
    if security:
        spec["security"] = dict(security)
    return ApiService.model_validate(
        {
            "apiVersion": "fairlead.dev/v1alpha1",
            "kind": "ApiService",
            "metadata": {"name": "orders", "namespace": "shop"},
            "spec": spec,
        }
    )


def make_caches(
    resources: Mapping[str, Resource], store: Store, shared: Cache, clock: Clock, pauses: Pauses
) -> dict[str, DocumentCache]:
    """A document cache for each resource."""
    return {
        name: DocumentCache(
            name,
            policy_of(resource.spec.cache, strong=resource.spec.reads == "Strong"),
            shared,
            fetcher(resource, store),
            clock=clock,
            random=lambda: 0.5,
            sleep=pauses.sleep,
        )
        for name, resource in resources.items()
    }


@asynccontextmanager
async def open_service(
    *, queue: bool = True, security: Mapping[str, Any] | None = None, others: Sequence[Mapping[str, Any]] = ()
) -> AsyncIterator[Service]:
    """A service on a database of its own."""
    document = derive(specification(queue=queue, security=security, others=others))
    clock = Clock()
    async with open_database() as database:
        store = FaultyStore(SqliteStore(database, document.api.resources, clock=clock))
        service = make_service(document, store, FaultyQueue(SqliteQueue(database, clock=clock)), clock)
        try:
            yield service
        finally:
            await service.close()


def make_service(
    document: RuntimeDocument,
    store: WrappedStore,
    queue: WrappedQueue,
    clock: Clock,
    *,
    cache: Cache | None = None,
) -> Service:
    """A service on this store, on this queue if it has one, and on this cache or one of its own."""
    resources = {spec.name: Resource(spec) for spec in document.api.resources}
    cache = cache or MemoryCache(10_000, clock=clock)
    pauses = Pauses()
    bindings = Bindings(
        document=document,
        resources=resources,
        store=store,
        caches=make_caches(resources, store, cache, clock, pauses),
        cache=cache,
        queue=queue if document.queue is not None else None,
        operations=OperationIds(b"0" * 32),
        clock=clock,
        sleep=pauses.sleep,
    )
    registry, lines = CollectorRegistry(), list[bytes]()
    log = AccessLog(lines.append, clock=clock)
    telemetry = HttpTelemetry(registry, log)
    kernel = Kernel(bindings, http=telemetry)
    return Service(clock, store, queue, bindings, registry, log, lines, telemetry, kernel, pauses)


@asynccontextmanager
async def open_two() -> AsyncIterator[tuple[Service, Service, MemoryCache]]:
    """Two processes of a service, and the cache that they share."""
    async with open_service() as first:
        memory = MemoryCache(10_000, clock=first.clock)
        services = [
            make_service(
                first.bindings.document,
                FaultyStore(first.store.inner),
                FaultyQueue(first.queue.inner),
                first.clock,
                cache=FaultyCache(memory),
            )
            for _ in range(2)
        ]
        yield services[0], services[1], memory
        for service in services:
            await service.close()


@asynccontextmanager
async def outage(dependency: FaultyStore | FaultyQueue | FaultyCache, name: str) -> AsyncIterator[None]:
    """`dependency` is down inside the block."""
    dependency.faults.error = Unavailable(name, "connection refused")
    try:
        yield
    finally:
        dependency.faults.error = None
