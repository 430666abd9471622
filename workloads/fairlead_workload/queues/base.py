"""The seam to brokers: durable publish, leased delivery, delays and dead letters.

This module defines messages, deliveries and dead letters, and what every adapter promises. Delivery is at least once;
nothing here counts attempts for the retry policy (the worker owns retries, brokers only wait).

An ending (`ack`, `retry`, `dead_letter`) that raised is none, as far as the worker knows: it forgets the delivery, and
the adapter delivers the message again by itself, unless the ending had its effect after all. Where leases run out, that
does it. An adapter without leases has to keep the message for that, and may not count it as done.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Message:
    """An encoded event. `key` groups messages whose order matters; `headers` travel beside the body where they can."""

    id: str
    key: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A leased message. `receipt` is the adapter's own handle; `enqueued_at` is unix seconds of the first publish."""

    message: Message
    receipt: Any
    deliveries: int | None  # how often the broker delivered it, this one included; None: it does not count
    enqueued_at: float
    redrives: int = 0  # how often it came back from the dead letters
    # How many leases before this one, in a row, were not ended: their worker died, or they ran out. 0 if unknown, too.
    lost: int = 0

    @property
    def may_be_repeated(self) -> bool:
        """Whether it may have been delivered before."""
        return self.deliveries is None or self.deliveries > 1

    def age_seconds(self, now: float) -> float:
        """How long ago it was first published; 0 when the clock was ahead then."""
        return max(0.0, now - self.enqueued_at)


PUBLISH_SECONDS = 6.0
"""How long a publish may take. The relay's lease lasts at least 8 seconds more when it publishes, that of a process on
its idempotency keys 30, and a staged write-back is shown for 60: whoever takes over must not publish beside it."""

WORKER_VERSION = version("fairlead")  # what a failure is recorded with


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message is a dead letter."""

    error_class: str  # Rejected, Exhausted, Expired, Undecodable, CompensationFailed, NoHandler
    error_code: str  # stable, such as "schema", "http-404", "maxAttempts"
    error_message: str  # cut to 1,000 characters, no secrets
    attempts: int  # that were made: 0 when the event only waited for a service that kept failing
    first_failed_at: float  # unix seconds
    last_failed_at: float
    worker_version: str
    traceparent: str = ""
    event_type: str = ""
    operation: str = ""  # id of the operation it belonged to, if any


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be handled, its bytes unchanged, with the reason and where it came from.

    `receipt` is the adapter's own handle, to send it back or remove it.
    """

    id: str  # what a person calls it by, unique in the queue
    message: Message
    origin: str  # name of the queue it came from
    enqueued_at: float
    redrives: int
    failure: Failure
    receipt: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which dead letters; all given parts must match."""

    event_type: str | None = None
    error_code: str | None = None
    since: float | None = None
    until: float | None = None
    keys: tuple[str, ...] | None = None  # of messages, any of them
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Depth:
    """How full a queue is, as exactly as the broker says it; None: it does not say that.

    `oldest_seconds` is the age of the oldest message that waits or is leased.
    """

    ready: int | None
    delayed: int | None
    leased: int | None
    dead: int | None
    oldest_seconds: float | None


@runtime_checkable
class Queue(Protocol):
    """A queue. Calls of one event-loop tick may share a round trip. Raises `Unavailable` / `Refused` ("queue")."""

    @property
    def retention_seconds(self) -> float:
        """How long after its publish, or after it was sent back from the dead letters, a message may be delivered.

        What is on record about a processed message is kept longer, so that no delivery of it is taken for a new one.
        """

    @property
    def lease_seconds(self) -> float | None:
        """How long a delivery is leased; None where there is nothing to renew."""

    @property
    def blocks_keys(self) -> bool:
        """Whether it is the queue that keeps `order: Key` among all processes.

        Then nothing behind a message that is leased, or waits for its delay, is delivered, but in the same `receive` as
        the message itself. Else a key belongs to one process at a time, whose gate keeps the order (`queues/gate.py`).
        """

    async def publish(self, messages: Sequence[Message]) -> list[Exception | None]:
        """Publish durably. One result per message, in order: None, or the error for which it is not in the queue.

        It returns within `PUBLISH_SECONDS`, whatever the broker does, with `Unavailable` for what it has not confirmed,
        which may be in the queue nevertheless. A driver whose own time-out is longer is given this one.
        Where the broker can tell, a message whose id is still in the queue is not added twice, unless that copy was
        redriven more or less often.
        """

    async def receive(self, limit: int, *, wait_seconds: float) -> list[Delivery]:
        """Lease up to `limit` messages, waiting up to `wait_seconds` for the first.

        Consuming begins with the first call, and not before: who only publishes, as a pod of the API, joins no consumer
        group, takes no partition or shard, and polls nothing.
        """

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Remove handled messages. A lease that has run out meanwhile is ignored."""

    async def retry(self, delivery: Delivery, *, delay_seconds: float) -> None:
        """Give the lease back; the message is delivered again after the delay."""

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        """Renew the leases for another visibility time-out."""

    async def dead_letter(self, delivery: Delivery, failure: Failure) -> None:
        """Move the message to the dead letters, durably, then remove it from the queue."""

    async def depth(self) -> Depth:
        """How full the queue is."""

    async def check(self) -> None:
        """Return when the queue can be used; raise otherwise. Used by readiness, a cheap call."""

    async def close(self) -> None:
        """Stop waiting receivers, finish what is under way and release all resources."""


@runtime_checkable
class DeadLetters(Protocol):
    """Capability: dead letters that can be looked at, sent back and removed."""

    def scan(self, match: LetterFilter) -> AsyncGenerator[DeadLetter, None]:
        """The dead letters that match, each once, in any order; those that come meanwhile may be among them.

        What it has given may be sent back or removed while it goes on, and its receipts hold for that long. Who stops
        before the end closes it. All of it takes time in proportion to the letters that there are.
        """

    async def redrive(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Send these back to the queue with a redrive count one higher. Returns those that were there."""

    async def purge(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Remove these for good. Returns those that were there."""
