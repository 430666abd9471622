"""The seam to caches: versioned entries, never an older one over a newer one.

This module defines an entry and what every adapter promises. Strategies (read-through, write-back, single flight, early
refresh) are in `strategy.py` and the same for every adapter. A cache may lose anything at any time and must never lie:
a put loses against a newer version, an invalidation is a versioned tombstone and not a removal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable


class State(StrEnum):
    PRESENT = "present"  # `body` is the document
    ABSENT = "absent"  # the document is known not to exist
    INVALID = "invalid"  # tombstone: what is older than `version` must not be stored any more
    DIRTY = "dirty"  # write-back: newer than the store, must not expire; `body` None is a delete


@dataclass(frozen=True, slots=True)
class Entry:
    """A cached answer. `body` is the encoded JSON document; `version` is the document's (0 for ABSENT from a read)."""

    state: State
    version: int
    body: bytes | None
    etag: str  # quoted, "" when there is no body
    stored_at: float  # unix seconds
    expires_at: float  # unix seconds; infinity for DIRTY
    fetch_seconds: float = 0.0  # how long the store took, for early refresh (XFetch)


class Cache(Protocol):
    """A cache shared by everyone who uses it. Raises `Unavailable` ("cache"); callers go on without."""

    async def get(self, keys: Sequence[str]) -> list[Entry | None]:
        """Entries by key, in order; expired ones are None. INVALID and DIRTY ones are returned as they are."""

    async def put(self, key: str, entry: Entry) -> bool:
        """Store unless what is there has a newer version (or the same version and is DIRTY). Says whether it did.

        ABSENT with version 0 never replaces anything that has not expired.
        """

    async def invalidate(self, key: str, version: int, *, ttl_seconds: float) -> None:
        """Leave a tombstone of `version` unless what is there is at least that new, whatever its state.

        A tombstone of the same version lasts for the longer of the two times.
        """

    async def settle(self, key: str, version: int, *, ttl_seconds: float) -> None:
        """Write-back: the DIRTY entry of exactly this version has reached the store.

        It becomes PRESENT or ABSENT and gets an expiry.
        """

    async def discard(self, key: str, version: int) -> None:
        """Write-back: the DIRTY entry of exactly this version was not published.

        It becomes INVALID at `version` - 1, so that what is older than its predecessor stays out for a minute.
        """

    async def flush(self, prefix: str) -> None:
        """Forget everything below `prefix`, DIRTY entries excepted."""

    async def check(self) -> None:
        """Return when the cache can be used; raise otherwise."""

    async def close(self) -> None:
        """Release all resources."""


@runtime_checkable
class Peekable(Protocol):
    """Capability: a cache in this process, which answers without waiting.

    What `invalidate`, `put` and `discard` ask for holds for `peek` too when they have returned, even with an error.
    """

    def peek(self, key: str) -> Entry | None:
        """The unexpired entry, as `get` would return it."""
