"""The outbox relay: committed events on their way to the queue, per document in order of version.

Every process has a relay, API or worker, so that events are published while there is no worker. One holder of a lease
publishes; it is taken when there is something to publish, so an idle relay writes nothing. Unpublished rows are read,
never a watermark, so late commits are found. A row goes when the queue has acknowledged its event: after a crash in
between it is published again under the same id, and the inbox notices. The cache entry is invalidated too, because the
process that committed may have died before it could; while the shared cache does not confirm that, some rows stay for
a while, so that another process can do it. What the queue refuses for good is kept aside, with the reason, and the
later events of its document go on; while the queue does not take an event yet, they wait, and those of other documents
do not.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable
from uuid import uuid4

import msgspec

from fairlead_workload.bindings import Bindings
from fairlead_workload.errors import Conflict, DependencyError, Refused
from fairlead_workload.events.cloudevents import CONTENT_TYPE, with_sequence
from fairlead_workload.queues.base import Message, Queue
from fairlead_workload.stores.base import (
    LEASES,
    Expect,
    OutboxRow,
    OutboxSource,
    RecordWrite,
    Store,
    StoredRecord,
    Unit,
)
from fairlead_workload.worker.stats import RelayStats

LEASE_ID = "outbox-relay"
LEASE_SECONDS = 15.0
RENEW_BEFORE_SECONDS = 8.0
POLL_SECONDS = 1.0
MAX_PAUSE_SECONDS = 15.0
DRAIN_SECONDS = 2.0
PAGE = 500
UNCONFIRMED_SECONDS = 60.0
MAX_UNCONFIRMED = 100  # rows; less than a page, so that others are always reached
HEADERS = {"content-type": CONTENT_TYPE}

_log = logging.getLogger(__name__)


@runtime_checkable
class OutboxStore(Store, OutboxSource, Protocol):
    """A store with an outbox."""


class LeaseValue(msgspec.Struct, frozen=True):
    """Who holds the lease."""

    owner: str


def relay_of(bindings: Bindings) -> "Relay | None":
    """The relay of one process; None where there is no queue, or no outbox."""
    store, queue = bindings.store, bindings.queue
    if queue is None or not isinstance(store, OutboxStore):
        return None

    async def invalidate(path: str, version: int) -> bool:
        cache = bindings.caches.get(path.partition("/")[0])
        return cache is None or await cache.invalidate(path, version)

    return Relay(store, queue, owner=uuid4().hex, invalidate=invalidate, stats=RelayStats(), clock=bindings.clock)


@dataclass(slots=True)
class _Page:
    """What became of a page of the outbox. The events of the keys `held` have to wait."""

    published: list[OutboxRow] = field(default_factory=list)
    refused: list[tuple[OutboxRow, str]] = field(default_factory=list)
    held: set[str] = field(default_factory=set)

    def add(self, row: OutboxRow, error: Exception | None) -> None:
        """Take in the queue's answer to one event."""
        if error is None:
            self.published.append(row)
        elif isinstance(error, Refused):
            self.refused.append((row, error.message))
            _log.error(
                "the queue refuses an event",
                extra={"event_id": row.event.id, "key": row.event.key, "error": str(error)},
            )
        else:
            self.held.add(row.event.key)
            _log.warning("an event cannot be published yet", extra={"event_id": row.event.id, "error": str(error)})


class Relay:
    """Publishes the outbox of one store. `owner` is unique to this process.

    `invalidate` takes path and version, and says whether the shared cache has confirmed it.
    """

    def __init__(
        self,
        store: OutboxStore,
        queue: Queue,
        *,
        owner: str,
        invalidate: Callable[[str, int], Awaitable[bool]],
        stats: RelayStats,
        clock: Callable[[], float],
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._store = store
        self._queue = queue
        self._owner = owner
        self._invalidate = invalidate
        self._clock = clock
        self._poll_seconds = poll_seconds
        self.stats = stats
        self._woken = asyncio.Event()
        self._lease_until = 0.0
        self._revision = 0
        self._waiting_since: dict[str, float] = {}
        # Published events whose invalidation is not confirmed, and until when their rows stay. While we have the lease.
        self._unconfirmed: dict[str, float] = {}
        store.on_outbox(self._woken.set)

    async def run(self) -> None:
        """Publish until cancelled: at once after a commit of this process, and every poll for those of others."""
        pause = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause or self._poll_seconds):
                    await (self._woken.wait() if not pause else asyncio.sleep(pause))
            self._woken.clear()
            before = self.stats.published
            try:
                held_back = await self.flush()
            except (DependencyError, Conflict):
                held_back = True
            pause = self._pause(pause, held_back, progress=self.stats.published > before)

    def _pause(self, former: float, held_back: bool, *, progress: bool) -> float:
        """Seconds until the next attempt: longer and longer, unless it is only some documents that have to wait."""
        if not held_back:
            return 0.0
        return self._poll_seconds if progress else min(max(former * 2, 0.5), MAX_PAUSE_SECONDS)

    async def flush(self) -> bool:
        """Publish what is in the outbox. True: something has to wait (another holder has the lease, or it failed)."""
        if not await self._may_hold_lease():
            return self._without_lease()
        held: set[str] = set()
        while rows := await self._store.unpublished(PAGE, held=held):
            if not await self._acquire_lease():
                return self._without_lease()
            known = [row for row in rows if row.event.id in self._unconfirmed] if self._unconfirmed else []
            fresh = [row for row in rows if row.event.id not in self._unconfirmed] if known else rows
            self._observe_lag(fresh)
            page = await self._publish(fresh)
            await self._end(page, known)
            held |= page.held
            if len(rows) < PAGE:
                break
            if not (page.published or page.refused):  # the queue is down: further pages would fail alike
                break
        if not held:
            self._observe_lag(())
        return bool(held)

    def _without_lease(self) -> bool:
        """Whoever holds it publishes every row again."""
        self._unconfirmed.clear()
        return True

    async def _publish(self, rows: Sequence[OutboxRow]) -> _Page:
        """One event of each document at a time; a failure holds back the later ones of its document."""
        chains: dict[str, deque[OutboxRow]] = {}
        for row in rows:
            chains.setdefault(row.event.key, deque()).append(row)
        page = _Page()
        while chains and await self._acquire_lease():
            heads = [chain.popleft() for chain in chains.values()]
            results = await self._queue.publish([_message(row) for row in heads])
            for row, error in zip(heads, results, strict=True):
                page.add(row, error)
                if row.event.key in page.held or not chains[row.event.key]:
                    del chains[row.event.key]
        page.held.update(chains)  # the lease was lost meanwhile
        return page

    async def _end(self, page: _Page, unconfirmed: Sequence[OutboxRow]) -> None:
        """Take from the outbox what is published or refused, and invalidate what the events are about."""
        self.stats.published += len(page.published)
        published = [*unconfirmed, *page.published]
        stale = await self._invalidate_caches([*published, *(row for row, _ in page.refused)])
        ended = self._confirm(published, stale)
        if ended:
            await self._store.published(ended)
        if page.refused:
            await self._store.refuse(page.refused)

    async def _invalidate_caches(self, rows: Sequence[OutboxRow]) -> set[str]:
        """Returns the documents whose invalidation the shared cache has not confirmed.

        One after the other; the rest at once when one is not confirmed, for then each may take until its time-out.
        """
        latest = iter({row.event.key: row.version for row in rows if row.version}.items())
        for path, version in latest:
            if not await self._invalidate(path, version):
                rest = list(latest)
                answers = await asyncio.gather(*(self._invalidate(*one) for one in rest))
                return {path, *(one[0] for one, confirmed in zip(rest, answers, strict=True) if not confirmed)}
        return set()

    def _confirm(self, published: Sequence[OutboxRow], stale: Collection[str]) -> list[OutboxRow]:
        """The rows that may go. The others stay until their invalidation is confirmed, or their time is over."""
        if not stale and not self._unconfirmed:
            return list(published)
        now = self._clock()
        latest = now + UNCONFIRMED_SECONDS
        ended: list[OutboxRow] = []
        for row in published:
            until = min(self._unconfirmed.pop(row.event.id, latest), latest)
            if row.event.key in stale and now < until and len(self._unconfirmed) < MAX_UNCONFIRMED:
                self._unconfirmed[row.event.id] = until
            else:
                ended.append(row)
        return ended

    async def _may_hold_lease(self) -> bool:
        """Whether the lease is ours, or free: otherwise the outbox need not be read."""
        now = self._clock()
        if now < self._lease_until <= now + LEASE_SECONDS:
            return True
        (stored,) = await self._store.records([(LEASES, LEASE_ID)])
        return self._may_take(stored, now)

    async def _acquire_lease(self) -> bool:
        """Whether this process holds the lease for a while; takes or renews it when need be."""
        now = self._clock()
        if RENEW_BEFORE_SECONDS < self._lease_until - now <= LEASE_SECONDS:
            return True
        (stored,) = await self._store.records([(LEASES, LEASE_ID)])
        if not self._may_take(stored, now):
            return False
        try:
            await self._store.commit(Unit(records=(self._lease(stored, now + LEASE_SECONDS),)))
        except Conflict:
            self._lease_until = 0.0
            return False
        self._lease_until = now + LEASE_SECONDS
        return True

    def _may_take(self, stored: StoredRecord | None, now: float) -> bool:
        return stored is None or self._is_own(stored) or _ahead(stored, now)

    def _is_own(self, stored: StoredRecord) -> bool:
        return msgspec.json.decode(stored.value, type=LeaseValue).owner == self._owner

    def _lease(self, stored: StoredRecord | None, expires_at: float) -> RecordWrite:
        expect = Expect.ABSENT if stored is None else stored.revision
        return RecordWrite(LEASES, LEASE_ID, msgspec.json.encode(LeaseValue(self._owner)), expires_at, expect)

    async def drain(self) -> None:
        """Publish what is in the outbox, and release the lease, within `DRAIN_SECONDS`. Never raises."""
        with contextlib.suppress(DependencyError, TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await self.flush()
                await self.release()

    async def release(self) -> None:
        """Let another process take over at once."""
        if self._lease_until <= self._clock():
            return
        self._lease_until = 0.0
        (stored,) = await self._store.records([(LEASES, LEASE_ID)])
        if stored is not None and self._is_own(stored):
            with contextlib.suppress(Conflict):
                await self._store.commit(Unit(records=(RecordWrite(LEASES, LEASE_ID, None, None, stored.revision),)))

    def _observe_lag(self, rows: Sequence[OutboxRow]) -> None:
        now = self._clock()
        self._waiting_since = {row.event.id: self._waiting_since.get(row.event.id, now) for row in rows}
        self.stats.lag_seconds = max(0.0, now - min(self._waiting_since.values(), default=now))


def _ahead(lease: StoredRecord, now: float) -> bool:
    """Whether it lasts longer than a lease can: it was taken, or last renewed, while a clock was ahead."""
    return lease.expires_at is not None and lease.expires_at > now + 2 * LEASE_SECONDS


def _message(row: OutboxRow) -> Message:
    """The event as a message."""
    body = with_sequence(row.event.body, row.version) if row.version else row.event.body
    return Message(row.event.id, row.event.key, body, HEADERS)
