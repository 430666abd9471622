"""Which table, columns and indexes a resource has. Pure; the same resource and former layout give the same result.

A property has a column of its declared type. Names of properties are case-sensitive and may be any text, those of
columns are neither, so the layout keeps both; our own columns start with an underscore. A layout only ever grows: the
column of a property that left the schema stays, and its values stay part of the documents.

A layout has a number, which grows when columns come, and each column the number of the first layout that has it. So two
layouts can be in use at once: of a row that was written under an older one, the columns that came later mean nothing.
"""

import re
from collections.abc import Callable, Collection
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


Naming = Callable[[str, Collection[str]], str]  # a name near the one that is wanted, which is none of those taken

_KINDS = {"string": Kind.TEXT, "integer": Kind.INTEGER, "number": Kind.NUMBER, "boolean": Kind.BOOLEAN}
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


class Column(msgspec.Struct, frozen=True):
    """A property and where it is, `since` the layout of that number."""

    property: str
    name: str
    kind: Kind
    since: int = 1


class Index(msgspec.Struct, frozen=True):
    """A declared index and its name in the datastore."""

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
    number: int = 1

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


def plain_name(wanted: str, taken: Collection[str]) -> str:
    """A name that differs from those taken by more than case; of letters, digits, underscores and dashes."""
    folded = {name.lower() for name in taken}
    base = wanted if _PLAIN.fullmatch(wanted.replace("-", "_")) else "property"
    name, count = base, 1
    while name.lower() in folded:
        count += 1
        name = f"{base}__{count}"
    return name


def plan(
    resource: Resource, former: Layout | None, *, naming: Naming = plain_name, fresh: str = "an empty datastore"
) -> Layout:
    """The layout of `resource`, grown from the one that the datastore has.

    Raises `Misconfigured` for what cannot be grown to; its remedy is to start with what `fresh` says.
    """
    key = (resource.key.partition,) + ((resource.key.sort,) if resource.key.sort else ())
    if former is not None and former.key != key:
        raise _refusal(resource, "key", f"the key was {former.key} and is now {key}", fresh)
    columns = _columns(resource, key, former, naming, fresh)
    grown = former is not None and len(columns) > len(former.columns)
    number = former.number + grown if former is not None else 1
    layout = Layout(resource.name, key, columns, number=number)
    return msgspec.structs.replace(layout, indexes=_indexes(resource, layout, naming))


def _columns(
    resource: Resource, key: tuple[str, ...], former: Layout | None, naming: Naming, fresh: str
) -> tuple[Column, ...]:
    columns = list(former.columns) if former else []
    since = former.number + 1 if former else 1
    known = {column.property: column.kind for column in columns}
    properties = resource.schema_.plain.properties
    for name in dict.fromkeys((*key, *properties)):
        kind = kind_of(properties[name])
        if name not in known:
            columns.append(Column(name, naming(name, {column.name for column in columns}), kind, since))
        elif known[name] is not kind:
            what = f"its type was {known[name]} and is now {kind}"
            raise _refusal(resource, f"schema.properties.{name}", what, fresh)
    return tuple(columns)


def _indexes(resource: Resource, layout: Layout, naming: Naming) -> tuple[Index, ...]:
    indexes: list[Index] = []
    for declared in resource.indexes:
        for property_ in filter(None, (declared.partition, declared.sort)):
            if layout.column(property_).kind is Kind.JSON:
                path = f"api.resources[{resource.name}].indexes[{declared.name}]"
                raise Misconfigured(path, f"'{property_}' is an object or array", "index a property with a scalar type")
        name = naming(f"{resource.name}_{declared.name}", {index.sql_name for index in indexes})
        indexes.append(Index(declared.name, name, declared.partition, declared.sort))
    return tuple(indexes)


def _refusal(resource: Resource, field: str, what: str, fresh: str) -> Misconfigured:
    return Misconfigured(
        f"api.resources[{resource.name}].{field}",
        f"{what}; the stored documents cannot follow",
        f"give the resource or property a new name, or start with {fresh}",
    )
