"""Operations on the outbox, each for many callers in one transaction: what waits to be published, and what is refused.

A position is never used twice. An event that the queue refuses for good keeps its own in a table beside the outbox, so
that reading the outbox never meets it.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence

import msgspec

from fairlead_workload.stores.base import OutboxRow, OutboxSize, RefusedEvent
from fairlead_workload.stores.relational.outbox import EVENT, REFUSAL, outbox_rows, refused_events

_READ = f"SELECT position, {EVENT} FROM _outbox"  # noqa: S608
_FREE = " WHERE key NOT IN (SELECT value FROM json_each(?))"
_SIZE = (
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM _outbox LIMIT ?1)),"
    " (SELECT count(*) FROM (SELECT 1 FROM _refused_events LIMIT ?1))"
)
_REFUSE = (
    f"INSERT INTO _refused_events (position, {EVENT}, {REFUSAL})"  # noqa: S608
    f" SELECT position, {EVENT}, ?, ? FROM _outbox WHERE position = ?"
)
_REMOVE = "DELETE FROM _outbox WHERE position = ?"
_REFUSED = (
    f"SELECT position, {EVENT}, {REFUSAL} FROM _refused_events"  # noqa: S608
    " WHERE position > ? ORDER BY position LIMIT ?"
)
_UNREFUSE = (
    f"INSERT INTO _outbox (position, {EVENT}) SELECT position, {EVENT} FROM _refused_events"  # noqa: S608
    " WHERE position = ?"
)
_REMOVE_REFUSED = "DELETE FROM _refused_events WHERE position = ?"


def unpublished(
    connection: sqlite3.Connection, requests: Sequence[tuple[int, Collection[str]]]
) -> list[list[OutboxRow]]:
    """Unpublished events, oldest first, without those of the keys that are held."""
    return [outbox_rows(_unpublished(connection, *request)) for request in requests]


def _unpublished(connection: sqlite3.Connection, limit: int, held: Collection[str]) -> Iterable[tuple[object, ...]]:
    if not held:
        return connection.execute(f"{_READ} ORDER BY position LIMIT ?", (limit,))
    keys = msgspec.json.encode(list(held)).decode()
    return connection.execute(f"{_READ}{_FREE} ORDER BY position LIMIT ?", (keys, limit))


def sizes(connection: sqlite3.Connection, limits: Sequence[int]) -> list[OutboxSize]:
    """How many events wait and are refused, counted up to each limit."""
    return [OutboxSize(*connection.execute(_SIZE, (limit,)).fetchone()) for limit in limits]


def published(connection: sqlite3.Connection, requests: Sequence[Sequence[OutboxRow]]) -> list[None]:
    """Remove events from the outbox."""
    connection.executemany(_REMOVE, ((row.handle,) for rows in requests for row in rows))
    return [None] * len(requests)


def refuse(
    connection: sqlite3.Connection, requests: Sequence[tuple[Sequence[tuple[OutboxRow, str]], float]]
) -> list[None]:
    """Move events to those that are refused."""
    for rows, now in requests:
        connection.executemany(_REFUSE, ((reason, now, row.handle) for row, reason in rows))
        connection.executemany(_REMOVE, ((row.handle,) for row, _ in rows))
    return [None] * len(requests)


def refused(connection: sqlite3.Connection, requests: Sequence[tuple[int, int]]) -> list[list[RefusedEvent]]:
    """Pages of refused events."""
    return [refused_events(connection.execute(_REFUSED, (after, limit))) for limit, after in requests]


def unrefuse(connection: sqlite3.Connection, requests: Sequence[Sequence[int]]) -> list[list[int]]:
    """Move refused events back to the outbox; the numbers that were there."""
    return [
        [
            number
            for number in numbers
            if connection.execute(_UNREFUSE, (number,)).rowcount and _discard(connection, number)
        ]
        for numbers in requests
    ]


def discard_refused(connection: sqlite3.Connection, requests: Sequence[Sequence[int]]) -> list[list[int]]:
    """Remove refused events; the numbers that were there."""
    return [[number for number in numbers if _discard(connection, number)] for numbers in requests]


def _discard(connection: sqlite3.Connection, number: int) -> bool:
    return connection.execute(_REMOVE_REFUSED, (number,)).rowcount > 0
