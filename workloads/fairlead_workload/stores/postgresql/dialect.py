"""PostgreSQL's words: types, identifiers and parameters.

Text has the collation "C", so it is compared byte by byte. Numbers are `numeric`, which keeps 1 and 1.0 apart. Nested
values are `json`, which keeps the text as it was written. Parameters travel as text and are cast where they stand, so
that a statement has one plan whatever its values are.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from fairlead_workload.stores.relational import names
from fairlead_workload.stores.relational.layout import Kind, quoted

NAME_BYTES = 63
OWN_TABLES = ("_records", "_outbox", "_refused_events", "_layouts", "_marks", "_owner")
_SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
_COLUMN_TYPES = {
    Kind.TEXT: 'text COLLATE "C"',
    Kind.INTEGER: "bigint",
    Kind.NUMBER: "numeric",
    Kind.BOOLEAN: "boolean",
    Kind.JSON: "json",
    Kind.SCALAR: 'text COLLATE "C"',
}
_PARAMETER_TYPES = {kind: type_.partition(" ")[0] for kind, type_ in _COLUMN_TYPES.items()}


class PostgresqlDialect:
    """The `Dialect` of PostgreSQL."""

    own_columns = (
        "_extra json",
        "_version bigint NOT NULL",
        "_layout integer NOT NULL",
        "_deleted_at double precision",
    )

    def quoted(self, name: str) -> str:
        return quoted(name)

    def name(self, wanted: str, taken: Collection[str]) -> str:
        return names.bounded_name(wanted, _SYSTEM_COLUMNS.union(taken), limit_bytes=NAME_BYTES)

    def column_type(self, kind: Kind) -> str:
        return _COLUMN_TYPES[kind]

    def parameter(self, position: int, kind: Kind) -> str:
        return f"${position}::{_PARAMETER_TYPES[kind]}"


DIALECT = PostgresqlDialect()


def schema_name(namespace: str, name: str) -> str:
    """The schema of an ApiService."""
    return names.schema_name(namespace, name, limit_bytes=NAME_BYTES)


def array_parameter(position: int, kind: Kind) -> str:
    """A parameter that is an array of values of `kind`, written by `array_text`."""
    return f"${position}::{_PARAMETER_TYPES[kind]}[]"


def array_text(values: Iterable[Any]) -> str:
    """An array as PostgreSQL reads it."""
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Any) -> str:
    if type(value) is str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text(value)


def text(value: Any) -> str:
    """A parameter as text."""
    if value is True:
        return "true"
    return "false" if value is False else str(value)


def texts(values: Sequence[Any]) -> list[str]:
    """Parameters as text."""
    return list(map(text, values))
