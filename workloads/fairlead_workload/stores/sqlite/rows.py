"""Documents to rows and back: what comes back is exactly what was written.

A column carries a value that SQL can compare and index. Where that alone would not give the value back (an explicit
null, 1.0 for an integer, a value of another type, an undeclared property) `_extra` holds the exact value and wins.
`_extra` is a JSON object, or an array of that object and the key properties that the document itself does not have.
"""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead_workload.errors import Refused
from fairlead_workload.stores.base import Document, Key, Record, Scalar
from fairlead_workload.stores.relational.layout import Kind, Layout
from fairlead_workload.stores.relational.values import (
    COMPARABLE,
    LARGEST_INTEGER,
    SMALLEST_INTEGER,
    TYPES,
    add_extra,
    as_json,
)

Row = tuple[Any, ...]

_decode = msgspec.json.Decoder().decode


def comparable(value: Scalar, kind: Kind) -> Scalar | None:
    """`value` as a bound for columns of `kind`; None when no value of such a column can ever equal it."""
    if type(value) not in COMPARABLE[kind]:
        return None
    if isinstance(value, int) and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        return math.inf if value > 0 else -math.inf
    return value


class RowCodec:
    """Rows of one resource. A row has the columns of the layout, then `_extra`."""

    def __init__(self, layout: Layout) -> None:
        self._resource = layout.table
        self._columns = tuple((column.property, column.kind, TYPES[column.kind]) for column in layout.columns)
        self._declared = frozenset(column.property for column in layout.columns)
        self._key = layout.key
        self._key_kinds = tuple(layout.column(property_).kind for property_ in layout.key)
        self._key_types = tuple(TYPES[kind] for kind in self._key_kinds)
        self._converted = tuple(
            (position, column.kind) for position, column in enumerate(layout.columns) if column.kind in _READERS
        )
        self._properties = tuple(column.property for column in layout.columns)
        self._blank = (None,) * (len(layout.columns) - len(layout.key) + 1)

    def key(self, key: Key) -> Key | None:
        """The key as it is compared; None when no document can have it."""
        if len(key) != len(self._key_kinds):
            return None
        values = tuple(map(comparable, key, self._key_kinds))
        return None if None in values else values  # type: ignore[return-value]

    def storable_key(self, key: Key) -> Key:
        """The key as it is stored. Raises `Refused` when it is not one of this resource."""
        if len(key) != len(self._key_types) or any(
            type(value) not in types for value, types in zip(key, self._key_types, strict=True)
        ):
            raise Refused("datastore", f"{self._resource}/{key!r} is not a key of this resource")
        for value in key:
            self._check(value)
        return key

    def encode(self, key: Key, document: Document) -> Row:
        """The row of a document at a stored key. Raises `Refused` for values no store can hold."""
        extra: dict[str, Any] = {}
        row: list[Any] = []
        found = 0
        for property_, kind, types in self._columns:
            value = document.get(property_)
            if value is None:
                if property_ in document:
                    found += 1
                    extra[property_] = None
                row.append(None)
                continue
            found += 1
            if type(value) not in types:
                stored = _nearest(value, kind, extra, property_)
            else:  # most values are plain text, which needs no further look
                stored = value if type(value) is str and value.isascii() else self._check(value)
            row.append(as_json(stored) if kind is Kind.JSON and stored is not None else stored)
        if found != len(document):
            extra.update((name, value) for name, value in document.items() if name not in self._declared)
        missing = self._settle_key(row, key, document, extra)
        row.append(as_json([extra, missing] if missing else extra) if extra or missing else None)
        return tuple(row)

    def _settle_key(self, row: list[Any], key: Key, document: Document, extra: dict[str, Any]) -> list[str]:
        """Put the key in its columns, whatever the document says there."""
        missing = []
        for position, (property_, value) in enumerate(zip(self._key, key, strict=True)):
            if property_ not in document:
                missing.append(property_)
            elif document[property_] != value or type(document[property_]) is not type(value):
                extra[property_] = document[property_]
            row[position] = value
        return missing

    def _check(self, value: Any) -> Any:
        if type(value) is str:
            if not value.isascii():
                try:
                    value.encode()
                except UnicodeEncodeError:
                    raise Refused("datastore", f"{self._resource}: a string has a lone surrogate") from None
        elif type(value) is int:
            if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
                raise Refused("datastore", f"{self._resource}: an integer has more than 64 bits")
        elif type(value) is float and not math.isfinite(value):
            raise Refused("datastore", f"{self._resource}: a number is not finite")
        return value

    def tombstone(self, key: Key) -> Row:
        """The row that a deleted document leaves."""
        return key + self._blank

    def decode(self, row: Sequence[Any]) -> Document:
        """The document of a row."""
        extra = row[len(self._properties)]
        if self._converted:
            row = list(row)
            for position, kind in self._converted:
                if row[position] is not None:
                    row[position] = _READERS[kind](row[position])
        document = {
            property_: value for property_, value in zip(self._properties, row, strict=False) if value is not None
        }
        if extra is not None:
            add_extra(document, _decode(extra))
        return document

    def record(self, row: Sequence[Any]) -> Record:
        """The record of a row that goes on with `_version` after `_extra`."""
        return Record(self.key_of(row), self.decode(row), row[len(self._properties) + 1])

    def key_of(self, row: Sequence[Any]) -> Key:
        """The key of a row."""
        key = tuple(row[: len(self._key)])
        if Kind.BOOLEAN in self._key_kinds:
            return tuple(
                bool(value) if kind is Kind.BOOLEAN else value for value, kind in zip(key, self._key_kinds, strict=True)
            )
        return key


_READERS = {Kind.BOOLEAN: bool, Kind.JSON: _decode}


def _nearest(value: Any, kind: Kind, extra: dict[str, Any], property_: str) -> Scalar | None:
    """What a column holds of a value that is not of its type, for comparing; the value itself goes to `extra`."""
    extra[property_] = value
    if kind is Kind.INTEGER and type(value) is float and abs(value) < 2**63 and value.is_integer():
        return int(value)
    return value if kind is Kind.SCALAR and type(value) is bool else None
