"""The terms of the strategies: how a resource is cached, what a fetch brings, what a lookup found. Pure."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from fairlead_contract.spec.api import CacheStrategy, ResourceCache
from fairlead_contract.spec.model import seconds
from fairlead_workload.caches.base import Entry

JITTER = 0.1  # by which times to live vary, both ways


@dataclass(frozen=True, slots=True)
class Policy:
    """How one resource uses the cache. `strong`: reads must not be answered from it, so it is not used at all.

    `lag_seconds`: for how long a replica that the store reads from may not have a write; 0 where there is no replica.
    """

    strategy: CacheStrategy = CacheStrategy.READ_THROUGH
    ttl_seconds: float = 60.0
    negative_ttl_seconds: float = 5.0
    local_ttl_seconds: float = 0.0  # 0: no layer of its own before a shared cache
    local_max_entries: int = 10_000
    strong: bool = False
    lag_seconds: float = 0.0

    @property
    def caches(self) -> bool:
        """Whether the cache is used."""
        return not self.strong and self.strategy is not CacheStrategy.NONE

    @property
    def longest_ttl_seconds(self) -> float:
        """How long an entry stays at most, but for one that waits to reach the store."""
        return max(self.ttl_seconds, self.negative_ttl_seconds) * (1 + JITTER)


def policy_of(cache: ResourceCache, *, strong: bool, lag_seconds: float = 0.0) -> Policy:
    """The policy a resource declares; `strong` is its `reads: Strong`."""
    return Policy(
        strategy=cache.strategy,
        ttl_seconds=seconds(cache.ttl),
        negative_ttl_seconds=seconds(cache.negative_ttl),
        local_ttl_seconds=seconds(cache.local.ttl) if cache.local else 0.0,
        local_max_entries=cache.local.max_entries if cache.local else 1,
        strong=strong,
        lag_seconds=lag_seconds,
    )


class Fetched(msgspec.Struct, frozen=True):
    """What the store says: the encoded document, its version and quoted etag; or None, 0 and ""."""

    body: bytes | None
    version: int
    etag: str


Fetch = Callable[[str, bool], Awaitable[Fetched]]
"""Reads the document of a cache key from the store; the flag asks for a strong read."""


class Status(StrEnum):
    """How a lookup was answered, in the parameters of `Cache-Status` (RFC 9211, section 2)."""

    HIT = "hit"
    MISS = "fwd=uri-miss"
    STALE = "fwd=stale"  # what was cached had been invalidated
    REQUEST = "fwd=request"  # the client asked for revalidation
    BYPASS = "fwd=bypass"  # the cache is not used for this resource, or is down


class Lookup(msgspec.Struct, frozen=True):
    """The answer to a read. There is no document when `entry.body` is None, whatever the state."""

    entry: Entry
    status: Status
    stored: bool = False  # the answer is in the cache now
    collapsed: bool = False  # shared with a read that was already under way
    newest: int = 0  # the newest version that the cache knows of, though it may not have it
