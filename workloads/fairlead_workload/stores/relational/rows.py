"""Documents to the values of columns and back: what comes back is exactly what was written.

A column has a value that SQL can compare and index. Where that alone would not give the value back (an explicit null,
1.0 for an integer, a value of another type, an undeclared property) `_extra` has the exact value and wins.
A row is the columns of the layout, then `_extra`; what is read goes on with `_version` and `_layout`. A row that was
written under an older layout has nothing in the columns that came later, whatever these hold.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec

from fairlead_workload.errors import Refused
from fairlead_workload.stores.base import Document, Key, Record, Scalar
from fairlead_workload.stores.relational.layout import Column, Kind, Layout
from fairlead_workload.stores.relational.values import (
    COMPARABLE,
    LARGEST_INTEGER,
    SMALLEST_INTEGER,
    TYPES,
    add_extra,
    check_numbers,
    is_exact,
    is_text,
    number_text,
    number_value,
    scalar_text,
    scalar_value,
)

Row = tuple[Any, ...]

_decode = msgspec.json.Decoder().decode
_WRITERS: dict[Kind, Callable[[Any], Any]] = {Kind.NUMBER: number_text, Kind.SCALAR: scalar_text}
_READERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.NUMBER: number_value,
    Kind.SCALAR: scalar_value,
    Kind.JSON: _decode,
}


class RowCodec:
    """Rows of one resource, under one layout."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._resource = layout.table
        self._columns = layout.columns
        self._declared = frozenset(column.property for column in layout.columns)
        self._key = tuple(layout.column(property_) for property_ in layout.key)
        self._properties = tuple(column.property for column in layout.columns)
        self._converted = tuple(
            (position, _READERS[column.kind])
            for position, column in enumerate(layout.columns)
            if column.kind in _READERS
        )
        self._key_converted = any(column.kind in _READERS for column in self._key)
        self._blank = (None,) * (len(layout.columns) - len(layout.key) + 1)
        self._later = cache(self._columns_after)

    def key(self, key: Key) -> Key | None:
        """The key as it is compared; None when no document can have it."""
        if len(key) != len(self._key) or not all(map(_is_comparable, key, self._key)):
            return None
        return key

    def key_values(self, key: Key) -> Row:
        """What the key's columns hold."""
        return tuple(_stored(value, column.kind) for value, column in zip(key, self._key, strict=True))

    def storable_key(self, key: Key) -> Key:
        """The key as it is stored. Raises `Refused` when it is not one of this resource."""
        if len(key) != len(self._key) or any(
            type(value) not in TYPES[column.kind] for value, column in zip(key, self._key, strict=True)
        ):
            raise Refused("datastore", f"{self._resource}/{key!r} is not a key of this resource")
        for value in key:
            self._check(value)
        return key

    def encode(self, key: Key, document: Document) -> Row:
        """The row of a document at a stored key; nested values, and `_extra`, as they are in JSON.

        Raises `Refused` for values that no datastore can hold.
        """
        extra: dict[str, Any] = {}
        row: list[Any] = []
        found = 0
        for column in self._columns:
            value = document.get(column.property)
            if value is None:
                if column.property in document:
                    found += 1
                    extra[column.property] = None
                row.append(None)
                continue
            found += 1
            row.append(self._encode_value(value, column, extra))
        if found != len(document):
            extra.update((name, value) for name, value in document.items() if name not in self._declared)
        missing = self._settle_key(row, key, document, extra)
        if extra:
            self._check_nested(extra)
        row.append(([extra, missing] if missing else extra) if extra or missing else None)
        return tuple(row)

    def _encode_value(self, value: Any, column: Column, extra: dict[str, Any]) -> Any:
        kind, type_ = column.kind, type(value)
        if type_ is str and kind is Kind.TEXT:  # most values are
            return value
        if type_ not in TYPES[kind]:
            extra[column.property] = value
            return _nearest(value, kind)
        if kind is Kind.JSON:
            self._check_nested(value)
            return value
        self._check(value)
        if not is_exact(value, kind):
            extra[column.property] = value
        return _stored(value, kind)

    def _settle_key(self, row: list[Any], key: Key, document: Document, extra: dict[str, Any]) -> list[str]:
        """Put the key in its columns, whatever the document says there."""
        missing = []
        for position, (column, value) in enumerate(zip(self._key, key, strict=True)):
            if column.property not in document:
                missing.append(column.property)
                extra.pop(column.property, None)
            elif document[column.property] != value or type(document[column.property]) is not type(value):
                extra[column.property] = document[column.property]
            row[position] = _stored(value, column.kind)
        return missing

    def _check(self, value: Any) -> None:
        if type(value) is int:
            if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
                raise Refused("datastore", f"{self._resource}: an integer has more than 64 bits")
        elif type(value) is float and not math.isfinite(value):
            raise Refused("datastore", f"{self._resource}: a number is not finite")

    def _check_nested(self, value: Any) -> None:
        try:
            check_numbers(value)
        except (ValueError, RecursionError) as error:
            raise Refused("datastore", f"{self._resource}: a value cannot be stored as JSON: {error}") from None

    def tombstone(self, key: Key) -> Row:
        """The row that a deleted document leaves."""
        return self.key_values(key) + self._blank

    def decode(self, row: Sequence[Any]) -> Document:
        """The document of a row."""
        size = len(self._properties)
        extra, layout = row[size], row[size + 2]
        if self._converted or layout < self.layout.number:
            row = list(row)
            if layout < self.layout.number:
                for position in self._later(layout):
                    row[position] = None
            for position, read in self._converted:
                if row[position] is not None:
                    row[position] = read(row[position])
        document = {
            property_: value for property_, value in zip(self._properties, row, strict=False) if value is not None
        }
        if extra is not None:
            add_extra(document, _decode(extra))
        return document

    def record(self, row: Sequence[Any]) -> Record:
        """The record of a row."""
        return Record(self.key_of(row), self.decode(row), row[len(self._properties) + 1])

    def key_of(self, row: Sequence[Any]) -> Key:
        """The key of a row."""
        if not self._key_converted:  # most keys are as they are read
            return tuple(row[: len(self._key)])
        return tuple(_read(value, column.kind) for value, column in zip(row, self._key, strict=False))

    def column_value(self, row: Sequence[Any], position: int) -> Any:
        """The value in one column of a row."""
        return _read(row[position], self._columns[position].kind)

    def layout_of(self, row: Sequence[Any]) -> int:
        """The number of the layout that a row was written under."""
        number: int = row[len(self._properties) + 2]
        return number

    def _columns_after(self, number: int) -> tuple[int, ...]:
        return tuple(position for position, column in enumerate(self._columns) if column.since > number)


def _is_comparable(value: Scalar, column: Column) -> bool:
    if type(value) is str:
        return column.kind in (Kind.TEXT, Kind.SCALAR) and is_text(value)
    if type(value) is float and not math.isfinite(value):
        return False
    if column.kind is Kind.INTEGER and not isinstance(value, bool):
        return type(value) in (int, float) and value == int(value) and SMALLEST_INTEGER <= value <= LARGEST_INTEGER
    return type(value) in COMPARABLE[column.kind]


def _stored(value: Any, kind: Kind) -> Any:
    """What a column holds of a value of one of its types; an integer column also compares with whole floats."""
    if kind is Kind.INTEGER:
        return int(value)
    write = _WRITERS.get(kind)
    return value if write is None else write(value)


def _read(value: Any, kind: Kind) -> Any:
    read = _READERS.get(kind)
    return value if read is None else read(value)


def _nearest(value: Any, kind: Kind) -> Any:
    """What a column holds of a value that is not of its type, for comparing; `_extra` has the value itself."""
    if kind is Kind.INTEGER and type(value) is float and math.isfinite(value) and abs(value) < 2**63:
        return int(value) if value.is_integer() else None
    return scalar_text(value) if kind is Kind.SCALAR and type(value) is bool else None
