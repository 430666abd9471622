"""PostgreSQL's statements for documents, records and the outbox: one text for each table, so that it is prepared once.

Rows come as one JSON text. The fields of a document are named by position (`c0`, `c1`, ... and `x` for `_extra`), so
the name of a property is never in the way. Every statement locks rows in the order of their keys, and every transaction
documents before records, and inserts after it has locked. So no two of ours wait for each other in a circle.
"""

from collections.abc import Iterable, Iterator

from fairlead_workload.errors import Refused
from fairlead_workload.stores.postgresql import tables
from fairlead_workload.stores.postgresql.dialect import DIALECT, array_parameter
from fairlead_workload.stores.postgresql.faults import DATASTORE
from fairlead_workload.stores.relational.layout import Layout
from fairlead_workload.stores.relational.statements import DELETED_AT, EXTRA, LAYOUT, LIVE, VERSION, Table

RECORD_FIELDS = 'space text COLLATE "C", id text COLLATE "C", value text, until float8'
EVENT_FIELDS = "position int, id text, key text, body text, mutation int, version bigint"


class DocumentSql:
    """The table of a resource, and its statements.

    `fields` name the columns of a row in JSON, the key's first; `indexed` has the columns of each index, by position.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self.codec = table.codec
        self.resource = table.resource
        layout = table.layout
        columns = tuple(f"c{position}" for position in range(len(layout.columns)))
        types = [DIALECT.column_type(column.kind) for column in layout.columns]
        definitions = [f"{field} {type_}" for field, type_ in zip(columns, types, strict=True)]
        self.fields = (*columns, "x")
        self.key_fields = columns[: len(layout.key)]
        self.indexed = list(_indexed(layout))
        self.definitions = ", ".join([*definitions, "x json"])
        self.key_definitions = ", ".join(definitions[: len(layout.key)])
        self.get = self._get().encode()
        self.lock = self._lock("UPDATE").encode()
        self.share = self._lock("SHARE").encode()
        self.write = self._write().encode()

    def _get(self) -> str:
        table = self.table
        kinds = [table.layout.column(property_).kind for property_ in table.layout.key]
        if len(kinds) == 1:
            condition = f"{table.key[0]} = ANY({array_parameter(1, kinds[0])})"
            return f"SELECT {table.selected} FROM {table.name} WHERE {condition} AND {LIVE}"
        arrays = ", ".join(array_parameter(position, kind) for position, kind in enumerate(kinds, 1))
        matched = " AND ".join(f"{name} = w.{field}" for name, field in zip(table.key, self.key_fields, strict=True))
        return (
            f"SELECT {table.selected} FROM unnest({arrays}) AS w ({', '.join(self.key_fields)})"
            f" JOIN {table.name} ON {matched} WHERE {LIVE}"
        )

    def _lock(self, mode: str) -> str:
        """The state of documents by their numbers in the parameter, and a lock on each that is there."""
        return (
            f"SELECT i.n, t.{VERSION}, t.{LIVE} FROM json_to_recordset($1::json) AS i (n int, {self.key_definitions})"
            f" JOIN {self.table.name} AS t ON {self.matched('i')} ORDER BY {self.ordered} FOR {mode} OF t"
        )

    def _write(self) -> str:
        """Write rows under `v`, `gone` being when the document was deleted; `new`: there is no row yet."""
        return (
            f"WITH d AS MATERIALIZED (SELECT * FROM json_to_recordset($1::json)"
            f" AS d (new bool, v bigint, gone float8, {self.definitions})),"
            f" u AS ({self.update} WHERE NOT d.new AND {self.matched('d')})"
            f" {self.insert} WHERE d.new ORDER BY {', '.join(self.key_fields)}"
        )

    @property
    def ordered(self) -> str:
        return ", ".join(f"t.{name}" for name in self.table.key)

    @property
    def insert(self) -> str:
        """Insert the rows `d`, under `v` and `gone`."""
        columns = ", ".join([*self.table.columns, EXTRA, VERSION, DELETED_AT, LAYOUT])
        values = ", ".join([*(f"d.{field}" for field in self.fields), "d.v", "d.gone", str(self.table.layout.number)])
        return f"INSERT INTO {self.table.name} ({columns}) SELECT {values} FROM d"

    @property
    def update(self) -> str:
        """Replace rows by the rows `d`, under `v` and `gone`."""
        size = len(self.key_fields)
        names = [*self.table.columns[size:], EXTRA]
        assigned = [f"{name} = d.{field}" for name, field in zip(names, self.fields[size:], strict=True)]
        assigned += [f"{VERSION} = d.v", f"{DELETED_AT} = d.gone", f"{LAYOUT} = {self.table.layout.number}"]
        return f"UPDATE {self.table.name} AS t SET {', '.join(assigned)} FROM d"

    def matched(self, rows: str) -> str:
        pairs = zip(self.table.key, self.key_fields, strict=True)
        return " AND ".join(f"t.{name} = {rows}.{field}" for name, field in pairs)


def _indexed(layout: Layout) -> Iterator[list[int]]:
    """The positions of the columns of the primary key, and of each index, which ends in the key."""
    positions = {column.property: position for position, column in enumerate(layout.columns)}
    yield [positions[property_] for property_ in layout.key]
    for index in layout.indexes:
        names = dict.fromkeys([index.partition, *([index.sort] if index.sort else []), *layout.key])
        yield [positions[property_] for property_ in names]


class Catalogue:
    """The tables of an ApiService, as they are at one time."""

    def __init__(self, schema: str, layouts: Iterable[Layout]) -> None:
        self._tables = {layout.table: DocumentSql(Table(schema, layout, DIALECT)) for layout in layouts}

    def __iter__(self) -> Iterator[DocumentSql]:
        return iter(self._tables.values())

    def find(self, resource: str) -> DocumentSql:
        """The table of a resource. Raises `Refused`."""
        table = self._tables.get(resource)
        if table is None:
            raise Refused(DATASTORE, f"there is no resource '{resource}'")
        return table


class RecordSql:
    """The statements for the records and the outbox of a schema."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self.records = tables.name(schema, "_records")
        self.outbox = tables.name(schema, "_outbox")
        self.floor_value = f"SELECT value FROM {tables.name(schema, '_marks')} WHERE name = '{tables.FLOOR}'"
        self.floor = self.floor_value.encode()
        self.get = (
            f"SELECT t.space, t.id, t.value, t.revision, t.expires_at FROM unnest($1::text[], $2::text[])"
            f" AS w (space, id) JOIN {self.records} AS t ON t.space = w.space AND t.id = w.id"
        ).encode()
        self.lock = (
            f"SELECT t.space, t.id, t.revision, t.expires_at FROM json_to_recordset($1::json)"
            f' AS i (space text COLLATE "C", id text COLLATE "C") JOIN {self.records} AS t'
            " ON t.space = i.space AND t.id = i.id ORDER BY t.space, t.id FOR UPDATE OF t"
        ).encode()
        self.write = (
            f"WITH r AS MATERIALIZED (SELECT * FROM json_to_recordset($1::json)"
            f" AS r (new bool, v bigint, {RECORD_FIELDS})), u AS ({self.update} AND NOT r.new)"
            f" {self.insert} WHERE r.new ORDER BY space, id"
        ).encode()
        self.publish = (
            f"{self.insert_events('e.version')} FROM json_to_recordset($1::json) AS e ({EVENT_FIELDS})"
            " ORDER BY e.position"
        ).encode()

    @property
    def insert(self) -> str:
        """Insert the records `r`, under the revision `v`."""
        return (
            f"INSERT INTO {self.records} (space, id, value, revision, expires_at)"
            " SELECT r.space, r.id, decode(r.value, 'base64'), r.v, r.until FROM r"
        )

    @property
    def update(self) -> str:
        """Replace the records `r`. One without a value is removed: it stays as an expired one."""
        return (
            f"UPDATE {self.records} AS t SET value = coalesce(decode(r.value, 'base64'), ''), revision = r.v,"
            " expires_at = CASE WHEN r.value IS NULL THEN 0 ELSE r.until END FROM r"
            " WHERE t.space = r.space AND t.id = r.id"
        )

    def insert_events(self, version: str) -> str:
        """Insert the events `e`."""
        return (
            f"INSERT INTO {self.outbox} (id, key, body, mutation, version)"
            f" SELECT e.id, e.key, decode(e.body, 'base64'), e.mutation, {version}"
        )
