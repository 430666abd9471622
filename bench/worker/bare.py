"""Baseline A of the worker: the least that applies the same events durably, in a plain loop.

    python -m bench.worker.bare KIND COUNT FOLDER

It takes waiting events from a table, decodes each, reads the document, writes it with the change, and removes the
event; each 256 events are one transaction with synchronous=FULL. It knows neither schema nor operations nor inbox nor
cache, and forgets nothing at a crash only because queue and documents are in one file. Where handlers make more
events of a write, A applies the write's event as often.
"""

import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.worker import kinds
from bench.worker.kinds import KINDS, Kind
from bench.worker.result import Result
from fairlead_workload.process import garbage
from fairlead_workload.queues.base import Message
from fairlead_workload.worker.loop import BATCH

_TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA cache_size = -16384;
CREATE TABLE messages (position INTEGER PRIMARY KEY, key TEXT NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE documents (key TEXT PRIMARY KEY, document BLOB NOT NULL) STRICT, WITHOUT ROWID;
"""
_WAITING = f"SELECT position, key, body FROM messages ORDER BY position LIMIT {BATCH}"
_WRITE = "INSERT INTO documents VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET document = excluded.document"


def measure(kind: Kind, count: int, folder: Path) -> Result:
    """Apply the events of `kind`, and say how long it took."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    try:
        connection.executescript(_TABLES)
        _publish(connection, kinds.stored(kind))
        _apply_all(connection)
        messages = kinds.written(kind, count)
        for _ in range(kind.events_each):
            _publish(connection, messages)
        garbage.freeze_gc()
        began, cpu = time.perf_counter(), time.process_time()
        _apply_all(connection)
        return Result(count * kind.events_each, time.perf_counter() - began, time.process_time() - cpu)
    finally:
        connection.close()


def _publish(connection: sqlite3.Connection, messages: Sequence[Message]) -> None:
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO messages (key, body) VALUES (?, ?)", [(message.key, message.body) for message in messages]
    )
    connection.execute("COMMIT")


def _apply_all(connection: sqlite3.Connection) -> None:
    while rows := connection.execute(_WAITING).fetchall():
        connection.execute("BEGIN IMMEDIATE")
        for _, key, body in rows:
            found = connection.execute("SELECT document FROM documents WHERE key = ?", (key,)).fetchone()
            document = {} if found is None else msgspec.json.decode(found[0])
            document |= msgspec.json.decode(body)["data"]["body"]
            connection.execute(_WRITE, (key, msgspec.json.encode(document)))
        connection.executemany("DELETE FROM messages WHERE position = ?", [(position,) for position, _, _ in rows])
        connection.execute("COMMIT")


if __name__ == "__main__":
    name, number, place = sys.argv[1:]
    print(measure(KINDS[name], int(number), Path(place)).line())
