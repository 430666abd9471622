"""The seam to caches: versioned entries, never an older one over a newer one.

This module defines an entry and what every adapter promises. Strategies (read-through, write-back, single flight, early
refresh) are in `strategy.py` and the same for every adapter. A cache may lose anything at any time and must never lie:
a put loses against a newer version, an invalidation is a versioned tombstone and not a removal.

Write-back: a write is staged before it is published. Until it is kept, it lies over what was there: `get` returns it,
and what is below stays, can be settled, replaced or invalidated, and is there again when the staged write is discarded
or has expired. `keep` puts it in the place of what is below, as DIRTY. So a write that is not published after all, or
whose process ends, leaves no trace.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec


class State(StrEnum):
    PRESENT = "present"  # `body` is the document
    ABSENT = "absent"  # the document is known not to exist
    INVALID = "invalid"  # tombstone: what is older than `version` must not be stored any more
    STAGED = "staged"  # write-back: not known to be published; `body` None is a delete
    DIRTY = "dirty"  # write-back: published, and newer than the store; `body` None is a delete


UNSTORED = (State.STAGED, State.DIRTY)


class Entry(msgspec.Struct, frozen=True):
    """A cached answer. `body` is the encoded JSON document; `version` is the document's (0 for ABSENT from a read)."""

    state: State
    version: int
    body: bytes | None
    etag: str  # quoted, "" when there is no body
    stored_at: float  # unix seconds
    expires_at: float  # unix seconds
    fetch_seconds: float = 0.0  # how long the store took, for early refresh (XFetch)


class Cache(Protocol):
    """A cache shared by everyone who uses it. Raises `Unavailable` ("cache"); callers go on without."""

    async def get(self, keys: Sequence[str]) -> list[Entry | None]:
        """Entries by key, in order; expired ones are None. All others are returned, whatever their state."""

    async def put(self, key: str, entry: Entry) -> bool:
        """Store PRESENT or ABSENT. Says whether it did: not when what is there is newer, or DIRTY of the same version.

        ABSENT with version 0 never replaces anything that has not expired. What is older than a staged write goes below
        it, and what is newer ends it.
        """

    async def invalidate(self, key: str, version: int, *, ttl_seconds: float) -> None:
        """Leave a tombstone of `version` unless what is there is at least that new, whatever its state.

        A tombstone of the same version lasts for the longer of the two times. A staged write that is older ends, one
        that is not stays over the tombstone.
        """

    async def stage(self, key: str, entry: Entry, *, after: int) -> bool:
        """Write-back: put the STAGED `entry`, decided on version `after`, over what is there, until it expires.

        Not when there is something newer than `after`. Says whether it did.
        """

    async def keep(self, key: str, version: int, *, ttl_seconds: float) -> None:
        """Write-back: the staged write of exactly this version is published.

        It becomes DIRTY, takes the place of what is below, and expires after this time.
        """

    async def settle(self, key: str, version: int, *, ttl_seconds: float) -> None:
        """Write-back: the STAGED or DIRTY entry of exactly this version has reached the store.

        It becomes PRESENT or ABSENT and gets an expiry.
        """

    async def discard(self, key: str, version: int) -> None:
        """Write-back: the STAGED or DIRTY entry of exactly this version will not reach the store.

        A staged one goes, and what is below is there again. A DIRTY one becomes INVALID at `version` - 1 for a minute.
        """

    async def flush(self, prefix: str) -> None:
        """Forget everything below `prefix`, STAGED and DIRTY entries excepted."""

    async def check(self) -> None:
        """Return when the cache can be used; raise otherwise."""

    async def close(self) -> None:
        """Release connections and memory."""


@runtime_checkable
class Peekable(Protocol):
    """Capability: a cache in this process, which answers without waiting.

    What `invalidate`, `put`, `stage` and `discard` ask for holds for `peek` too when they have returned, even with an
    error.
    """

    def peek(self, key: str) -> Entry | None:
        """The unexpired entry, as `get` would return it."""
