"""The in-process cache: a bounded LRU with expiry, and the reference for what `base.Cache` promises.

When it is full, the least recently used entries are evicted, never DIRTY ones. Room is counted in entries and bytes,
whichever is used up first; DIRTY entries count for neither, the worker's backlog bounds them. Everything happens within
one event-loop tick; the `_now` forms are for callers that must not wait. Not for threads.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

from fairlead_workload.caches.base import Entry, State

DEFAULT_MAX_BYTES = 64 * 1024 * 1024
_ENTRY_OVERHEAD_BYTES = 400  # an Entry with its floats, etag and dictionary slot, measured on CPython 3.11
_DISCARDED_SECONDS = 60.0  # a discarded entry's mark; longer than any read that is under way


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
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._bytes = 0
        self._clock = clock
        self.evictions = 0

    @property
    def entries(self) -> int:
        """How many entries there are, DIRTY ones included."""
        return len(self._entries) + len(self._dirty)

    @property
    def dirty(self) -> int:
        """How many writes wait to reach the store."""
        return len(self._dirty)

    @property
    def bytes(self) -> int:
        """Approximate memory of the entries that may be evicted."""
        return self._bytes

    def peek(self, key: str) -> Entry | None:
        entry = self._entries.get(key)
        if entry is None:
            return self._dirty.get(key)
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

    async def settle(self, key: str, version: int, *, ttl_seconds: float) -> None:
        entry = self._dirty.get(key)
        if entry is not None and entry.version == version:
            state = State.ABSENT if entry.body is None else State.PRESENT
            self._set(key, replace(entry, state=state, expires_at=self._clock() + ttl_seconds))

    async def discard(self, key: str, version: int) -> None:
        entry = self._dirty.get(key)
        if entry is not None and entry.version == version:
            self._set(key, self._tombstone(version - 1, _DISCARDED_SECONDS))

    async def flush(self, prefix: str) -> None:
        self.flush_now(prefix)

    async def check(self) -> None:
        return

    async def close(self) -> None:
        self._entries.clear()
        self._dirty.clear()
        self._bytes = 0

    def put_now(self, key: str, entry: Entry) -> bool:
        """`put`, without waiting. What alone is larger than `max_bytes` leaves a tombstone of its version."""
        if not _admits(self.peek(key), entry):
            return False
        if entry.state is not State.DIRTY and _weight(key, entry) > self._max_bytes:
            self._set(key, replace(entry, state=State.INVALID, body=None, etag=""))
            return False
        self._set(key, entry)
        return True

    def invalidate_now(self, key: str, version: int, *, ttl_seconds: float) -> None:
        """`invalidate`, without waiting."""
        tombstone = self._tombstone(version, ttl_seconds)
        current = self.peek(key)
        if current is None or current.version < version or _shorter(current, tombstone):
            self._set(key, tombstone)

    def flush_now(self, prefix: str) -> None:
        """`flush`, without waiting."""
        for key in [key for key in self._entries if key.startswith(prefix)]:
            self._remove(key)

    def _tombstone(self, version: int, ttl_seconds: float) -> Entry:
        now = self._clock()
        return Entry(State.INVALID, version, None, "", now, now + ttl_seconds)

    def _set(self, key: str, entry: Entry) -> None:
        self._remove(key)
        if entry.state is State.DIRTY:
            self._dirty[key] = replace(entry, expires_at=inf)
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
