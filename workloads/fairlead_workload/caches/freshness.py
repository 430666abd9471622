"""What this process knows of writes that the shared cache, or a replica of the store, may not have yet.

It decides when the store must be asked strongly, and which entries of the shared cache are not believed. Everything is
known for a while only: longer than a fetch takes, than a replica lags, or than what is stale can stay in the cache.
"""

from collections.abc import Callable

from fairlead_workload.caches.ttl_map import TtlMap

TOMBSTONE_SECONDS = 60.0  # longer than any fetch of anyone who shares the cache; more where a replica lags for longer
PENDING_SECONDS = 30.0  # how long an accepted write is waited for before its key is cached as usual again


class Freshness:
    """What is known of writes, by key. `stale_seconds`: for how long the cache may have what a write has replaced.

    `tombstone_seconds`: for how long a fetch, or a replica of the store, may bring something older than a write.
    """

    def __init__(self, *, stale_seconds: float, tombstone_seconds: float, clock: Callable[[], float]) -> None:
        self._pending = TtlMap(PENDING_SECONDS, clock=clock)
        self._committed = TtlMap(tombstone_seconds, clock=clock)
        self._floors = TtlMap(stale_seconds, clock=clock)

    def accepted(self, key: str) -> None:
        """A write was accepted and will be applied later."""
        self._pending.set(key, 1)

    def superseded(self, key: str) -> None:
        """What was accepted before does not matter any more."""
        self._pending.drop(key)

    def is_pending(self, key: str) -> bool:
        """Whether an accepted write may not be applied yet."""
        return self._pending.get(key) is not None

    def committed(self, key: str, version: int) -> None:
        """The store is known to have this version, or a later one."""
        self._committed.set(key, version)
        self._pending.drop(key)

    def unconfirmed(self, key: str, version: int) -> None:
        """The shared cache has not confirmed its invalidation: what it has below this version is not believed."""
        self._floors.set(key, version)

    def confirmed(self, key: str, version: int) -> None:
        """The shared cache has confirmed that it was invalidated at this version."""
        floor = self._floors.get(key)
        if floor is not None and floor <= version:
            self._floors.drop(key)

    def floor(self, key: str) -> int:
        """The version below which the shared cache is not to be believed; 0 when it may be."""
        return self._floors.get(key) or 0

    def is_invalidated(self, key: str, version: int) -> bool:
        """Whether it was invalidated at this version or a later one so lately that nothing older can be cached."""
        committed = self._committed.get(key)
        return committed is not None and committed >= version and self._floors.get(key) is None

    def is_written(self, key: str) -> bool:
        """Whether a write is known of that a replica may not have, so that a fetch must be strong."""
        return any(known.get(key) is not None for known in (self._committed, self._pending, self._floors))
