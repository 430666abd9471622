"""Units on their way to PostgreSQL: their documents, records and events as JSON, and what may not be written together.

A unit is encoded when it is made, so that what cannot be stored is refused alone.
"""

from base64 import b64encode
from collections.abc import Hashable, Iterable
from typing import Any

import msgspec

from fairlead_workload.errors import Refused, Unstorable
from fairlead_workload.stores.base import Key, Mutation, OutboxEvent, RecordWrite, Unit
from fairlead_workload.stores.postgresql.faults import DATASTORE
from fairlead_workload.stores.postgresql.statements import Catalogue, DocumentSql
from fairlead_workload.stores.relational.rows import Row
from fairlead_workload.stores.relational.values import is_text

Lane = DocumentSql | Catalogue | None  # the units of one table of documents; of several; of none

INDEX_BYTES = 2_600  # of the values of one document in an index; PostgreSQL takes 2,704 with what it adds
BYTES_OF_WEIGHT = 16_384  # a batch of 256 has about 4 MiB at most

_encode = msgspec.json.Encoder().encode


class PreparedUnit(msgspec.Struct, frozen=True, eq=False):
    """A unit with its documents as JSON, for the tables of `catalogue`.

    `tables` and `rows` are those of its mutations, `required` those of its requirements that can be there.

    A row is the inside of a JSON object and its closing brace, so that fields can be put before it.
    """

    unit: Unit
    catalogue: Catalogue
    tables: tuple[DocumentSql, ...]
    rows: tuple[bytes, ...]
    required: tuple[tuple[DocumentSql, Key], ...]

    @property
    def lane(self) -> Lane:
        if self.unit.requires or len(set(self.tables)) > 1:
            return self.catalogue
        return self.tables[0] if self.tables else None

    @property
    def weight(self) -> int:
        """How much of a batch it takes, by the size of what is sent."""
        size = sum(map(len, self.rows)) + sum(len(event.body) for event in self.unit.outbox)
        return 1 + size // BYTES_OF_WEIGHT

    @property
    def keys(self) -> list[Hashable]:
        """What no other unit may write at the same time."""
        documents = [(mutation.resource, mutation.key) for mutation in self.unit.mutations]
        return [*documents, *((write.space, write.id, "record") for write in self.unit.records)]


def prepare(unit: Unit, catalogue: Catalogue) -> PreparedUnit:
    """Encode the unit's documents. Raises `Refused` for keys and values that cannot be stored."""
    tables = tuple(catalogue.find(mutation.resource) for mutation in unit.mutations)
    rows = tuple(_row(table, mutation) for table, mutation in zip(tables, unit.mutations, strict=True))
    for name in _names(unit):
        if not is_text(name):
            raise Refused(DATASTORE, f"PostgreSQL cannot store the name {name!r}")
    required = []
    for resource, key in unit.requires:
        table = catalogue.find(resource)
        comparable = table.codec.key(key)
        if comparable is not None:
            required.append((table, comparable))
    return PreparedUnit(unit, catalogue, tables, rows, tuple(required))


def _names(unit: Unit) -> Iterable[str]:
    for write in unit.records:
        yield write.space
        yield write.id
    for event in unit.outbox:
        yield event.id
        yield event.key


def _row(table: DocumentSql, mutation: Mutation) -> bytes:
    key = table.codec.storable_key(mutation.key)
    document = mutation.document
    row = table.codec.tombstone(key) if document is None else table.codec.encode(key, document)
    fields = {field: value for field, value in zip(table.fields, row, strict=True) if value is not None}
    try:
        text = _encode(fields)
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused(DATASTORE, f"{table.resource}: a value cannot be stored as JSON: {error}") from None
    if b"\\u0000" in text:
        _check_nul(table, row)
    if len(text) > INDEX_BYTES:
        _check_indexes(table, row)
    return text[1:]


def _check_indexes(table: DocumentSql, row: Row) -> None:
    """Raise `Unstorable` for the longest of values that together are too long for an index."""
    for columns in table.indexed:
        sizes = {column: len(row[column].encode()) for column in columns if isinstance(row[column], str)}
        if sum(sizes.values()) > INDEX_BYTES:
            longest = max(sizes, key=lambda column: sizes[column])
            reason = f"has {sizes[longest]} bytes, and an index takes {INDEX_BYTES} at most"
            raise Unstorable(table.resource, table.table.layout.columns[longest].property, reason)


def _check_nul(table: DocumentSql, row: Row) -> None:
    """Raise `Refused` if a string has a NUL, which PostgreSQL's text cannot hold, with the property that has it."""
    properties = [column.property for column in table.table.layout.columns]
    values = dict(zip(properties, row, strict=False))
    extra = row[len(properties)]
    values |= extra[0] if isinstance(extra, list) else extra or {}
    for property_, value in values.items():
        if _has_nul(value) or "\0" in property_:
            raise Unstorable(
                table.resource, property_, "has a string with the character NUL, which PostgreSQL cannot store"
            )


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in name or _has_nul(item) for name, item in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))


def array(parts: Iterable[bytes]) -> str:
    """A JSON array of values that are JSON already."""
    return (b"[" + b",".join(parts) + b"]").decode()


def record_fields(write: RecordWrite) -> dict[str, Any]:
    """A record write as the statements take it."""
    value = None if write.value is None else b64encode(write.value).decode()
    return {"space": write.space, "id": write.id, "value": value, "until": write.expires_at}


def event_fields(event: OutboxEvent) -> dict[str, Any]:
    """An event as the statements take it."""
    return {
        "id": event.id,
        "key": event.key,
        "body": b64encode(event.body).decode(),
        "mutation": event.mutation,
        "version": event.version,
    }
