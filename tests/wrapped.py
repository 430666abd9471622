"""Real adapters with a test in between: every call goes through `around`, which may record, delay, fail or forbid it.

There is no second implementation of a store, queue or cache in the tests. That a wrapper changes nothing by itself is
proven by the conformance suites, of which each is a row.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol, TypeVar

from fairlead_workload.caches.base import Cache, Entry
from fairlead_workload.queues.base import DeadLetter, Delivery, Depth, Failure, LetterFilter, Message
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.stores.base import (
    Committed,
    Key,
    OutboxRow,
    OutboxSize,
    Page,
    Query,
    Record,
    RefusedEvent,
    StoredRecord,
    Unit,
)
from fairlead_workload.stores.sqlite import SqliteStore

T = TypeVar("T")


class Around(Protocol):
    """What is done instead of `call`, which is the method `name` of the adapter; in most cases it calls it."""

    def __call__(self, name: str, call: Callable[[], Awaitable[T]]) -> Awaitable[T]: ...


async def nothing(name: str, call: Callable[[], Awaitable[T]]) -> T:
    """The call, and nothing around it."""
    return await call()


class WrappedStore:
    """A `Store` with an outbox that is swept."""

    def __init__(self, inner: SqliteStore, around: Around = nothing) -> None:
        self.inner = inner
        self._around = around

    async def get(self, resource: str, keys: Sequence[Key], *, strong: bool = False) -> list[Record | None]:
        return await self._around("get", lambda: self.inner.get(resource, keys, strong=strong))

    async def query(self, resource: str, query: Query, *, strong: bool = False) -> Page:
        return await self._around("query", lambda: self.inner.query(resource, query, strong=strong))

    async def commit(self, unit: Unit) -> Committed:
        return await self._around("commit", lambda: self.inner.commit(unit))

    async def records(self, ids: Sequence[tuple[str, str]]) -> list[StoredRecord | None]:
        return await self._around("records", lambda: self.inner.records(ids))

    async def check(self) -> None:
        await self._around("check", self.inner.check)

    async def close(self) -> None:
        await self._around("close", self.inner.close)

    async def unpublished(self, limit: int, *, held: Collection[str] = ()) -> list[OutboxRow]:
        return await self._around("unpublished", lambda: self.inner.unpublished(limit, held=held))

    async def outbox_size(self, limit: int) -> OutboxSize:
        return await self._around("outbox_size", lambda: self.inner.outbox_size(limit))

    async def published(self, rows: Sequence[OutboxRow]) -> None:
        await self._around("published", lambda: self.inner.published(rows))

    async def refuse(self, rows: Sequence[tuple[OutboxRow, str]]) -> None:
        await self._around("refuse", lambda: self.inner.refuse(rows))

    async def refused(self, limit: int, *, after: int = 0) -> list[RefusedEvent]:
        return await self._around("refused", lambda: self.inner.refused(limit, after=after))

    async def unrefuse(self, numbers: Sequence[int]) -> list[int]:
        return await self._around("unrefuse", lambda: self.inner.unrefuse(numbers))

    async def discard_refused(self, numbers: Sequence[int]) -> list[int]:
        return await self._around("discard_refused", lambda: self.inner.discard_refused(numbers))

    def on_outbox(self, wake: Callable[[], None]) -> None:
        self.inner.on_outbox(wake)

    async def sweep(self, *, now: float, tombstones_before: float, limit: int = 1000) -> int:
        return await self._around(
            "sweep", lambda: self.inner.sweep(now=now, tombstones_before=tombstones_before, limit=limit)
        )


class WrappedQueue:
    """A `Queue` with dead letters that are swept."""

    def __init__(self, inner: SqliteQueue, around: Around = nothing) -> None:
        self.inner = inner
        self._around = around

    @property
    def retention_seconds(self) -> float:
        return self.inner.retention_seconds

    @property
    def lease_seconds(self) -> float | None:
        return self.inner.lease_seconds

    @property
    def blocks_keys(self) -> bool:
        return self.inner.blocks_keys

    async def publish(self, messages: Sequence[Message]) -> list[Exception | None]:
        return await self._around("publish", lambda: self.inner.publish(messages))

    async def receive(self, limit: int, *, wait_seconds: float) -> list[Delivery]:
        return await self._around("receive", lambda: self.inner.receive(limit, wait_seconds=wait_seconds))

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        await self._around("ack", lambda: self.inner.ack(deliveries))

    async def retry(self, delivery: Delivery, *, delay_seconds: float) -> None:
        await self._around("retry", lambda: self.inner.retry(delivery, delay_seconds=delay_seconds))

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        await self._around("extend", lambda: self.inner.extend(deliveries))

    async def dead_letter(self, delivery: Delivery, failure: Failure) -> None:
        await self._around("dead_letter", lambda: self.inner.dead_letter(delivery, failure))

    async def depth(self) -> Depth:
        return await self._around("depth", self.inner.depth)

    async def check(self) -> None:
        await self._around("check", self.inner.check)

    async def close(self) -> None:
        await self._around("close", self.inner.close)

    async def scan(self, match: LetterFilter) -> AsyncGenerator[DeadLetter, None]:
        async def begin() -> AsyncGenerator[DeadLetter, None]:
            return self.inner.scan(match)

        async with aclosing(await self._around("scan", begin)) as letters:
            async for letter in letters:
                yield letter

    async def redrive(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        return await self._around("redrive", lambda: self.inner.redrive(letters))

    async def purge(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        return await self._around("purge", lambda: self.inner.purge(letters))

    async def sweep(self, *, limit: int = 1000) -> int:
        return await self._around("sweep", lambda: self.inner.sweep(limit=limit))


class UncountedQueue(WrappedQueue):
    """A queue that does not know how often it delivered a message, as Kafka and Kinesis."""

    async def receive(self, limit: int, *, wait_seconds: float) -> list[Delivery]:
        found = await super().receive(limit, wait_seconds=wait_seconds)
        return [replace(delivery, deliveries=None, lost=0) for delivery in found]


class WrappedCache:
    """A `Cache` that cannot be peeked into, as one in another process."""

    def __init__(self, inner: Cache, around: Around = nothing) -> None:
        self.inner = inner
        self._around = around

    async def get(self, keys: Sequence[str]) -> list[Entry | None]:
        return await self._around("get", lambda: self.inner.get(keys))

    async def put(self, key: str, entry: Entry) -> bool:
        return await self._around("put", lambda: self.inner.put(key, entry))

    async def invalidate(self, key: str, version: int, *, ttl_seconds: float) -> None:
        await self._around("invalidate", lambda: self.inner.invalidate(key, version, ttl_seconds=ttl_seconds))

    async def stage(self, key: str, entry: Entry, *, after: int) -> bool:
        return await self._around("stage", lambda: self.inner.stage(key, entry, after=after))

    async def keep(self, key: str, version: int, *, ttl_seconds: float) -> None:
        await self._around("keep", lambda: self.inner.keep(key, version, ttl_seconds=ttl_seconds))

    async def settle(self, key: str, version: int, *, ttl_seconds: float) -> None:
        await self._around("settle", lambda: self.inner.settle(key, version, ttl_seconds=ttl_seconds))

    async def discard(self, key: str, version: int) -> None:
        await self._around("discard", lambda: self.inner.discard(key, version))

    async def flush(self, prefix: str) -> None:
        await self._around("flush", lambda: self.inner.flush(prefix))

    async def check(self) -> None:
        await self._around("check", self.inner.check)

    async def close(self) -> None:
        await self._around("close", self.inner.close)
