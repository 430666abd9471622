"""The tables of the queue.

A message is deliverable when `visible_at` has come and nothing of its key blocks it; one column serves delays, leases
and retries alike. Positions are never used twice, so position and number of deliveries together distinguish one lease
from every other. A server opens the file alone: leases that it finds are those of one that was killed, and void.
`leased` counts leases in a row that nobody ended, with the present one.

`queued_at` is when this attempt was published, or sent back from the dead letters. A message is in the queue once for
each redrive count: a redriven one is another attempt, which a copy of the former attempt must not stand for.

With `order: Key` a message behind another of its key is `blocked` until that one has left the queue.
"""

import sqlite3

from fairlead_contract.spec.bindings import Order

_TABLES = """
CREATE TABLE IF NOT EXISTS _messages (
  position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, key TEXT NOT NULL, headers TEXT,
  enqueued_at REAL NOT NULL, redrives INTEGER NOT NULL, visible_at REAL NOT NULL, queued_at REAL NOT NULL,
  leased INTEGER NOT NULL DEFAULT 0, deliveries INTEGER NOT NULL DEFAULT 0, blocked INTEGER NOT NULL DEFAULT 0,
  body BLOB NOT NULL, UNIQUE (id, redrives)
) STRICT;
CREATE INDEX IF NOT EXISTS _messages_due ON _messages (blocked, visible_at, leased, enqueued_at);
CREATE TABLE IF NOT EXISTS _letters (
  position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, key TEXT NOT NULL, headers TEXT,
  enqueued_at REAL NOT NULL, redrives INTEGER NOT NULL, origin TEXT NOT NULL, error_class TEXT NOT NULL,
  error_code TEXT NOT NULL, error_message TEXT NOT NULL, attempts INTEGER NOT NULL, first_failed_at REAL NOT NULL,
  last_failed_at REAL NOT NULL, worker_version TEXT NOT NULL, traceparent TEXT NOT NULL, event_type TEXT NOT NULL,
  operation TEXT NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS _letters_failed ON _letters (last_failed_at);
"""
_VOID = "UPDATE _messages SET visible_at = 0 WHERE leased"
_ORDER = "queue order"
# Files of releases up to 0.1 have a message once, whatever its redrive count. SQLite cannot drop a constraint.
_FORMER = "id TEXT NOT NULL UNIQUE"
_COLUMNS = "position, id, key, headers, enqueued_at, redrives, visible_at, leased, deliveries, blocked, body"
_SET_ASIDE = (
    "DROP INDEX IF EXISTS _messages_due",
    "DROP INDEX IF EXISTS _messages_key",
    "ALTER TABLE _messages RENAME TO _former_messages",
)
_BRING_BACK = (
    "INSERT INTO sqlite_sequence SELECT '_messages', seq FROM sqlite_sequence WHERE name = '_former_messages'",
    f"INSERT INTO _messages ({_COLUMNS}, queued_at) SELECT {_COLUMNS}, enqueued_at FROM _former_messages",  # noqa: S608
    "DROP TABLE _former_messages",
)
_BY_KEY = "CREATE INDEX IF NOT EXISTS _messages_key ON _messages (key, position)"
_BLOCK = (
    "UPDATE _messages SET blocked = EXISTS ("
    "SELECT 1 FROM _messages AS earlier WHERE earlier.key = _messages.key AND earlier.position < _messages.position)"
)


def migrate(connection: sqlite3.Connection, order: Order | None) -> Order:
    """Make the tables and the order of delivery fit, inside the open transaction. `order` None: beside a server."""
    statements = [statement for statement in _TABLES.split(";") if statement.strip()]
    if order is not None and _is_former(connection):
        statements = [*_SET_ASIDE, *statements, *_BRING_BACK, *([_BY_KEY] if _is_by_key(connection) else [])]
    for statement in statements:
        connection.execute(statement)
    if order is not None:
        connection.execute(_VOID)
    row = connection.execute("SELECT value FROM _marks WHERE name = ?", (_ORDER,)).fetchone()
    former = Order(row[0]) if row else None
    if former is not None and order in (None, former):
        return former
    order = order or Order.NONE
    if order is Order.KEY:
        connection.execute(_BY_KEY)
        connection.execute(_BLOCK)
    else:
        connection.execute("UPDATE _messages SET blocked = 0 WHERE blocked")
        connection.execute("DROP INDEX IF EXISTS _messages_key")
    connection.execute("INSERT OR REPLACE INTO _marks VALUES (?, ?)", (_ORDER, str(order)))
    return order


def _is_former(connection: sqlite3.Connection) -> bool:
    """Whether the file has the table of a former release."""
    row = connection.execute("SELECT sql FROM sqlite_schema WHERE name = '_messages'").fetchone()
    return row is not None and _FORMER in row[0]


def _is_by_key(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema WHERE name = '_messages_key'").fetchone() is not None
