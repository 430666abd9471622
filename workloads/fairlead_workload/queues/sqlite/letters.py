"""Operations on dead letters, each for many callers in one transaction.

They are read in pages, in the order of their positions, which is that in which they failed for good. A receipt is a
position, an id the same in decimal.
"""

import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple
from itertools import takewhile
from typing import Any

import msgspec

from fairlead_workload.queues.base import WORKER_VERSION, DeadLetter, Delivery, Failure, LetterFilter, Message
from fairlead_workload.queues.sqlite.messages import Messages, Row

_FAILURE = (
    "error_class, error_code, error_message, attempts, first_failed_at, last_failed_at, worker_version, traceparent,"
    " event_type, operation"
)
_DEAD_LETTER = (
    f"INSERT INTO _letters (id, key, headers, body, enqueued_at, redrives, origin, {_FAILURE})"  # noqa: S608
    " SELECT id, key, headers, body, enqueued_at, redrives, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM _messages"
    " WHERE position = ? AND deliveries = ? AND leased"
)
_READ = f"SELECT position, id, key, body, headers, origin, enqueued_at, redrives, {_FAILURE} FROM _letters"  # noqa: S608
_TAKE = "DELETE FROM _letters WHERE position = ? RETURNING id, key, headers, body, enqueued_at, redrives + 1"
_OLDEST = (
    "SELECT position, queued_at, key FROM _messages WHERE NOT (leased AND visible_at > ?) ORDER BY position LIMIT ?"
)
_EXPIRE = (
    f"INSERT INTO _letters (id, key, headers, body, enqueued_at, redrives, origin, {_FAILURE})"  # noqa: S608
    " SELECT id, key, headers, body, enqueued_at, redrives, ?1, 'Expired', 'retention', ?2, deliveries, ?3, ?3, ?4, '',"
    " '', '' FROM _messages WHERE position = ?5"
)
_REMOVE = "DELETE FROM _messages WHERE position = ?"
_ID = re.compile(r"[1-9][0-9]{0,17}")
_MESSAGE_LIMIT = 1000  # characters of `error_message` kept


class Letters:
    """The operations, with what they depend on: `clock` gives unix seconds, `origin` is the name of the queue."""

    def __init__(self, messages: Messages, *, origin: str, clock: Callable[[], float]) -> None:
        self._messages = messages
        self._origin = origin
        self._clock = clock

    def dead_letter(self, connection: sqlite3.Connection, requests: Sequence[tuple[Delivery, Failure]]) -> list[None]:
        """Move leased messages to the dead letters."""
        connection.executemany(
            _DEAD_LETTER, ((self._origin, *_cut(failure), *one.receipt) for one, failure in requests)
        )
        self._messages.acknowledge(connection, [[delivery for delivery, _ in requests]])
        return [None] * len(requests)

    def redrive(self, connection: sqlite3.Connection, requests: Sequence[Sequence[int]]) -> list[set[int]]:
        """Send letters at these positions back to the queue; those that were there."""
        return [{position for position in positions if self._redrive(connection, position)} for positions in requests]

    def _redrive(self, connection: sqlite3.Connection, position: int) -> bool:
        taken = _take(connection, position)
        if taken is None:
            return False
        now = self._clock()
        self._messages.publish(connection, [[(*taken, now, now)]])
        return True

    def purge(self, connection: sqlite3.Connection, requests: Sequence[Sequence[int]]) -> list[set[int]]:
        """Remove letters at these positions; those that were there."""
        return [{at for at in positions if _take(connection, at) is not None} for positions in requests]

    def expire(self, connection: sqlite3.Connection, requests: Sequence[tuple[float, int]]) -> list[int]:
        """Move messages that have been in the queue for so many seconds to the dead letters, at most so many."""
        return [self._expire(connection, *request) for request in requests]

    def _expire(self, connection: sqlite3.Connection, seconds: float, limit: int) -> int:
        now = self._clock()
        rows = connection.execute(_OLDEST, (now, limit)).fetchall()  # positions grow with the time of the publish
        expired = list(takewhile(lambda row: row[1] <= now - seconds, rows))
        reason = f"it was in the queue for more than {seconds / 3600:.0f} hours"
        connection.executemany(_EXPIRE, ((self._origin, reason, now, WORKER_VERSION, row[0]) for row in expired))
        connection.executemany(_REMOVE, ((row[0],) for row in expired))
        self._messages.unblock(connection, (row[2] for row in expired))
        return len(expired)

    def sweep(self, connection: sqlite3.Connection, requests: Sequence[tuple[float, int]]) -> list[int]:
        """Remove letters that failed before the given unix seconds, at most so many."""
        old = "SELECT position FROM _letters WHERE last_failed_at < ? ORDER BY last_failed_at LIMIT ?"
        delete = f"DELETE FROM _letters WHERE position IN ({old})"  # noqa: S608
        return [connection.execute(delete, request).rowcount for request in requests]


def read(connection: sqlite3.Connection, requests: Sequence[tuple[LetterFilter, int, int]]) -> list[list[DeadLetter]]:
    """Pages of dead letters: those that match, so many at most, behind a position."""
    return [_page(connection, *request) for request in requests]


def _page(connection: sqlite3.Connection, match: LetterFilter, limit: int, after: int) -> list[DeadLetter]:
    terms = [
        ("position > ?", after),
        ("event_type = ?", match.event_type),
        ("error_code = ?", match.error_code),
        ("last_failed_at >= ?", match.since),
        ("last_failed_at <= ?", match.until),
        ("key IN (SELECT value FROM json_each(?))", _json(match.keys)),
        ("position IN (SELECT value FROM json_each(?))", _json(_positions(match.ids))),
    ]
    used = [(term, value) for term, value in terms if value is not None]
    where = " WHERE " + " AND ".join(term for term, _ in used)
    values = [value for _, value in used]
    return [_letter(row) for row in connection.execute(f"{_READ}{where} ORDER BY position LIMIT ?", (*values, limit))]


def _letter(row: Row) -> DeadLetter:
    position, id_, key, body, headers, origin, enqueued_at, redrives, *failure = row
    message = Message(id_, key, body, {} if headers is None else msgspec.json.decode(headers))
    return DeadLetter(str(position), message, origin, enqueued_at, redrives, Failure(*failure), position)


def _take(connection: sqlite3.Connection, position: int) -> Row | None:
    found: list[Row] = connection.execute(_TAKE, (position,)).fetchall()
    return found[0] if found else None


def _position(id_: str) -> int:
    """The position an id stands for; -1, which no letter has, for text that is none, such as 007."""
    return int(id_) if _ID.fullmatch(id_) else -1


def _positions(ids: Iterable[str] | None) -> list[int] | None:
    return None if ids is None else [_position(id_) for id_ in ids]


def _json(values: Iterable[str | int] | None) -> str | None:
    return None if values is None else msgspec.json.encode(list(values)).decode()


def _cut(failure: Failure) -> tuple[Any, ...]:
    values = astuple(failure)
    return (*values[:2], failure.error_message[:_MESSAGE_LIMIT], *values[3:])
