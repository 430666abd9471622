"""Which table, columns and indexes a resource has. Pure; the same resource and former layout give the same result.

A property has a column of its declared type. Names of properties are case-sensitive and may be any text, those of
columns are neither, so the layout keeps both; our own columns start with an underscore. A layout only ever grows: the
column of a property that left the schema stays, and its values stay part of the documents.
"""

import re
from enum import StrEnum
from typing import Any

import msgspec

from fairlead_contract.spec.api import Resource
from fairlead_workload.errors import Misconfigured


class Kind(StrEnum):
    """What a column holds; the value is the layout's spelling in the file."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    JSON = "json"  # objects and arrays, as JSON text
    SCALAR = "scalar"  # declared with several types or none: any scalar, as it is


SQL_TYPES = {
    Kind.TEXT: "TEXT",
    Kind.INTEGER: "INTEGER",
    Kind.NUMBER: "ANY",  # REAL would turn 1 into 1.0; ANY keeps both as they are and compares them by value
    Kind.BOOLEAN: "INTEGER",
    Kind.JSON: "TEXT",
    Kind.SCALAR: "ANY",
}
OWN_COLUMNS = ("_extra", "_version", "_deleted_at")
_KINDS = {"string": Kind.TEXT, "integer": Kind.INTEGER, "number": Kind.NUMBER, "boolean": Kind.BOOLEAN}
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


class Column(msgspec.Struct, frozen=True):
    """A property and where it is."""

    property: str
    name: str
    kind: Kind


class Index(msgspec.Struct, frozen=True):
    """A declared index and its name in the file."""

    name: str
    sql_name: str
    partition: str  # properties
    sort: str | None


class Layout(msgspec.Struct, frozen=True):
    """A resource's table. `key` names the one or two key properties, whose columns come first."""

    table: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...] = ()

    def column(self, property_: str) -> Column:
        """The column of a property that has one."""
        return next(column for column in self.columns if column.property == property_)


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def kind_of(schema: dict[str, Any]) -> Kind:
    """The kind of column for a property's JSON Schema. `null` beside a type changes nothing."""
    declared = schema.get("type")
    types = {declared} if isinstance(declared, str) else set(declared or ())
    types.discard("null")
    if types == {"integer", "number"}:
        return Kind.NUMBER
    if types and types <= {"object", "array"}:
        return Kind.JSON
    return _KINDS.get(next(iter(types)), Kind.SCALAR) if len(types) == 1 else Kind.SCALAR


def plan(resource: Resource, former: Layout | None) -> Layout:
    """The layout of `resource`, grown from the one the file has. Raises `Misconfigured` for what cannot be grown to."""
    key = (resource.key.partition,) + ((resource.key.sort,) if resource.key.sort else ())
    if former is not None and former.key != key:
        raise _refusal(resource, "key", f"the key was {former.key} and is now {key}")
    columns = list(former.columns) if former else []
    known = {column.property: column.kind for column in columns}
    properties = resource.schema_.plain.properties
    for name in dict.fromkeys((*key, *properties)):
        kind = kind_of(properties[name])
        if name not in known:
            columns.append(Column(name, _free(name, {column.name for column in columns}), kind))
        elif known[name] is not kind:
            raise _refusal(resource, f"schema.properties.{name}", f"its type was {known[name]} and is now {kind}")
    layout = Layout(resource.name, key, tuple(columns))
    return msgspec.structs.replace(layout, indexes=_indexes(resource, layout))


def _indexes(resource: Resource, layout: Layout) -> tuple[Index, ...]:
    indexes: list[Index] = []
    for declared in resource.indexes:
        for property_ in filter(None, (declared.partition, declared.sort)):
            if layout.column(property_).kind is Kind.JSON:
                path = f"api.resources[{resource.name}].indexes[{declared.name}]"
                raise Misconfigured(path, f"'{property_}' is an object or array", "index a property with a scalar type")
        name = _free(f"{resource.name}_{declared.name}", {index.sql_name for index in indexes})
        indexes.append(Index(declared.name, name, declared.partition, declared.sort))
    return tuple(indexes)


def _free(wanted: str, taken: set[str]) -> str:
    """A name near `wanted` that differs from those taken by more than case."""
    folded = {name.lower() for name in taken}
    base = wanted if _PLAIN.fullmatch(wanted.replace("-", "_")) else "property"
    name, count = base, 1
    while name.lower() in folded:
        count += 1
        name = f"{base}__{count}"
    return name


def _refusal(resource: Resource, field: str, what: str) -> Misconfigured:
    return Misconfigured(
        f"api.resources[{resource.name}].{field}",
        f"{what}; the stored documents cannot follow",
        "give the resource or property a new name, or start with an empty data directory",
    )
