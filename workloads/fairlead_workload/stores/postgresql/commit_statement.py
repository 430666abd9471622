"""Many units in one statement: those that write documents of at most one table, and require none.

It locks the rows that are there, sees which conditions hold, and writes the units of which all do. Rows that came after
it began make an insert fail, and with it the statement: then it is done again. So a unit is written as a whole or not,
and no update is lost.

Parameters: the record writes and the events, each as JSON with the number `n` of its unit; the least version of what is
new; the time; the mutations as JSON. `expect` is null for any, -1 for absent, -2 for present, else a version.
Result: what each mutation (kind 0) and record write (1) found, the units that were not written (2), the least version
that was used (3).
"""

from fairlead_workload.stores.postgresql.statements import EVENT_FIELDS, RECORD_FIELDS, DocumentSql, RecordSql
from fairlead_workload.stores.relational.statements import LIVE, VERSION

ABSENT, PRESENT = -1, -2
_HOLDS = (
    f"(expect IS NULL OR (expect = {ABSENT} AND NOT there) OR (expect = {PRESENT} AND there)"
    " OR (there AND found = expect))"
)
_NEW_VERSION = "greatest((SELECT least FROM b), found + 1)"
_IS_WRITTEN = "n NOT IN (SELECT n FROM f)"


def commit_statement(records: RecordSql, documents: DocumentSql | None) -> bytes:
    """The statement for units of one table of documents, or of none."""
    parts = [f"b AS MATERIALIZED (SELECT greatest($3::bigint, ({records.floor_value})) AS least)"]
    results = ["SELECT 1, n, p, found, there, expires FROM r", "SELECT 2, n, 0, NULL, NULL, NULL FROM f"]
    failing = "SELECT n FROM r WHERE NOT holds"
    written = ["ru", "ri", "ev"]
    if documents is not None:
        parts += _find_documents(documents)
        results.insert(0, "SELECT 0, n, p, found, there, NULL::float8 FROM d")
        failing += " UNION SELECT n FROM d WHERE NOT holds"
        written += ["du", "di"]
    parts += [*_find_records(records), f"f AS MATERIALIZED ({failing})"]
    if documents is not None:
        parts += _write_documents(documents)
    parts += [*_write_records(records), _write_events(records, documents)]
    counts = " + ".join(f"(SELECT count(*) FROM {name})" for name in written)  # in this order they are carried out
    results.append(f"SELECT 3, 0, ({counts})::int, least, NULL, NULL FROM b")
    return f"WITH {', '.join(parts)} {' UNION ALL '.join(results)}".encode()


def _find_documents(documents: DocumentSql) -> list[str]:
    """`d`: the mutations, with what is there (locked, in the order of keys), whether they hold, and their versions."""
    keys = ", ".join(documents.key_fields)
    return [
        (
            f"d0 AS MATERIALIZED (SELECT d.*, t.found, coalesce(t.there, false) AS there FROM"
            f" (SELECT * FROM json_to_recordset($5::json)"
            f" AS d (n int, p int, put bool, expect bigint, at bigint, {documents.definitions}) ORDER BY {keys}) AS d"
            f" LEFT JOIN LATERAL (SELECT t.{VERSION} AS found, t.{LIVE} AS there FROM {documents.table.name} AS t"
            f" WHERE {documents.matched('d')} FOR UPDATE) AS t ON true)"
        ),
        (
            f"d AS MATERIALIZED (SELECT *, {_HOLDS} AND (at IS NULL OR at > coalesce(found, 0)) AS holds,"
            " CASE WHEN at IS NOT NULL THEN at WHEN there THEN found + 1 WHEN NOT put THEN 0"
            f" ELSE {_NEW_VERSION} END AS v,"
            " CASE WHEN put THEN NULL ELSE $4::float8 END AS gone FROM d0)"
        ),
    ]


def _find_records(records: RecordSql) -> list[str]:
    """`r`: the same of the record writes."""
    return [
        (
            "r0 AS MATERIALIZED (SELECT r.*, t.found, coalesce(t.there, false) AS there, t.expires FROM"
            " (SELECT * FROM json_to_recordset($1::json)"
            f" AS r (n int, p int, expect bigint, {RECORD_FIELDS}) ORDER BY space, id) AS r"
            " LEFT JOIN LATERAL (SELECT t.revision AS found, t.expires_at AS expires,"
            f" t.expires_at IS NULL OR t.expires_at > $4::float8 AS there FROM {records.records} AS t"
            " WHERE t.space = r.space AND t.id = r.id FOR UPDATE) AS t ON true)"
        ),
        (
            f"r AS MATERIALIZED (SELECT *, {_HOLDS} AS holds,"
            f" CASE WHEN there THEN found + 1 ELSE {_NEW_VERSION} END AS v FROM r0)"
        ),
    ]


def _write_documents(documents: DocumentSql) -> list[str]:
    keys = ", ".join(documents.key_fields)
    return [
        (
            f"du AS ({documents.update} WHERE d.found IS NOT NULL AND d.v > 0 AND d.{_IS_WRITTEN}"
            f" AND {documents.matched('d')} RETURNING 1)"
        ),
        f"di AS ({documents.insert} WHERE d.found IS NULL AND d.v > 0 AND d.{_IS_WRITTEN} ORDER BY {keys} RETURNING 1)",
    ]


def _write_records(records: RecordSql) -> list[str]:
    return [
        f"ru AS ({records.update} AND r.found IS NOT NULL AND r.{_IS_WRITTEN} RETURNING 1)",
        (
            f"ri AS ({records.insert} WHERE r.found IS NULL AND r.value IS NOT NULL AND r.{_IS_WRITTEN}"
            " ORDER BY space, id RETURNING 1)"
        ),
    ]


def _write_events(records: RecordSql, documents: DocumentSql | None) -> str:
    version, join = "e.version", ""
    if documents is not None:
        version = "CASE WHEN e.mutation IS NULL THEN e.version ELSE d.v END"
        join = " LEFT JOIN d ON d.n = e.n AND d.p = e.mutation"
    return (
        f"ev AS ({records.insert_events(version)} FROM json_to_recordset($2::json) AS e (n int, {EVENT_FIELDS}){join}"
        f" WHERE e.{_IS_WRITTEN} ORDER BY e.position RETURNING 1)"
    )
