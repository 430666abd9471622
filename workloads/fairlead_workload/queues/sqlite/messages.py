"""Operations on waiting and leased messages, each for many callers in one transaction.

Every change of a leased message is fenced by its receipt, position and number of deliveries: who held an earlier
lease of the same message changes nothing.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fairlead_contract.spec.bindings import Order
from fairlead_workload.errors import Refused
from fairlead_workload.queues.base import Delivery, Depth, Message

Receipt = tuple[int, int]  # position, deliveries
Row = tuple[Any, ...]

_INSERT = "INSERT INTO _messages (id, key, headers, body, enqueued_at, redrives, visible_at, queued_at, blocked)"
_ONCE = "ON CONFLICT DO NOTHING"  # of the same id and redrive count
_BLOCKED = "EXISTS (SELECT 1 FROM _messages WHERE key = ?2)"
_PUBLISH_BEHIND = f"{_INSERT} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, {_BLOCKED}) {_ONCE}"
# Rows per statement: SQLite gives up and takes back the interpreter at each one, which costs more than the row.
_PUBLISH = {
    size: f"{_INSERT} VALUES {', '.join(['(?, ?, ?, ?, ?, ?, ?, ?, 0)'] * size)} {_ONCE}" for size in (64, 16, 4, 1)
}
_LEASE = (
    "UPDATE _messages SET visible_at = ?, leased = leased + 1, deliveries = deliveries + 1 WHERE position IN"
    " (SELECT position FROM _messages WHERE blocked = 0 AND visible_at <= ? ORDER BY visible_at LIMIT ?)"
    " RETURNING position, deliveries, id, key, body, headers, enqueued_at, redrives, leased - 1"
)
_NEXT_DUE = "SELECT min(visible_at) FROM _messages WHERE blocked = 0"
_REMOVE = "DELETE FROM _messages WHERE position = ? AND deliveries = ? AND leased"
_EXTEND = "UPDATE _messages SET visible_at = ? WHERE position = ? AND deliveries = ? AND leased"
_RELEASE = "UPDATE _messages SET visible_at = ?, leased = 0 WHERE position = ? AND deliveries = ? AND leased"
_HOLD_TO_CLOCK = (
    "UPDATE _messages SET enqueued_at = min(enqueued_at, ?1), queued_at = min(queued_at, ?1),"
    " visible_at = min(visible_at, ?1 + CASE WHEN leased THEN ?2 WHEN deliveries = 0 AND enqueued_at > ?1 THEN 0"
    " ELSE ?3 END)"
    " WHERE max(visible_at, enqueued_at, queued_at) > ?1"
)
_UNBLOCK = (
    "UPDATE _messages SET blocked = 0 WHERE position = (SELECT min(position) FROM _messages WHERE key = ?) AND blocked"
)
_DEPTH = (
    "SELECT count(*) FILTER (WHERE visible_at <= ?1), count(*) FILTER (WHERE visible_at > ?1 AND NOT leased),"
    " count(*) FILTER (WHERE visible_at > ?1 AND leased), min(enqueued_at), (SELECT count(*) FROM _letters)"
    " FROM _messages"
)


@dataclass(frozen=True, slots=True)
class LeaseRequest:
    """Up to `limit` messages, each for `seconds`."""

    limit: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a message waits at most: when it is leased, and when it is not."""

    visibility_seconds: float
    longest_delay_seconds: float


@dataclass(frozen=True, slots=True)
class Leased:
    """What was leased and, if that is nothing, when the next message is due (unix seconds; None: none waits)."""

    deliveries: list[Delivery]
    next_due: float | None


def row(message: Message, *, now: float) -> Row:
    """The row of a message to publish `now` (unix seconds). Raises `Refused` for text that cannot be stored."""
    try:
        message.id.encode()
        message.key.encode()
        headers = msgspec.json.encode(message.headers).decode() if message.headers else None
    except (UnicodeError, TypeError, msgspec.MsgspecError) as error:
        raise Refused("queue", f"message {message.id!r} cannot be stored: {error}") from None
    return (message.id, message.key, headers, message.body, now, 0, now, now)


class Messages:
    """The operations, with what they depend on: `clock` gives unix seconds."""

    def __init__(self, order: Order, clock: Callable[[], float]) -> None:
        self._order = order
        self._clock = clock

    def publish(self, connection: sqlite3.Connection, requests: Sequence[Iterable[Row]]) -> list[None]:
        """Add messages that are not in the queue."""
        rows = [row for rows in requests for row in rows]
        if self._order is Order.KEY:
            connection.executemany(_PUBLISH_BEHIND, rows)
            return [None] * len(requests)
        start = 0
        for size, statement in _PUBLISH.items():
            while len(rows) - start >= size:
                connection.execute(statement, [value for row in rows[start : start + size] for value in row])
                start += size
        return [None] * len(requests)

    def lease(self, connection: sqlite3.Connection, requests: Sequence[LeaseRequest]) -> list[Leased]:
        """Lease deliverable messages, those due first first."""
        now = self._clock()
        return [self._lease(connection, request, now) for request in requests]

    def _lease(self, connection: sqlite3.Connection, request: LeaseRequest, now: float) -> Leased:
        rows = connection.execute(_LEASE, (now + request.seconds, now, request.limit)).fetchall()
        if not rows:
            return Leased([], connection.execute(_NEXT_DUE).fetchone()[0])
        rows.sort()
        return Leased([_delivery(row) for row in rows], None)

    def acknowledge(self, connection: sqlite3.Connection, requests: Sequence[Sequence[Delivery]]) -> list[None]:
        """Remove leased messages."""
        deliveries = [delivery for request in requests for delivery in request]
        connection.executemany(_REMOVE, (delivery.receipt for delivery in deliveries))
        self.unblock(connection, (delivery.message.key for delivery in deliveries))
        return [None] * len(requests)

    def extend(
        self, connection: sqlite3.Connection, requests: Sequence[tuple[Sequence[Delivery], float]]
    ) -> list[None]:
        """Renew leases for so many seconds from now."""
        now = self._clock()
        connection.executemany(
            _EXTEND, ((now + seconds, *delivery.receipt) for deliveries, seconds in requests for delivery in deliveries)
        )
        return [None] * len(requests)

    def release(
        self, connection: sqlite3.Connection, requests: Sequence[tuple[Sequence[Delivery], float]]
    ) -> list[None]:
        """Give leases back; the messages are due again after so many seconds."""
        now = self._clock()
        connection.executemany(
            _RELEASE, ((now + delay, *delivery.receipt) for deliveries, delay in requests for delivery in deliveries)
        )
        return [None] * len(requests)

    def hold_to_clock(self, connection: sqlite3.Connection, requests: Sequence[Waits]) -> list[None]:
        """The clock was ahead: nothing was published after now, or waits for longer than it may from now on."""
        for waits in requests:
            connection.execute(_HOLD_TO_CLOCK, (self._clock(), waits.visibility_seconds, waits.longest_delay_seconds))
        return [None] * len(requests)

    def unblock(self, connection: sqlite3.Connection, keys: Iterable[str]) -> None:
        """Let the oldest message of each key be delivered, now that an earlier one has left."""
        if self._order is Order.KEY:
            connection.executemany(_UNBLOCK, ((key,) for key in dict.fromkeys(keys)))

    def depth(self, connection: sqlite3.Connection, requests: Sequence[Any]) -> list[Depth]:
        """How full the queue is."""
        now = self._clock()
        ready, delayed, leased, oldest, dead = connection.execute(_DEPTH, (now,)).fetchone()
        age = max(0.0, now - oldest) if oldest is not None else 0.0
        return [Depth(ready, delayed, leased, dead, age)] * len(requests)


def _delivery(row: Row) -> Delivery:
    position, deliveries, id_, key, body, headers, enqueued_at, redrives, lost = row
    message = Message(id_, key, body, {} if headers is None else msgspec.json.decode(headers))
    return Delivery(message, (position, deliveries), deliveries, enqueued_at, redrives, lost)
