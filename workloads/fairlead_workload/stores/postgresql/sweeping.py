"""Statements that remove what is past: expired records and old tombstones.

With them goes the memory of their versions, so a mark rises above these in the same transaction. Rows that others hold
are left for the next time; so any number of workers may sweep.
"""

from fairlead_workload.stores.postgresql import tables
from fairlead_workload.stores.postgresql.connections import Statement
from fairlead_workload.stores.postgresql.statements import DocumentSql
from fairlead_workload.stores.relational.statements import DELETED_AT, VERSION


class SweepSql:
    """The statements for one schema. Each returns how many rows went."""

    def __init__(self, schema: str) -> None:
        marks, records = tables.name(schema, "_marks"), tables.name(schema, "_records")
        self._counted = (
            f" m AS (INSERT INTO {marks} (name, value) SELECT '{tables.FLOOR}', max(version) + 1 FROM gone"
            f" HAVING count(*) > 0 ON CONFLICT (name) DO UPDATE SET value = greatest({marks}.value, excluded.value))"
            " SELECT count(*) FROM gone"
        )
        self._records = (
            f"WITH old AS (SELECT space, id FROM {records} WHERE expires_at <= $1::float8 ORDER BY expires_at"
            " LIMIT $2::bigint FOR UPDATE SKIP LOCKED),"
            f" gone AS (DELETE FROM {records} AS t USING old WHERE t.space = old.space AND t.id = old.id"
            f" RETURNING t.revision AS version),{self._counted}"
        ).encode()

    def records(self, now: float, limit: int) -> Statement:
        """Records that are expired `now`, and those that were removed."""
        return Statement(self._records, (repr(now), str(limit)))

    def tombstones(self, documents: DocumentSql, before: float, limit: int) -> Statement:
        """Tombstones of one table that were written before a time."""
        name, keys = documents.table.name, documents.table.key
        selected = ", ".join(keys)
        matched = " AND ".join(f"t.{key} = old.{key}" for key in keys)
        sql = (
            f"WITH old AS (SELECT {selected} FROM {name} WHERE {DELETED_AT} < $1::float8 ORDER BY {DELETED_AT}"
            " LIMIT $2::bigint FOR UPDATE SKIP LOCKED),"
            f" gone AS (DELETE FROM {name} AS t USING old WHERE {matched} RETURNING t.{VERSION} AS version),"
            f"{self._counted}"
        )
        return Statement(sql.encode(), (repr(before), str(limit)))
