"""The in-process cache: a bounded LRU with expiry, and the reference for what `base.Cache` promises.

When it is full, the least recently used entries are evicted, never STAGED or DIRTY ones. Room is counted in entries and
bytes, whichever is used up first; those count for neither, the worker's backlog bounds them. Everything happens within
one event-loop tick; the `_now` forms are for callers that must not wait. Not for threads.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from fairlead_workload.caches.base import Entry, State

DEFAULT_MAX_BYTES = 64 * 1024 * 1024
_ENTRY_OVERHEAD_BYTES = 400  # an Entry with its floats, etag and dictionary slot, measured on CPython 3.11
_DISCARDED_SECONDS = 60.0  # a discarded entry's tombstone; longer than any read that is under way


class MemoryCache:
    """`base.Cache` and `base.Peekable` in this process; lost with it. `clock` gives unix seconds."""

    def __init__(
        self,
        max_entries: int,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._entries: OrderedDict[str, Entry] = OrderedDict()  # least recently used first
        self._dirty: dict[str, Entry] = {}  # a key is in one of the two only
        self._staged: OrderedDict[str, Entry] = OrderedDict()  # over what is in the other two; oldest first
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._clock = clock
        self.evictions = 0

    @property
    def entries(self) -> int:
        """How many entries there are, of all states."""
        return len(self._entries) + self.dirty

    @property
    def dirty(self) -> int:
        """How many writes wait to reach the store."""
        return len(self._dirty) + len(self._staged)

    @property
    def bytes(self) -> int:
        """Approximate memory of the entries that may be evicted."""
        return self._bytes

    def peek(self, key: str) -> Entry | None:
        if self._staged and (staged := self._staged_at(key)) is not None:
            return staged
        entry = self._entries.get(key)
        if entry is None:
            return self._below(key) if self._dirty else None
        if entry.expires_at <= self._clock():
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return entry

    async def get(self, keys: Sequence[str]) -> list[Entry | None]:
        return [self.peek(key) for key in keys]

    async def put(self, key: str, entry: Entry) -> bool:
        return self.put_now(key, entry)

    async def invalidate(self, key: str, version: int, *, ttl_seconds: float) -> None:
        self.invalidate_now(key, version, ttl_seconds=ttl_seconds)

    async def stage(self, key: str, entry: Entry, *, after: int) -> bool:
        current = self.peek(key)
        if current is not None and current.version > after:
            return False
        self._staged.pop(key, None)
        self._staged[key] = entry
        self._end_expired()
        return True

    async def keep(self, key: str, version: int, *, ttl_seconds: float) -> None:
        staged = self._take_staged(key, version)
        if staged is not None:
            self._set(key, replace(staged, state=State.DIRTY, expires_at=self._clock() + ttl_seconds))

    async def settle(self, key: str, version: int, *, ttl_seconds: float) -> None:
        entry = self._take_staged(key, version) or self._dirty_at(key, version)
        if entry is not None:
            state = State.ABSENT if entry.body is None else State.PRESENT
            self._set(key, replace(entry, state=state, expires_at=self._clock() + ttl_seconds))

    async def discard(self, key: str, version: int) -> None:
        if self._take_staged(key, version) is None and self._dirty_at(key, version) is not None:
            self._set(key, self._tombstone(version - 1, _DISCARDED_SECONDS))

    async def flush(self, prefix: str) -> None:
        self.flush_now(prefix)

    async def check(self) -> None:
        return

    async def close(self) -> None:
        self._entries.clear()
        self._dirty.clear()
        self._staged.clear()
        self._bytes = 0

    def put_now(self, key: str, entry: Entry) -> bool:
        """`put`, without waiting. What alone is larger than `max_bytes` leaves a tombstone of its version."""
        staged = self._staged_at(key)
        if not _admits(self._below(key), entry) or (staged is not None and staged.version == entry.version):
            return False
        self._end_older(key, entry.version)
        if _weight(key, entry) > self._max_bytes:
            self._set(key, replace(entry, state=State.INVALID, body=None, etag=""))
            return False
        self._set(key, entry)
        return True

    def invalidate_now(self, key: str, version: int, *, ttl_seconds: float) -> None:
        """`invalidate`, without waiting."""
        self._end_older(key, version)
        tombstone = self._tombstone(version, ttl_seconds)
        current = self._below(key)
        if current is None or current.version < version or _shorter(current, tombstone):
            self._set(key, tombstone)

    def flush_now(self, prefix: str) -> None:
        """`flush`, without waiting."""
        for key in [key for key in self._entries if key.startswith(prefix)]:
            self._remove(key)

    # Staged writes

    def _staged_at(self, key: str) -> Entry | None:
        staged = self._staged.get(key)
        return staged if staged is not None and staged.expires_at > self._clock() else None

    def _take_staged(self, key: str, version: int) -> Entry | None:
        staged = self._staged_at(key)
        if staged is None or staged.version != version:
            return None
        del self._staged[key]
        return staged

    def _end_older(self, key: str, version: int) -> None:
        staged = self._staged.get(key)
        if staged is not None and staged.version < version:
            del self._staged[key]

    def _end_expired(self) -> None:
        now = self._clock()
        while self._staged:
            oldest = next(iter(self._staged))
            if self._staged[oldest].expires_at > now:
                return
            del self._staged[oldest]

    # What lies below them

    def _dirty_at(self, key: str, version: int) -> Entry | None:
        entry = self._below(key)
        return entry if entry is not None and entry.state is State.DIRTY and entry.version == version else None

    def _below(self, key: str) -> Entry | None:
        entry = self._entries.get(key) or self._dirty.get(key)
        return entry if entry is not None and entry.expires_at > self._clock() else None

    def _tombstone(self, version: int, ttl_seconds: float) -> Entry:
        now = self._clock()
        return Entry(State.INVALID, version, None, "", now, now + ttl_seconds)

    def _set(self, key: str, entry: Entry) -> None:
        self._remove(key)
        if entry.state is State.DIRTY:
            self._dirty[key] = entry
            return
        self._entries[key] = entry
        self._bytes += _weight(key, entry)
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            self._remove(next(iter(self._entries)))
            self.evictions += 1

    def _remove(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _weight(key, entry)
        else:
            self._dirty.pop(key, None)


def _admits(current: Entry | None, new: Entry) -> bool:
    """Whether `new` may take the place of what is there and has not expired."""
    if current is None:
        return True
    if new.version == 0 and new.state is State.ABSENT:
        return False
    if current.version == new.version:
        return current.state is not State.DIRTY
    return current.version < new.version


def _shorter(current: Entry, tombstone: Entry) -> bool:
    same = current.state is State.INVALID and current.version == tombstone.version
    return same and current.expires_at < tombstone.expires_at


def _weight(key: str, entry: Entry) -> int:
    return len(key) + (0 if entry.body is None else len(entry.body)) + _ENTRY_OVERHEAD_BYTES
