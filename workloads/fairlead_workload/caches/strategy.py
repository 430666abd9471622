"""How one resource is cached: read-through, write-through and write-back over any `base.Cache`.

One flight per key fetches; nothing is stored that was invalidated while it was fetched; a popular entry is fetched
again early (XFetch); no error of the cache ever fails a read or a write. It never sees a store: the fetch function is
passed to it. Everything is for one event loop.

A flight belongs to its key until it ends or the key is invalidated. One that no longer belongs still answers those who
wait for it, all of whom began before the invalidation ended; it stores nothing, and nobody new joins it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from enum import Enum
from functools import partial
from math import inf, log
from random import random as uniform
from typing import Literal, TypeVar

from fairlead_contract.spec.api import CacheStrategy
from fairlead_workload.caches.base import Cache, Entry, Peekable, State
from fairlead_workload.caches.marks import Marks
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.caches.policy import Fetch, Lookup, Policy, Status
from fairlead_workload.errors import DependencyError

TOMBSTONE_SECONDS = 60.0  # longer than any fetch of anyone who shares the cache, and than the lag of a replica
PENDING_SECONDS = 30.0  # how long an accepted write is waited for before its key is cached as usual again
PENDING_TTL_SECONDS = 1.0
JITTER = 0.1
# XFetch (Vattani et al., VLDB 2015, beta 1) refreshes when ttl_left <= fetch_seconds * -ln(random). Above this many
# fetch times the chance is below 5e-5, so the fast path need not draw.
REFRESH_WINDOW = 10.0

_INVALID = State.INVALID
_T = TypeVar("_T")


class _Answer(Enum):
    NONE = "none"  # the cache could not be asked


_NO_ANSWER = _Answer.NONE


class DocumentCache:
    """The cache of one resource. Keys are `RESOURCE/KEY`; `shared` may be shared with other resources and processes.

    `clock` gives unix seconds, `random` numbers in [0, 1). While the cache is down, at most `degraded_concurrency`
    fetches run at a time. The public numbers only ever grow; `degraded` says that the last call to the cache failed.
    """

    def __init__(
        self,
        resource: str,
        policy: Policy,
        shared: Cache | None,
        fetch: Fetch,
        *,
        clock: Callable[[], float] = time.time,
        random: Callable[[], float] = uniform,
        degraded_concurrency: int = 32,
    ) -> None:
        self._prefix = f"{resource}/"
        self._policy = policy
        self._shared: Cache | None = shared if policy.caches else None
        self._local: MemoryCache | None = None
        if self._shared is not None and policy.local_ttl_seconds > 0 and not isinstance(shared, Peekable):
            self._local = MemoryCache(policy.local_max_entries, clock=clock)
        self._alone = isinstance(shared, Peekable)  # nobody else reads this cache
        self._near_peek = _near_peek(self._shared, self._local)
        self._fetch = fetch
        self._clock = clock
        self._random = random
        self._flights: dict[str, asyncio.Task[Lookup]] = {}
        self._tasks: set[asyncio.Task[Lookup]] = set()  # those that no longer belong to their key, too
        self._pending = Marks(PENDING_SECONDS, clock=clock)
        self._recent = Marks(TOMBSTONE_SECONDS, clock=clock)  # writes heard of, which a replica may not have yet
        # Invalidations the shared cache may not have got: what it has below these versions is not believed.
        self._floors = Marks(max(TOMBSTONE_SECONDS, policy.ttl_seconds * (1 + JITTER)), clock=clock)
        self._gate = asyncio.Semaphore(degraded_concurrency)
        self.degraded = False
        self.hits = 0
        self.negative_hits = 0
        self.misses = 0
        self.bypasses = 0
        self.refreshes = 0
        self.collapsed = 0
        self.errors = 0

    # Reads

    def peek(self, key: str) -> Entry | None:
        """What can be served at once, from this process; None means `read`. Counts as a hit."""
        entry = self._near_peek(key)
        if entry is None or entry.state is _INVALID:
            return None
        if entry.expires_at - self._clock() <= REFRESH_WINDOW * entry.fetch_seconds:
            return None
        if entry.body is None:
            self.negative_hits += 1
        else:
            self.hits += 1
        return entry

    async def read(self, key: str, *, revalidate: bool = False) -> Lookup:
        """The document, from the cache or else the store. `revalidate`: from the store, strongly, then into the cache.

        Raises what fetching raises, to everyone who waits for that fetch; errors are not cached.
        """
        if self._shared is None:
            self.bypasses += 1
            return Lookup(await self._load(key, strong=self._policy.strong or revalidate), Status.BYPASS)
        if revalidate:
            return await asyncio.shield(self._start(key, partial(self._through, key, revalidate=True)))
        entry = self._near_peek(key)
        if entry is not None and entry.state is not _INVALID:
            return self._serve(key, entry)
        flight = self._flights.get(key)
        if flight is not None:
            self.collapsed += 1
            return replace(await asyncio.shield(flight), collapsed=True)
        return await asyncio.shield(self._start(key, partial(self._through, key)))

    # Writes

    async def written(self, key: str, version: int, body: bytes, etag: str) -> None:
        """The store has committed this document. Never raises."""
        if self._policy.strategy is CacheStrategy.READ_THROUGH:
            await self.invalidate(key, version)
        elif self._shared is not None:
            now = self._clock()
            entry = Entry(State.PRESENT, version, body, etag, now, now + self._jittered(self._policy.ttl_seconds))
            await self._advance(key, version, self._shared.put(key, entry))

    async def deleted(self, key: str, version: int) -> None:
        """The store has committed a deletion; `version` is the tombstone's (0: there was nothing). Never raises."""
        if version > 0:
            await self.invalidate(key, version)

    async def invalidate(self, key: str, version: int) -> None:
        """The store is at `version` or later: whoever reads from now on gets nothing older. Never raises.

        Also for those who only heard of it, such as the relay, or an operation that is answered as Succeeded; what was
        heard of before costs nothing.
        """
        if self._shared is not None and not self._has_heard(key, version):
            call = self._shared.invalidate(key, version, ttl_seconds=TOMBSTONE_SECONDS)
            await self._advance(key, version, call)

    async def pending(self, key: str) -> None:
        """A write of this document was accepted and will be applied later. Never raises.

        Until it is heard of (or for `PENDING_SECONDS`) the document's absence is not cached, and reads that miss are
        strong and cached for `PENDING_TTL_SECONDS` at most.
        """
        if self._shared is None:
            return
        if not self._alone or self._near_peek(key) is not None:
            # Version 1 is older than any document and newer than an absence somebody has read.
            call = self._shared.invalidate(key, 1, ttl_seconds=PENDING_SECONDS)
            await self._advance(key, 1, call)
        self._pending.set(key, 1)

    async def flush(self) -> None:
        """Forget every document of the resource, but for writes that wait to reach the store. Never raises."""
        if self._shared is None:
            return
        await self._ask(self._shared.flush(self._prefix))
        if self._local is not None:
            self._local.flush_now(self._prefix)
        self._flights.clear()

    async def close(self) -> None:
        """Abandon the fetches that are under way. The shared cache belongs to who made it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Write-back

    async def stage(self, key: str, version: int, body: bytes | None, etag: str) -> bool:
        """Show a write (None: a deletion) before the store has it. False: it is not shown and must not be published.

        That is so when the cache has something newer, or is down. Then publish: `settle` follows when the store has it,
        `discard` when publishing failed. Shield the three together from cancellation: what is staged does not expire.
        """
        if self._shared is None:
            return False
        entry = Entry(State.DIRTY, version, body, etag, self._clock(), inf)
        try:
            staged = await self._ask(self._shared.put(key, entry))
        finally:
            self._let_go(key, version)
        if staged is _NO_ANSWER:  # it may have been put although the answer got lost
            await self.discard(key, version)
            return False
        return staged

    async def settle(self, key: str, version: int, *, absent: bool = False) -> bool:
        """The store has committed the staged write of this version. Never raises.

        False: the cache did not hear of it, and goes on to serve the staged write without an expiry. Call again later.
        """
        if self._shared is None:
            return True
        ttl_seconds = self._policy.negative_ttl_seconds if absent else self._jittered(self._policy.ttl_seconds)
        answer = await self._ask(self._shared.settle(key, version, ttl_seconds=ttl_seconds))
        await self.invalidate(key, version)  # for what was cached if the staged entry is gone
        return answer is not _NO_ANSWER

    async def discard(self, key: str, version: int) -> None:
        """The staged write of this version was not published; what was staged since stays. Never raises."""
        if self._shared is not None:
            await self._ask(self._shared.discard(key, version))
            self._flights.pop(key, None)

    # Flights

    def _start(self, key: str, run: Callable[[], Coroutine[None, None, Lookup]]) -> asyncio.Task[Lookup]:
        flight = asyncio.get_running_loop().create_task(run())
        flight.add_done_callback(partial(self._landed, key))
        self._flights[key] = flight
        self._tasks.add(flight)
        return flight

    def _landed(self, key: str, flight: asyncio.Task[Lookup]) -> None:
        self._tasks.discard(flight)
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # a refresh has nobody waiting who would take it

    def _has_heard(self, key: str, version: int) -> bool:
        """Whether the cache was notified of this version, or a later one, so lately that nothing older can be in it."""
        return (self._recent.get(key) or 0) >= version and self._floors.get(key) is None

    def _is_written(self, key: str) -> bool:
        """Whether a write is known of that a replica may not have, so that a fetch must be strong."""
        return any(marks.get(key) is not None for marks in (self._recent, self._pending, self._floors))

    def _is_ours(self, key: str) -> bool:
        return self._flights.get(key) is asyncio.current_task()

    async def _through(self, key: str, *, revalidate: bool = False) -> Lookup:
        found = await self._find(key)
        if found is _NO_ANSWER:
            self.bypasses += 1
            async with self._gate:
                return Lookup(await self._load(key, strong=revalidate or self._is_written(key)), Status.BYPASS)
        if found is not None and _answers(found, revalidate=revalidate):
            self._keep_near(key, found)
            return self._serve(key, found)
        self.misses += 1
        entry = await self._load(key, strong=revalidate or found is not None or self._is_written(key))
        if found is not None and found.body is not None and entry.body is None:
            await self.invalidate(key, found.version + 1)  # what was cached is deleted, at this version or later
        stored = await self._store(key, entry)
        return Lookup(entry, _status(found, revalidate=revalidate), stored=stored)

    async def _refresh(self, key: str) -> Lookup:
        self.refreshes += 1
        entry = await self._load(key, strong=False)
        return Lookup(entry, Status.MISS, stored=await self._store(key, entry))

    def _serve(self, key: str, entry: Entry) -> Lookup:
        if entry.body is None:
            self.negative_hits += 1
        else:
            self.hits += 1
        if self._is_due(entry) and (key not in self._flights or self._is_ours(key)):
            self._start(key, partial(self._refresh, key))
        return Lookup(entry, Status.HIT)

    def _is_due(self, entry: Entry) -> bool:
        left = entry.expires_at - self._clock()
        if entry.fetch_seconds <= 0 or left > REFRESH_WINDOW * entry.fetch_seconds:
            return False
        return left <= -entry.fetch_seconds * log(1.0 - self._random())

    async def _find(self, key: str) -> Entry | Literal[_Answer.NONE] | None:
        assert self._shared is not None  # noqa: S101 - there are no flights without a cache
        answer = await self._ask(self._shared.get((key,)))
        if answer is _NO_ANSWER:
            return answer
        (found,) = answer
        floor = self._floors.get(key)
        if found is not None and floor is not None and found.version < floor:
            return replace(found, state=_INVALID, version=floor, body=None, etag="")
        return found

    async def _load(self, key: str, *, strong: bool) -> Entry:
        began_at = self._clock()
        fetched = await self._fetch(key, strong)
        now = self._clock()
        ttl_seconds = self._policy.ttl_seconds
        if fetched.body is None:
            expires_at = now + self._jittered(self._policy.negative_ttl_seconds)
            return Entry(State.ABSENT, 0, None, "", now, expires_at)
        if self._pending.get(key) is not None:
            ttl_seconds = min(ttl_seconds, PENDING_TTL_SECONDS)
        expires_at = now + self._jittered(ttl_seconds)
        return Entry(State.PRESENT, fetched.version, fetched.body, fetched.etag, now, expires_at, now - began_at)

    async def _store(self, key: str, entry: Entry) -> bool:
        absent_while_pending = entry.body is None and self._pending.get(key) is not None
        if self._shared is None or not self._is_ours(key) or absent_while_pending or entry.expires_at <= self._clock():
            return False
        stored = await self._ask(self._shared.put(key, entry)) is True
        if stored:
            self._keep_near(key, entry)
        return stored

    def _keep_near(self, key: str, entry: Entry) -> None:
        # A staged write may yet be discarded, by whom we would not hear of it.
        if self._local is not None and entry.state is not State.DIRTY and self._is_ours(key):
            ttl_seconds = self._policy.local_ttl_seconds * (1 - JITTER * self._random())
            expires_at = min(entry.expires_at, self._clock() + ttl_seconds)
            self._local.put_now(key, replace(entry, expires_at=expires_at, fetch_seconds=0.0))

    def _jittered(self, ttl_seconds: float) -> float:
        return ttl_seconds * (1 - JITTER + 2 * JITTER * self._random())

    # Calls of the shared cache

    async def _ask(self, call: Awaitable[_T]) -> _T | Literal[_Answer.NONE]:
        try:
            answer = await call
        except DependencyError:
            self.errors += 1
            self.degraded = True
            return _NO_ANSWER
        self.degraded = False
        return answer

    async def _advance(self, key: str, version: int, call: Awaitable[object]) -> None:
        answer: object = _NO_ANSWER
        try:
            answer = await self._ask(call)
        finally:  # cancelled, too: whether the cache has heard is then unknown
            if answer is _NO_ANSWER:
                self._floors.set(key, version)
            self._recent.set(key, version)
            self._let_go(key, version)

    def _let_go(self, key: str, version: int) -> None:
        self._pending.drop(key)
        self._flights.pop(key, None)
        if self._local is not None:
            self._local.invalidate_now(key, version, ttl_seconds=self._policy.local_ttl_seconds)


def _near_peek(shared: Cache | None, local: MemoryCache | None) -> Callable[[str], Entry | None]:
    if local is not None:
        return local.peek
    return shared.peek if isinstance(shared, Peekable) else lambda _: None


def _answers(found: Entry, *, revalidate: bool) -> bool:
    """Whether it can be served. What waits to reach the store is newer than the store: asking again cannot help."""
    return found.state is State.DIRTY or (found.state is not _INVALID and not revalidate)


def _status(found: Entry | None, *, revalidate: bool) -> Status:
    if revalidate:
        return Status.REQUEST
    return Status.MISS if found is None else Status.STALE
