"""How one resource is cached: read-through, write-through and write-back over any `base.Cache`.

One flight per key fetches; nothing is stored that was invalidated while it was fetched; a popular entry is fetched
again early (XFetch); no error of the cache ever fails a read or a write. It never sees a store: the fetch function is
passed to it. Everything is for one event loop.

An invalidation detaches the flight of its key (`single_flight`): all who wait for it began before the invalidation
ended.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from math import log
from random import random as uniform

from msgspec.structs import replace

from fairlead_contract.spec.api import CacheStrategy
from fairlead_workload.caches.base import UNSTORED, Cache, Entry, Peekable, State
from fairlead_workload.caches.freshness import PENDING_SECONDS, TOMBSTONE_SECONDS, Freshness
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.caches.policy import JITTER, Fetch, Lookup, Policy, Status
from fairlead_workload.caches.shared_calls import NO_ANSWER, NoAnswer, SharedCalls
from fairlead_workload.caches.single_flight import SingleFlight

PENDING_TTL_SECONDS = 1.0
STAGED_SECONDS = 60.0  # of a write-back that is not published yet; longer than publishing takes
# XFetch (Vattani et al., VLDB 2015, beta 1) refreshes when ttl_left <= fetch_seconds * -ln(random). Above this many
# fetch times the chance is below 5e-5, so the fast path need not draw.
REFRESH_WINDOW = 10.0

_INVALID = State.INVALID


class DocumentCache:
    """The cache of one resource. Keys are `RESOURCE/KEY`; `shared` may be shared with other resources and processes.

    `clock` gives unix seconds, `random` numbers in [0, 1), `sleep` waits between repetitions of calls that the shared
    cache did not answer. While the cache is down, at most `degraded_concurrency` fetches run at a time. The public
    numbers only ever grow.
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
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
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
        self._flights = SingleFlight[Lookup]()
        self._calls = SharedCalls(clock=clock, sleep=sleep)
        self._tombstone_seconds = max(TOMBSTONE_SECONDS, policy.lag_seconds)
        self.stale_seconds = max(self._tombstone_seconds, policy.longest_ttl_seconds)
        self._freshness = Freshness(
            stale_seconds=self.stale_seconds, tombstone_seconds=self._tombstone_seconds, clock=clock
        )
        self._gate = asyncio.Semaphore(degraded_concurrency)
        self.hits = 0
        self.negative_hits = 0
        self.misses = 0
        self.bypasses = 0
        self.refreshes = 0
        self.collapsed = 0

    @property
    def errors(self) -> int:
        """Failed calls of the shared cache."""
        return self._calls.errors

    @property
    def degraded(self) -> bool:
        """Whether the last call of the shared cache failed."""
        return self._calls.degraded

    @property
    def is_used(self) -> bool:
        """Whether anything is cached."""
        return self._shared is not None

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
            return await self._past(key, strong=self._policy.strong or revalidate)
        if revalidate:
            return await asyncio.shield(self._flights.start(key, self._through(key, revalidate=True)))
        entry = self._near_peek(key)
        if entry is not None and entry.state is not _INVALID:
            return self._serve(key, entry)
        flight = self._flights.get(key)
        if flight is not None:
            self.collapsed += 1
            return replace(await asyncio.shield(flight), collapsed=True)
        return await asyncio.shield(self._flights.start(key, self._through(key)))

    # Writes. Each says whether the shared cache has confirmed it. If not, this process believes nothing older, and the
    # call is repeated in the background for as long as others could be served something older.

    async def written(self, key: str, version: int, body: bytes, etag: str) -> bool:
        """The store has committed this document. Never raises."""
        if self._shared is None or self._policy.strategy is CacheStrategy.READ_THROUGH:
            return await self.invalidate(key, version)
        now = self._clock()
        entry = Entry(State.PRESENT, version, body, etag, now, now + self._jittered(self._policy.ttl_seconds))
        return await self._advance(key, version, self._shared.put(key, entry), committed=version)

    async def deleted(self, key: str, version: int) -> bool:
        """The store has committed a deletion; `version` is the tombstone's (0: there was nothing). Never raises."""
        return version == 0 or await self.invalidate(key, version)

    async def invalidate(self, key: str, version: int) -> bool:
        """The store is at `version` or later: whoever reads from now on gets nothing older. Never raises.

        Also for those who did not commit it, such as the relay, or an operation that is answered as Succeeded; what is
        invalidated already costs nothing.
        """
        if self._shared is None:
            return self._note(key, version)
        if self._freshness.is_invalidated(key, version):
            return True
        call = self._shared.invalidate(key, version, ttl_seconds=self._tombstone_seconds)
        return await self._advance(key, version, call, committed=version)

    async def maybe_written(self, key: str, version: int) -> bool:
        """A commit of `version`, made from the version before it, has no known outcome. Never raises.

        Whoever reads from now on gets what the store has.
        """
        if self._shared is None:
            return self._note(key, version)
        call = self._shared.invalidate(key, version, ttl_seconds=self._tombstone_seconds)
        return await self._advance(key, version, call, committed=version - 1)

    def _note(self, key: str, version: int) -> bool:
        """Without a cache, only a replica may have something older: the key is read strongly for a while. True."""
        if self._policy.lag_seconds:
            self._freshness.committed(key, version)
        return True

    async def pending(self, key: str) -> None:
        """A write of this document was accepted and will be applied later. Never raises.

        Until it is applied (or for `PENDING_SECONDS`) the document's absence is not cached, and reads that miss are
        strong and cached for `PENDING_TTL_SECONDS` at most.
        """
        if self._shared is None:
            if self._policy.lag_seconds:
                self._freshness.accepted(key)
            return
        if not self._alone or self._near_peek(key) is not None:
            # Version 1 is older than any document and newer than an absence somebody has read.
            call = self._shared.invalidate(key, 1, ttl_seconds=PENDING_SECONDS)
            await self._advance(key, 1, call, committed=1)
        self._freshness.accepted(key)

    async def flush(self) -> None:
        """Forget every document of the resource, but for writes that wait to reach the store. Never raises."""
        if self._shared is None:
            return
        await self._calls.ask(self._shared.flush(self._prefix))
        if self._local is not None:
            self._local.flush_now(self._prefix)
        self._flights.detach_all()

    async def close(self) -> None:
        """Abandon the fetches that are under way, and repeat nothing. The shared cache belongs to who made it."""
        await self._calls.close()
        await self._flights.close()

    # Write-back

    async def stage(self, key: str, version: int, body: bytes | None, etag: str, *, after: int) -> bool:
        """Show a write (None: a deletion) that was decided on version `after`, before the store has it.

        False: it is not shown and must not be published, because the cache has something newer than `after`, or is
        down. Else publish it within `STAGED_SECONDS`, for so long it is shown, and `keep` it; `discard` it when
        publishing failed. `settle` follows when the store has it.
        """
        if self._shared is None:
            return False
        now = self._clock()
        entry = Entry(State.STAGED, version, body, etag, now, now + STAGED_SECONDS)
        try:
            staged = await self._calls.ask(self._shared.stage(key, entry, after=after))
        finally:
            self._freshness.superseded(key)
            self._detach_fetch(key, version)
        if staged is NO_ANSWER:  # it may have been put although the answer got lost
            await self.discard(key, version)
            return False
        return staged

    async def keep(self, key: str, version: int, *, seconds: float) -> None:
        """The staged write of this version is published: it is shown until the store has it. Never raises.

        For so long at most, in which the queue either delivers it or gives it up.
        """
        if self._shared is not None:
            call = partial(self._shared.keep, key, version, ttl_seconds=seconds)
            await self._calls.insist(("keep", key, version), call, seconds=STAGED_SECONDS)

    async def settle(self, key: str, version: int, *, absent: bool = False) -> bool:
        """The store has committed the staged write of this version. Never raises.

        False: the cache has not confirmed it, and may go on to serve the staged write. Call again later.
        """
        if self._shared is None:
            return True
        ttl_seconds = self._policy.negative_ttl_seconds if absent else self._jittered(self._policy.ttl_seconds)
        answer = await self._calls.ask(self._shared.settle(key, version, ttl_seconds=ttl_seconds))
        confirmed = await self.invalidate(key, version)  # for what was cached if the staged entry is gone
        return confirmed and answer is not NO_ANSWER

    async def discard(self, key: str, version: int) -> bool:
        """The staged write of this version will not reach the store; what was staged since stays. Never raises.

        False: the cache has not confirmed it, and may go on to serve it. Call again later.
        """
        if self._shared is None:
            return True
        call = partial(self._shared.discard, key, version)
        confirmed = await self._calls.insist(("discard", key, version), call, seconds=STAGED_SECONDS)
        self._flights.detach(key)
        return confirmed

    # Fetching

    async def _past(self, key: str, *, strong: bool) -> Lookup:
        """What the store says, of a resource without a cache. Nothing of it is kept."""
        self.bypasses += 1
        replicated = self._policy.lag_seconds > 0
        fetched = await self._fetch(key, strong or (replicated and self._freshness.is_written(key)))
        state = State.ABSENT if fetched.body is None else State.PRESENT
        now = self._clock()
        return Lookup(Entry(state, fetched.version, fetched.body, fetched.etag, now, now), Status.BYPASS)

    async def _through(self, key: str, *, revalidate: bool = False) -> Lookup:
        found = await self._find(key)
        if found is NO_ANSWER:
            self.bypasses += 1
            async with self._gate:
                strong = revalidate or self._freshness.is_written(key)
                return Lookup(await self._load(key, strong=strong), Status.BYPASS)
        if found is not None and _answers(found, revalidate=revalidate):
            self._store_locally(key, found)
            return self._serve(key, found)
        self.misses += 1
        entry = await self._load(key, strong=revalidate or found is not None or self._freshness.is_written(key))
        if found is not None and found.body is not None and entry.body is None:
            await self.invalidate(key, found.version + 1)  # what was cached is deleted, at this version or later
        stored = await self._store(key, entry)
        newest = entry.version if found is None else max(entry.version, found.version)
        return Lookup(entry, _status(found, revalidate=revalidate), stored=stored, newest=newest)

    async def _refresh(self, key: str) -> Lookup:
        self.refreshes += 1
        entry = await self._load(key, strong=False)
        return Lookup(entry, Status.MISS, stored=await self._store(key, entry))

    def _serve(self, key: str, entry: Entry) -> Lookup:
        if entry.body is None:
            self.negative_hits += 1
        else:
            self.hits += 1
        if self._is_due(entry) and (self._flights.get(key) is None or self._flights.is_own(key)):
            self._flights.start(key, self._refresh(key))
        return Lookup(entry, Status.HIT, newest=entry.version)

    def _is_due(self, entry: Entry) -> bool:
        left = entry.expires_at - self._clock()
        if entry.fetch_seconds <= 0 or left > REFRESH_WINDOW * entry.fetch_seconds:
            return False
        return left <= -entry.fetch_seconds * log(1.0 - self._random())

    async def _find(self, key: str) -> Entry | NoAnswer | None:
        assert self._shared is not None  # noqa: S101 - there are no flights without a cache
        answer = await self._calls.ask(self._shared.get((key,)))
        if answer is NO_ANSWER:
            return answer
        (found,) = answer
        floor = self._freshness.floor(key)
        if found is not None and found.version < floor:
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
        if self._freshness.is_pending(key):
            ttl_seconds = min(ttl_seconds, PENDING_TTL_SECONDS)
        expires_at = now + self._jittered(ttl_seconds)
        return Entry(State.PRESENT, fetched.version, fetched.body, fetched.etag, now, expires_at, now - began_at)

    async def _store(self, key: str, entry: Entry) -> bool:
        absent_while_pending = entry.body is None and self._freshness.is_pending(key)
        own = self._flights.is_own(key)
        if self._shared is None or not own or absent_while_pending or entry.expires_at <= self._clock():
            return False
        stored = await self._calls.ask(self._shared.put(key, entry)) is True
        if stored:
            self._store_locally(key, entry)
        return stored

    def _store_locally(self, key: str, entry: Entry) -> None:
        # What the store does not have may yet be discarded, and no other process would drop its copy.
        if self._local is not None and entry.state not in UNSTORED and self._flights.is_own(key):
            ttl_seconds = self._policy.local_ttl_seconds * (1 - JITTER * self._random())
            expires_at = min(entry.expires_at, self._clock() + ttl_seconds)
            self._local.put_now(key, replace(entry, expires_at=expires_at, fetch_seconds=0.0))

    def _jittered(self, ttl_seconds: float) -> float:
        return ttl_seconds * (1 - JITTER + 2 * JITTER * self._random())

    # Invalidation

    async def _advance(self, key: str, version: int, call: Awaitable[object], *, committed: int) -> bool:
        """Have nothing older than `version` served any more, by `call`; the store is known to have `committed`."""
        confirmed = False
        try:
            confirmed = await self._calls.ask(call) is not NO_ANSWER
        finally:  # cancelled, too: then nobody knows whether it took effect
            if confirmed:
                self._freshness.confirmed(key, version)
            else:
                self._freshness.unconfirmed(key, version)
                again = partial(self._invalidate_again, key)
                self._calls.repeat(("invalidate", key), again, seconds=self.stale_seconds)
            self._freshness.committed(key, committed)
            self._detach_fetch(key, version)
        return confirmed

    async def _invalidate_again(self, key: str) -> None:
        version = self._freshness.floor(key)
        if version and self._shared is not None:
            await self._shared.invalidate(key, version, ttl_seconds=self._tombstone_seconds)
            self._freshness.confirmed(key, version)

    def _detach_fetch(self, key: str, version: int) -> None:
        self._flights.detach(key)
        if self._local is not None:
            self._local.invalidate_now(key, version, ttl_seconds=self._policy.local_ttl_seconds)


def _near_peek(shared: Cache | None, local: MemoryCache | None) -> Callable[[str], Entry | None]:
    if local is not None:
        return local.peek
    return shared.peek if isinstance(shared, Peekable) else lambda _: None


def _answers(found: Entry, *, revalidate: bool) -> bool:
    """Whether it can be served. What waits to reach the store is newer than the store: asking again cannot help."""
    return found.state in UNSTORED or (found.state is not _INVALID and not revalidate)


def _status(found: Entry | None, *, revalidate: bool) -> Status:
    if revalidate:
        return Status.REQUEST
    return Status.MISS if found is None else Status.STALE
