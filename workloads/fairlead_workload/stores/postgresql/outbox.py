"""Statements on the outbox: what waits to be published, and what the queue refuses.

Positions come from a sequence, drawn while the document is locked; so events of a document are in order of version, and
a position is never used twice. An event that is refused keeps its own in a table beside the outbox, so that reading the
outbox never meets it.
"""

from collections.abc import Collection, Sequence

import msgspec

from fairlead_workload.stores.base import OutboxRow
from fairlead_workload.stores.postgresql import tables
from fairlead_workload.stores.postgresql.connections import Statement
from fairlead_workload.stores.postgresql.dialect import array_text
from fairlead_workload.stores.relational.outbox import EVENT, REFUSAL


class OutboxSql:
    """The statements for the outbox of one schema."""

    def __init__(self, schema: str) -> None:
        outbox, refused = (tables.name(schema, table) for table in ("_outbox", "_refused_events"))
        read = f"SELECT position, {EVENT} FROM {outbox}"
        self._unpublished = f"{read} ORDER BY position LIMIT $1::bigint".encode()
        self._free = f"{read} WHERE key <> ALL($2::text[]) ORDER BY position LIMIT $1::bigint".encode()
        counted = "(SELECT count(*) FROM (SELECT 1 FROM {} LIMIT $1::bigint) AS c)"
        self._size = f"SELECT {counted.format(outbox)}, {counted.format(refused)}".encode()
        self._published = f"DELETE FROM {outbox} WHERE position = ANY($1::bigint[])".encode()
        self._refuse = (
            f"WITH r AS (SELECT * FROM json_to_recordset($1::json) AS r (position bigint, reason text)),"
            f" o AS (DELETE FROM {outbox} AS o USING r WHERE o.position = r.position RETURNING o.*)"
            f" INSERT INTO {refused} (position, {EVENT}, {REFUSAL})"
            f" SELECT position, {EVENT}, reason, $2::float8 FROM o JOIN r USING (position)"
        ).encode()
        self._refused = (
            f"SELECT position, {EVENT}, {REFUSAL} FROM {refused}"
            " WHERE position > $1::bigint ORDER BY position LIMIT $2::bigint"
        ).encode()
        self._discard_refused = f"DELETE FROM {refused} WHERE position = ANY($1::bigint[]) RETURNING position".encode()
        self._unrefuse = (
            f"WITH r AS (DELETE FROM {refused} WHERE position = ANY($1::bigint[]) RETURNING *)"
            f" INSERT INTO {outbox} (position, {EVENT}) SELECT position, {EVENT} FROM r RETURNING position"
        ).encode()

    def unpublished(self, limit: int, held: Collection[str]) -> Statement:
        """The oldest events, without those of the keys that are held."""
        if held:
            return Statement(self._free, (str(limit), array_text(held)), binary=True)
        return Statement(self._unpublished, (str(limit),), binary=True)

    def size(self, limit: int) -> Statement:
        return Statement(self._size, (str(limit),))

    def published(self, rows: Sequence[OutboxRow]) -> Statement:
        return Statement(self._published, (array_text(row.handle for row in rows),))

    def refuse(self, rows: Sequence[tuple[OutboxRow, str]], now: float) -> Statement:
        refused = [{"position": row.handle, "reason": reason.replace("\0", "\ufffd")} for row, reason in rows]
        return Statement(self._refuse, (msgspec.json.encode(refused).decode(), repr(now)))

    def refused(self, limit: int, after: int) -> Statement:
        return Statement(self._refused, (str(after), str(limit)), binary=True)

    def unrefuse(self, numbers: Sequence[int]) -> Statement:
        return Statement(self._unrefuse, (array_text(numbers),))

    def discard_refused(self, numbers: Sequence[int]) -> Statement:
        return Statement(self._discard_refused, (array_text(numbers),))
