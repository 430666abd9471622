"""A stage for the kernel: a store and a queue in memory, a clock the test moves, and a client that speaks ASGI."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from prometheus_client.registry import CollectorRegistry

from fairlead_contract.resources import ApiService
from fairlead_contract.runtime import derive
from fairlead_workload.api.fetching import fetcher
from fairlead_workload.api.kernel import Kernel
from fairlead_workload.bindings import Bindings
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.caches.policy import policy_of
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.errors import Conflict, ConflictKind, Unavailable
from fairlead_workload.model.operations import OperationIds
from fairlead_workload.model.resource import Resource
from fairlead_workload.queues.base import Message, Queue
from fairlead_workload.stores.base import (
    Committed,
    Document,
    Expect,
    Key,
    OutboxEvent,
    Page,
    Query,
    Record,
    RecordWrite,
    Store,
    StoredRecord,
    Unit,
)
from fairlead_workload.telemetry.access import AccessLog
from fairlead_workload.telemetry.http import HttpTelemetry


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeStore:
    """Documents, tombstones and records in dictionaries. `before_commit` runs once, in between read and commit."""

    clock: Clock
    indexes: dict[tuple[str, str], tuple[str, str | None]] = field(default_factory=dict)
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    documents: dict[tuple[str, Key], tuple[int, Document | None]] = field(default_factory=dict)
    held: dict[tuple[str, str], StoredRecord] = field(default_factory=dict)
    outbox: list[OutboxEvent] = field(default_factory=list)
    reads: list[tuple[str, Key, bool]] = field(default_factory=list)
    commits: int = 0
    error: Exception | None = None
    before_commit: Any = None

    def _live(self, resource: str, key: Key) -> Record | None:
        version, document = self.documents.get((resource, key), (0, None))
        return None if document is None else Record(key, dict(document), version)

    async def get(self, resource: str, keys: Sequence[Key], *, strong: bool = False) -> list[Record | None]:
        if self.error:
            raise self.error
        self.reads += [(resource, key, strong) for key in keys]
        return [self._live(resource, key) for key in keys]

    async def query(self, resource: str, query: Query, *, strong: bool = False) -> Page:
        key_names = self.keys[resource]
        partition, sort = key_names[0], key_names[1] if len(key_names) > 1 else None
        if query.index is not None:
            partition, sort = self.indexes[resource, query.index]
        leading = [sort] if sort is not None and query.partition is not None else []
        order = list(dict.fromkeys([*leading, *key_names]))
        found = []
        for name, key in self.documents:
            record = self._live(name, key) if name == resource else None
            if record is None or not all(column in record.document for column in order):
                continue
            if query.partition is not None and record.document[partition] != query.partition:
                continue
            if query.sort is not None and not _within(record.document[sort or ""], query.sort):
                continue
            found.append((tuple(record.document[column] for column in order), record))
        found.sort(key=lambda pair: pair[0], reverse=query.descending)
        if query.after is not None:
            found = [p for p in found if (p[0] < query.after if query.descending else p[0] > query.after)]
        page = found[: query.limit]
        return Page([record for _, record in page], page[-1][0] if len(found) > query.limit else None)

    async def commit(self, unit: Unit) -> Committed:
        if self.before_commit is not None:
            hook, self.before_commit = self.before_commit, None
            await hook()
        if self.error:
            raise self.error
        for position, write in enumerate(unit.records):
            self._check_record(write, position)
        for position, (resource, key) in enumerate(unit.requires):
            if self._live(resource, key) is None:
                raise Conflict(ConflictKind.REFERENCE, f"{resource}/{key}", position=position)
        versions = [self._version(mutation) for mutation in unit.mutations]
        for mutation, version in zip(unit.mutations, versions, strict=True):
            self.documents[mutation.resource, mutation.key] = (version, mutation.document)
        for write in unit.records:
            self._write(write)
        self.outbox += unit.outbox
        self.commits += 1
        return Committed(tuple(versions))

    def _version(self, mutation: Any) -> int:
        version, document = self.documents.get((mutation.resource, mutation.key), (0, None))
        name = f"{mutation.resource}/{mutation.key}"
        if mutation.expect is Expect.ABSENT and document is not None:
            raise Conflict(ConflictKind.EXISTS, name)
        if mutation.expect is Expect.PRESENT and document is None:
            raise Conflict(ConflictKind.MISSING, name)
        if isinstance(mutation.expect, int) and (document is None or version != mutation.expect):
            raise Conflict(ConflictKind.VERSION, name, version=version)
        if mutation.version is not None:
            if mutation.version <= version:
                raise Conflict(ConflictKind.VERSION, name, version=version)
            return int(mutation.version)
        return version + 1 if document is not None else max(int(self.clock() * 1_000_000), version + 1)

    def _found(self, space: str, id_: str) -> StoredRecord | None:
        record = self.held.get((space, id_))
        return None if record is None or (record.expires_at or 2**62) <= self.clock() else record

    def _check_record(self, write: RecordWrite, position: int) -> None:
        found = self._found(write.space, write.id)
        holds = {Expect.ABSENT: found is None, Expect.PRESENT: found is not None, Expect.ANY: True}
        fine = holds[write.expect] if isinstance(write.expect, Expect) else found and found.revision == write.expect
        if not fine:
            raise Conflict(ConflictKind.RECORD, f"{write.space}/{write.id}", position=position)

    def _write(self, write: RecordWrite) -> None:
        found = self._found(write.space, write.id)
        if write.value is None:
            self.held.pop((write.space, write.id), None)
        else:
            revision = found.revision + 1 if found else 1
            self.held[write.space, write.id] = StoredRecord(
                write.space, write.id, write.value, revision, write.expires_at
            )

    async def records(self, ids: Sequence[tuple[str, str]]) -> list[StoredRecord | None]:
        if self.error:
            raise self.error
        return [self._found(*id_) for id_ in ids]

    async def check(self) -> None:
        return

    async def close(self) -> None:
        return


def _within(value: Any, bounds: Any) -> bool:
    return not (
        (bounds.gt is not None and not value > bounds.gt)
        or (bounds.gte is not None and not value >= bounds.gte)
        or (bounds.lt is not None and not value < bounds.lt)
        or (bounds.lte is not None and not value <= bounds.lte)
        or (bounds.eq is not None and value != bounds.eq)
    )


@dataclass
class FakeQueue:
    """Remembers what is published, each id once; `error` instead is the queue being down."""

    messages: dict[str, Message] = field(default_factory=dict)
    publishes: int = 0
    error: Exception | None = None

    async def publish(self, messages: Sequence[Message], *, delay_seconds: float = 0) -> list[Exception | None]:
        self.publishes += 1
        if self.error is not None:
            return [self.error] * len(messages)
        for message in messages:
            self.messages.setdefault(message.id, message)
        return [None] * len(messages)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(message.body) for message in self.messages.values()]


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
    store: FakeStore
    queue: FakeQueue
    cache: MemoryCache
    bindings: Bindings
    registry: CollectorRegistry
    lines: list[bytes]
    telemetry: HttpTelemetry
    kernel: Kernel

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
        """One request. `body` is encoded as JSON unless it is bytes; `chunks` are sent one by one, `None` hangs up."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        path, _, query = url.partition("?")
        fields = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        if body is not None and not any(name == "content-type" for name, _ in fields):
            fields.append(("content-type", "application/json"))
        request = {
            "type": "http",
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
            return await anext(incoming)

        async def send(message: Any) -> None:
            sent.append(message)

        await self.kernel(request, receive, send)
        if not sent:
            return Answer(0, {}, b"", sent)
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], found, sent[1]["body"], sent)

    @staticmethod
    async def _incoming(chunks: Sequence[bytes]) -> AsyncIterator[dict[str, Any]]:
        for position, chunk in enumerate(chunks):
            yield {"type": "http.request", "body": chunk, "more_body": position < len(chunks) - 1}
        while True:
            yield {"type": "http.disconnect"}

    def keep(self, resource: str, document: Document, *, version: int = 1000) -> None:
        """Put a document into the store."""
        key = tuple(document[name] for name in self.bindings.resources[resource].key_names)
        self.store.documents[resource, key] = (version, document)


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


def specification(*, queue: bool = True, security: Mapping[str, Any] | None = None) -> ApiService:
    """An ApiService with every kind of resource."""
    resources = [dict(resource) for resource in RESOURCES]
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
    resources: Mapping[str, Resource], store: Store, shared: MemoryCache, clock: Clock
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
        )
        for name, resource in resources.items()
    }


def rebound(service: Service, *, store: Store, queue: Queue) -> Service:
    """The service on another store and queue."""
    caches = make_caches(service.bindings.resources, store, service.cache, service.clock)
    bindings = replace(service.bindings, store=store, queue=queue, caches=caches)
    return replace(service, bindings=bindings, kernel=Kernel(bindings, http=service.telemetry))


def make_service(*, queue: bool = True, security: Mapping[str, Any] | None = None) -> Service:
    """A service on fakes."""
    clock = Clock()
    document = derive(specification(queue=queue, security=security))
    resources = {spec.name: Resource(spec) for spec in document.api.resources}
    store = FakeStore(clock, keys={name: resource.key_names for name, resource in resources.items()})
    for name, resource in resources.items():
        store.indexes.update({(name, index.name): (index.partition, index.sort) for index in resource.spec.indexes})
    shared = MemoryCache(10_000, clock=clock)
    messages = FakeQueue()
    bindings = Bindings(
        document=document,
        resources=resources,
        store=store,
        caches=make_caches(resources, store, shared, clock),
        cache=shared,
        queue=messages if queue else None,  # type: ignore[arg-type]
        operations=OperationIds(b"0" * 32),
        clock=clock,
    )
    registry, lines = CollectorRegistry(), list[bytes]()
    telemetry = HttpTelemetry(registry, AccessLog(lines.append, clock=clock))
    kernel = Kernel(bindings, http=telemetry)
    return Service(clock, store, messages, shared, bindings, registry, lines, telemetry, kernel)


@asynccontextmanager
async def outage(dependency: FakeStore | FakeQueue, name: str) -> AsyncIterator[None]:
    """`dependency` is down inside the block."""
    dependency.error = Unavailable(name, "connection refused")
    try:
        yield
    finally:
        dependency.error = None
