"""A service on real SQLite with a clock of its own, a service to call on loopback, and crashes on request."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.wrapped import Around, UncountedQueue, WrappedCache, WrappedQueue, WrappedStore

from fairlead_contract.runtime import RuntimeDocument, derive
from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.spec.bindings import Order
from fairlead_contract.spec.model import seconds
from fairlead_workload.bindings import Bindings
from fairlead_workload.caches.base import Cache
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.caches.policy import Fetched, policy_of
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.errors import DependencyError
from fairlead_workload.events import cloudevents
from fairlead_workload.events.commands import command_event
from fairlead_workload.model import identifiers
from fairlead_workload.model.effects import Action, Command
from fairlead_workload.model.operations import OperationIds
from fairlead_workload.model.resource import Resource
from fairlead_workload.queues.base import LetterFilter, Message
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.sqlite import Database
from fairlead_workload.stores.base import OPERATIONS, Expect
from fairlead_workload.stores.sqlite import SqliteStore
from fairlead_workload.worker.calls.client import Caller, ServiceMap
from fairlead_workload.worker.loop import Worker

START = 1_800_000_000.0
RETENTION_SECONDS = 24 * 3600.0
VISIBILITY_SECONDS = 60.0

PRODUCTS = {
    "name": "products",
    "key": {"partition": "id"},
    "schema": {"type": "object", "properties": {"id": {"type": "string"}}},
}
ORDERS = {
    "name": "orders",
    "key": {"partition": "id"},
    "writes": "Accepted",
    "references": [{"field": "productId", "resource": "products"}],
    "cache": {"strategy": "ReadThrough"},
    "timestamps": {"updated": "changedAt"},
    "schema": {
        "type": "object",
        "required": ["quantity"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": "string"},
            "productId": {"type": "string"},
            "quantity": {"type": "integer", "minimum": 1},
            "receipt": {"type": "string", "readOnly": True},
            "status": {"type": "string", "default": "PENDING", "readOnly": True},
            "changedAt": {"type": "string", "format": "date-time", "readOnly": True},
        },
    },
}


async def never(seconds: float) -> None:
    """A pause without an end."""
    await asyncio.Event().wait()


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that happens by itself in this process; bounded, so that a failure is a failure."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)


class Clock:
    """Unix seconds that pass only when a test lets them."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


WRITES = frozenset({"commit", "published", "publish", "ack", "retry", "dead_letter"})


class Crashes:
    """Counts durable writes; from the given one on, this process does nothing more, as after kill -9."""

    def __init__(self) -> None:
        self.after: int | None = None  # crash right after this many writes
        self.before: int | None = None  # crash right before this write
        self.writes = 0
        self.crashed = asyncio.Event()

    async def crash(self) -> None:
        self.crashed.set()
        await asyncio.Event().wait()

    async def around(self, name: str, write: Callable[[], Any]) -> Any:
        if name not in WRITES:
            return await write()
        if self.crashed.is_set() or self.writes + 1 == self.before:
            await self.crash()
        self.writes += 1
        number = self.writes
        result = await write()
        if number == self.after:
            await self.crash()
        return result


@dataclass
class Request:
    """What the service was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    content: bytes | None = None  # these bytes instead of `body` as JSON
    head: bytes = b""
    trickle: bytes = b""  # after `head`, these bytes again and again instead of an end


class Payments:
    """A service on loopback. `answer` decides; by default 200, with a receipt made from the idempotency key."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Answer] = lambda request: Answer(
            200, {"receipt": request.headers["idempotency-key"].rpartition("/")[2]}
        )
        self._server: asyncio.Server | None = None
        self.url = ""

    def script(self, *answers: dict[str, Any]) -> None:
        """Give each of these answers once, then what was given so far."""
        default, left = self.answer, list(answers)
        self.answer = lambda request: Answer(**left.pop(0)) if left else default(request)

    def always(self, **answer: Any) -> None:
        """Give this answer from now on."""
        self.answer = lambda request: Answer(**answer)

    def hang_on(self, path: str) -> None:
        """Never answer calls of this path."""
        default = self.answer
        self.answer = lambda request: Answer(hang=True) if request.path == path else default(request)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def keys(self) -> list[str]:
        return [request.headers["idempotency-key"] for request in self.requests]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = (line.partition(":") for line in head[1:] if line)
            headers = {name.lower(): value.strip() for name, _, value in fields}
            content = await reader.readexactly(int(headers.get("content-length", "0")))
            method, path, _ = head[0].split(" ")
            request = Request(method, path, headers, json.loads(content) if content else None)
            self.requests.append(request)
            answer = self.answer(request)
            writer.write(answer.head)
            while answer.trickle:
                writer.write(answer.trickle)
                await writer.drain()
                await asyncio.sleep(0.02)
            if not answer.hang:
                body = answer.content or (b"" if answer.body is None else json.dumps(answer.body).encode())
                extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
                head_lines = (
                    f"HTTP/1.1 {answer.status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{extra}\r\n"
                )
                writer.write(head_lines.encode() + body)
                await writer.drain()
            else:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


class Lab:
    """One ApiService on one data directory, which outlives the processes that serve it."""

    def __init__(self, directory: Path, payments: Payments) -> None:
        self.directory = directory
        self.payments = payments
        self.clock = Clock()
        self.random = lambda: 0.5
        self.worker_spec: dict[str, Any] = {}
        self.queue_spec: dict[str, Any] = {"type": "SQLite"}
        self.visibility_seconds = VISIBILITY_SECONDS
        self.counts_deliveries = True
        self.delivers_runs = False  # the queue does not know of keys, whatever the order of the binding
        self.crashes = Crashes()
        self.resources = [PRODUCTS, ORDERS]
        self.callers: list[Caller] = []

    def document(self) -> RuntimeDocument:
        resource = ApiService.model_validate(
            {
                "apiVersion": "fairlead.dev/v1alpha1",
                "kind": "ApiService",
                "metadata": {"name": "shop", "namespace": "lab"},
                "spec": {
                    "api": {"version": "v1", "resources": self.resources},
                    "datastore": {"type": "SQLite"},
                    "cache": {"type": "Memory"},
                    "queue": self.queue_spec,
                    "worker": self.worker_spec,
                },
            }
        )
        return derive(resource)

    def open(self) -> "Lab":
        document = self.document()
        assert document.queue is not None
        self.crashes = Crashes()
        self.compiled = {spec.name: Resource(spec) for spec in document.api.resources}
        self.database = Database.open(self.directory)
        self.real_store = SqliteStore(self.database, document.api.resources, clock=self.clock)
        self.real_queue = SqliteQueue(
            self.database,
            order=Order.NONE if self.delivers_runs else document.queue.order or Order.NONE,
            visibility_seconds=self.visibility_seconds,
            retention_seconds=RETENTION_SECONDS,
            longest_delay_seconds=seconds(document.queue.retry.backoff.max),
            clock=self.clock,
        )
        self.store = WrappedStore(self.real_store, self.crashes.around)
        wrapped = WrappedQueue if self.counts_deliveries else UncountedQueue
        self.queue = wrapped(self.real_queue, self.crashes.around)
        self.cache = MemoryCache(1000, clock=self.clock)
        self.bindings = Bindings(
            document,
            self.compiled,
            self.store,
            self.new_caches(self.cache),
            self.cache,
            self.queue,
            OperationIds(b"s" * 32),
            self.clock,
        )
        self.worker = self.new_worker()
        return self

    def new_caches(self, shared: Cache) -> dict[str, DocumentCache]:
        """The document caches of one process. Calls that get no answer are not repeated in the background."""
        return {
            name: DocumentCache(
                name,
                policy_of(resource.spec.cache, strong=False),
                shared,
                lambda path, strong: self.fetch(path),
                clock=self.clock,
                random=self.random,
                sleep=never,
            )
            for name, resource in self.compiled.items()
        }

    def share_cache(self, around: Around) -> dict[str, DocumentCache]:
        """Have the worker share its cache with another process, whose document caches are returned.

        What the worker asks of the cache goes through `around`.
        """
        self.bindings = replace(self.bindings, caches=self.new_caches(WrappedCache(self.cache, around)))
        self.worker = self.new_worker()
        return self.new_caches(WrappedCache(self.cache))

    def new_worker(self) -> Worker:
        services = ServiceMap("lab", {"payments": self.payments.url})
        self.callers.append(Caller(services, clock=self.clock))
        return Worker(
            self.bindings,
            caller=self.callers[-1],
            random=self.random,
        )

    async def close(self) -> None:
        await self.worker.drain(0)
        await self.disconnect()
        await self.database.close()

    async def fetch(self, path: str) -> Fetched:
        name, _, key = path.partition("/")
        (record,) = await self.real_store.get(name, [self.compiled[name].parse_key((key,))])
        if record is None:
            return Fetched(None, 0, "")
        return Fetched(self.compiled[name].encode(record.document), record.version, f'"{record.version}"')

    # What clients do

    def command(
        self,
        action: Action,
        id_: str,
        body: dict[str, Any] | None = None,
        *,
        resource: str = "orders",
        expect: Expect | int = Expect.ANY,
        version: int | None = None,
    ) -> Message:
        uuid = identifiers.uuid7(self.clock)
        command = Command(resource, action, (id_,), body, expect, self.clock.now, version)
        operation = "" if version is not None else f"op-{uuid}"
        event = command_event(
            command, id_=uuid, source="/lab/shop", principal="me", operation=operation, traceparent="00-ab-cd-01"
        )
        return Message(uuid, f"{resource}/{id_}", cloudevents.encode(event))

    async def send(self, *messages: Message) -> None:
        assert await self.real_queue.publish(messages) == [None] * len(messages)

    async def create(self, id_: str, **body: Any) -> str:
        """Accept a creation; the id of its operation."""
        message = self.command(Action.CREATE, id_, {"quantity": 1} | body)
        await self.send(message)
        return message.id

    async def until(self, condition: Callable[[], object]) -> None:
        await until(condition)

    # What becomes of it

    def running(self) -> "asyncio.Task[None]":
        """The worker's loop, which looks for events without a pause."""
        receive = self.real_queue.receive
        self.real_queue.receive = lambda limit, *, wait_seconds: receive(limit, wait_seconds=0.01)  # type: ignore[method-assign]
        return asyncio.create_task(self.worker.run())

    async def round(self) -> int:
        """Handle what can be had now, then publish the outbox. Returns how many deliveries there were."""
        deliveries = await self.queue.receive(100, wait_seconds=0)
        if deliveries:
            await self.worker.handle(deliveries)
        with suppress(DependencyError):  # the relay tries again later
            await self.worker.publish_outbox()
        return len(deliveries)

    async def settle(self, *, rounds: int = 100) -> None:
        """Let everything come to its end, the clock passing over every delay."""
        for _ in range(rounds):
            if await self.round():
                continue
            depth = await self.real_queue.depth()
            if not depth.ready + depth.delayed + depth.leased and not await self.real_store.unpublished(1):
                return
            self.clock.now += VISIBILITY_SECONDS + 1
        raise AssertionError(f"it does not come to an end: {await self.real_queue.depth()}")

    async def until_crash(self) -> bool:
        """Settle, or crash before. Then the process is gone; returns whether it crashed."""
        settling = asyncio.create_task(self.settle())
        crashing = asyncio.create_task(self.crashes.crashed.wait())
        await asyncio.wait([settling, crashing], return_when=asyncio.FIRST_COMPLETED)
        crashed = self.crashes.crashed.is_set()
        if not crashed:
            await settling
        await self.kill()
        await self.database.close()
        self.clock.now += VISIBILITY_SECONDS + 1
        return crashed

    async def kill(self) -> None:
        """End all that was begun, as the end of the process does."""
        begun = asyncio.all_tasks() - {asyncio.current_task()}
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        await self.disconnect()

    async def disconnect(self) -> None:
        for caller in self.callers:
            await caller.close()
        self.callers.clear()

    async def document_of(self, id_: str, resource: str = "orders") -> dict[str, Any] | None:
        (record,) = await self.real_store.get(resource, [(id_,)])
        return None if record is None else record.document

    async def version_of(self, id_: str) -> int:
        (record,) = await self.real_store.get("orders", [(id_,)])
        assert record is not None
        return record.version

    async def operation(self, id_: str) -> dict[str, Any] | None:
        (record,) = await self.real_store.records([(OPERATIONS, id_)])
        return None if record is None else json.loads(record.value)

    async def record(self, space: str, id_: str) -> Any:
        (record,) = await self.real_store.records([(space, id_)])
        return record

    async def letters(self) -> list[Any]:
        return [letter async for letter in self.real_queue.scan(LetterFilter())]


@pytest.fixture
async def payments() -> AsyncIterator[Payments]:
    service = Payments()
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
async def lab(tmp_path: Path, payments: Payments) -> AsyncIterator[Lab]:
    """Not open yet: a test says first what the service is."""
    lab = Lab(tmp_path, payments)
    yield lab
    if hasattr(lab, "database"):
        await lab.close()
