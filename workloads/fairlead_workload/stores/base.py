"""The seam to datastores: one atomic unit of work in, versions out.

This module defines documents, units and records, and what every adapter promises. Documents are the users'; records are
ours (operations, idempotency, inbox, progress, leases, secrets), all of one shape, so that an adapter needs one table
for them. Versions: create takes max(unix microseconds, tombstone + 1), update adds 1, delete leaves a tombstone with
version + 1 that is kept at least 24 h; a recreated document never repeats a version.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import msgspec

Scalar = str | int | float | bool
Key = tuple[Scalar, ...]  # (partition,) or (partition, sort)
Document = dict[str, Any]


class Expect(StrEnum):
    """Precondition of a mutation; a number instead means exactly that version."""

    ANY = "any"
    ABSENT = "absent"
    PRESENT = "present"


class Record(msgspec.Struct, frozen=True):
    """A stored document. `version` is the document's, in the sense of the module docstring."""

    key: Key
    document: Document
    version: int


class Mutation(msgspec.Struct, frozen=True):
    """Put `document` at `key`, or delete it when `document` is None."""

    resource: str
    key: Key
    document: Document | None
    expect: Expect | int = Expect.ANY
    version: int | None = None  # commit under this version; what is stored being as new or newer is a VERSION conflict


class OutboxEvent(msgspec.Struct, frozen=True):
    """An event to publish once the unit is committed. The adapter keeps it until `published`.

    `body` is an encoded CloudEvent whose `sequence` is left to the relay: the version of the unit's mutation number
    `mutation` is stored beside it. An event of a unit that does not write its document has None there, and says itself
    which `version` of the document it is about.
    """

    id: str
    key: str  # partition key of the event: events of one key are published in order of version
    body: bytes
    mutation: int | None = 0
    version: int = 0


class RecordWrite(msgspec.Struct, frozen=True):
    """Write (or, with `value` None, delete) one of our records. An expired record counts as absent.

    `expect`: ABSENT creates only, PRESENT replaces only, ANY does either, a number replaces only that revision.
    """

    space: str
    id: str
    value: bytes | None
    expires_at: float | None = None  # unix seconds, compared in code
    expect: Expect | int = Expect.ANY


class StoredRecord(msgspec.Struct, frozen=True):
    """One of our records. `revision` starts at unix microseconds and grows by 1 with each write.

    So a record that was removed, or expired and was swept, never comes back with a revision that it had: who read the
    former one cannot replace the new one.
    """

    space: str
    id: str
    value: bytes
    revision: int
    expires_at: float | None

    @property
    def created_at(self) -> float:
        """About when it was first written, in unix seconds."""
        return self.revision / 1_000_000


# The spaces of records.
OPERATIONS = "operation"
IDEMPOTENCY = "idempotency"
INBOX = "inbox"
PROGRESS = "progress"
FAILURES = "failure"
LEASES = "lease"
SECRETS = "secret"


class Unit(msgspec.Struct, frozen=True):
    """What is committed together, or not at all. `requires` are documents that must exist at commit.

    A unit has at most one mutation of a document and one write of a record. Conditions are checked in the order
    records, requires, mutations, and the first that does not hold is the conflict: a repeated event is known by its
    inbox record before its document is looked at.
    """

    mutations: tuple[Mutation, ...] = ()
    requires: tuple[tuple[str, Key], ...] = ()
    records: tuple[RecordWrite, ...] = ()
    outbox: tuple[OutboxEvent, ...] = ()


class Committed(msgspec.Struct, frozen=True):
    """What the unit's parts became, in order.

    `versions` are those of its mutations; of a delete, the tombstone's (0 when there was nothing to delete).
    `revisions` are those of its record writes; of a removal 0.
    """

    versions: tuple[int, ...]
    revisions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds on the sort value of a query. Absent bounds are None."""

    gt: Scalar | None = None
    gte: Scalar | None = None
    lt: Scalar | None = None
    lte: Scalar | None = None
    eq: Scalar | None = None


class Query(msgspec.Struct, frozen=True):
    """One page of a collection. `index` None means the primary key; `partition` None means every document.

    Order: by sort value (if the index or key has one), then by primary key; `after` is a former page's `next`. A
    document that lacks a property of the index, or holds null or a value of another type there, is not in it.
    """

    index: str | None = None
    partition: Scalar | None = None
    sort: Range | None = None
    limit: int = 50
    descending: bool = False
    after: tuple[Scalar, ...] | None = None


class Page(msgspec.Struct, frozen=True):
    """Records in order, and the position to go on from (None at the end).

    A position has the values of the order's properties: the sort value (of a query with a partition), then the key's,
    each property once.
    """

    records: list[Record]
    next: tuple[Scalar, ...] | None


class OutboxRow(msgspec.Struct, frozen=True):
    """A committed, unpublished event, about this `version` of its document. `handle` is the adapter's own."""

    handle: Any
    event: OutboxEvent
    version: int


@dataclass(frozen=True, slots=True)
class OutboxSize:
    """How many events wait to be published, and how many the queue has refused."""

    pending: int
    refused: int


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """An event that the queue refuses for good, and why. `number` is its handle, unique in the store."""

    number: int
    event: OutboxEvent
    version: int
    reason: str
    refused_at: float  # unix seconds


class Store(Protocol):
    """Documents and records. Calls of one event-loop tick may share a round trip; each has its own result or error.

    Raises `Conflict` (commit only) and `Unavailable` / `Refused` with dependency "datastore".
    """

    async def get(self, resource: str, keys: Sequence[Key], *, strong: bool = False) -> list[Record | None]:
        """The documents at `keys`, in that order. `strong`: from the primary, as new as any finished commit."""

    async def query(self, resource: str, query: Query, *, strong: bool = False) -> Page:
        """One page of documents."""

    def commit(self, unit: Unit) -> Awaitable[Committed]:
        """Commit all of `unit` durably, or none of it. The result comes when it is awaited.

        After `Conflict` and `Refused` nothing of it is there, now or later. After `Unavailable`, or when the caller was
        cancelled, the outcome is unknown: it may have been committed, or still be.
        """

    async def records(self, ids: Sequence[tuple[str, str]]) -> list[StoredRecord | None]:
        """Our records by (space, id), in that order, always strong; expired ones are None."""

    async def check(self) -> None:
        """Return when the store can be read and written; raise otherwise. Used by readiness, a cheap call."""

    async def close(self) -> None:
        """Finish what is under way and release all resources."""


@runtime_checkable
class OutboxSource(Protocol):
    """Capability: a store that keeps an outbox for the relay."""

    async def unpublished(self, limit: int, *, held: Collection[str] = ()) -> list[OutboxRow]:
        """Committed, unpublished events, per key in order of version, oldest first otherwise.

        Events of the keys `held` are left out.
        """

    async def outbox_size(self, limit: int) -> OutboxSize:
        """How many events are in the outbox, each number counted up to `limit`."""

    async def published(self, rows: Sequence[OutboxRow]) -> None:
        """Forget these events; they were acknowledged by the queue."""

    async def refuse(self, rows: Sequence[tuple[OutboxRow, str]]) -> None:
        """The queue refuses these events for good, each for a reason: keep them out of the relay's way."""

    async def refused(self, limit: int, *, after: int = 0) -> list[RefusedEvent]:
        """Refused events in order of their numbers, which are above `after`."""

    async def unrefuse(self, numbers: Sequence[int]) -> list[int]:
        """Have these refused events published after all. Returns the numbers that were there."""

    async def discard_refused(self, numbers: Sequence[int]) -> list[int]:
        """Remove these refused events for good. Returns the numbers that were there."""

    def on_outbox(self, wake: Callable[[], None]) -> None:
        """Call `wake` (on the event loop) after commits that wrote to the outbox.

        After every one of this process; after those of others where the store reports them.
        """


class Sweeper(Protocol):
    """Capability: a store that does not expire records and tombstones by itself."""

    async def sweep(self, *, now: float, tombstones_before: float, limit: int = 1000) -> int:
        """Remove expired records and tombstones written before the given unix seconds. Returns how many went."""
