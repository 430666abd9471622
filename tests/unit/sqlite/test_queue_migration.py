"""Files of releases that had a message once, whatever its redrive count: nothing that waits in them is lost."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fairlead_contract.spec.bindings import Order
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.sqlite import Database
from fairlead_workload.sqlite.database import DATABASE_FILE

FORMER = """
CREATE TABLE _messages (
  position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, key TEXT NOT NULL, headers TEXT,
  enqueued_at REAL NOT NULL, redrives INTEGER NOT NULL, visible_at REAL NOT NULL, leased INTEGER NOT NULL DEFAULT 0,
  deliveries INTEGER NOT NULL DEFAULT 0, blocked INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL
) STRICT;
CREATE INDEX _messages_due ON _messages (blocked, visible_at, leased, enqueued_at);
INSERT INTO _messages VALUES
  (3, 'waits', 'a', NULL, 10.0, 0, 10.0, 0, 0, 0, x'01'),
  (7, 'leased', 'a', '{"h":"v"}', 11.0, 2, 99.0, 1, 4, 0, x'02');
INSERT INTO _messages VALUES (9, 'gone', 'a', NULL, 12.0, 0, 12.0, 0, 0, 0, x'03');
DELETE FROM _messages WHERE id = 'gone';
"""
BY_KEY = """
CREATE INDEX _messages_key ON _messages (key, position);
INSERT INTO _marks VALUES ('queue order', 'Key');
UPDATE _messages SET blocked = 1 WHERE id = 'leased';
"""


def opened(data_dir: Path, order: Order) -> tuple[Database, SqliteQueue]:
    database = Database.open(data_dir)
    queue = SqliteQueue(
        database,
        order=order,
        visibility_seconds=60.0,
        retention_seconds=600.0,
        longest_delay_seconds=60.0,
        clock=lambda: 20.0,
    )
    return database, queue


@pytest.mark.parametrize("order", [Order.NONE, Order.KEY])
async def test_what_waits_in_a_former_file_is_delivered(tmp_path: Path, order: Order) -> None:
    await Database.open(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
        connection.executescript(FORMER + (BY_KEY if order is Order.KEY else ""))
    for _ in range(2):  # the second start finds the file as it is now
        database, queue = opened(tmp_path, order)
        seen = {}
        for _ in range(2):
            for delivery in await queue.receive(10, wait_seconds=0):
                seen[delivery.message.id] = (delivery.message.body, delivery.redrives, delivery.deliveries)
                await queue.ack([delivery]) if order is Order.KEY else None
        assert {name: found[:2] for name, found in seen.items()} in (
            {"waits": (b"\1", 0), "leased": (b"\2", 2)},
            {},  # with order by key they were acknowledged at the first start
        )
        await queue.close()
        await database.close()
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        (last,) = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = '_messages'").fetchone()
    assert last == 9, "positions that were used come again"
    assert "_former_messages" not in names
    assert ("_messages_key" in names) is (order is Order.KEY)
