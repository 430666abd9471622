"""Reading pages: a query of the seam to one SQL statement that an index answers.

Pages go on from the values of the last document in the order's own columns, so that inserts between pages neither
repeat nor skip what was there; `paging` says what the order is. A bound is turned into one of the column's own type, so
that the index serves it.
"""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead_workload.errors import Refused
from fairlead_workload.stores.base import Page, Query, Scalar
from fairlead_workload.stores.relational.layout import Column, Kind
from fairlead_workload.stores.relational.paging import bounds_of, columns_of, index_of, order_of
from fairlead_workload.stores.relational.statements import LIVE, Table
from fairlead_workload.stores.relational.values import (
    COMPARABLE,
    LARGEST_INTEGER,
    SCALAR_TYPES,
    SMALLEST_INTEGER,
    is_text,
    number_text,
    scalar_text,
)

_Bound = tuple[str, Any]  # operator and value


class PageStatement(msgspec.Struct, frozen=True):
    """A statement whose rows are one more than the page has, if there are more."""

    table: Table
    sql: str
    values: tuple[Any, ...]
    limit: int
    order: tuple[Column, ...]

    def page(self, rows: Sequence[Sequence[Any]]) -> Page:
        """The page that the rows make up."""
        codec = self.table.codec
        found = [codec.record(row) for row in rows[: self.limit]]
        following = None if len(rows) <= self.limit else self._position(rows[self.limit - 1])
        return Page(found, following)

    def _position(self, row: Sequence[Any]) -> tuple[Scalar, ...]:
        columns = self.table.layout.columns
        return tuple(self.table.codec.column_value(row, columns.index(column)) for column in self.order)


def page_statement(table: Table, query: Query) -> PageStatement | None:
    """The statement of `query`; None when no document can be on the page.

    Raises `Refused` for an index that the resource does not have, and for what is no position of this query.
    """
    return _Builder(table, query).statement()


class _Builder:
    """The terms of one query. `empty`: a bound is of a type that no value of its column has."""

    def __init__(self, table: Table, query: Query) -> None:
        self._table = table
        self._query = query
        self._empty = False
        self._values: list[Any] = []
        index = index_of(table.layout, query)
        self._terms = [LIVE] if index is None else table.index_condition(index)
        partition, sort = columns_of(table.layout, index)
        if query.partition is not None:
            self._compare(partition, "=", query.partition)
        if query.sort is not None:
            for bound in bounds_of(table.layout, sort, query.sort):
                self._compare(*bound)
        self._order = order_of(table.layout, query, sort)
        if query.after is not None:
            self._continue(query.after)

    def statement(self) -> PageStatement | None:
        if self._empty:
            return None
        quoted = self._table.dialect.quoted
        direction = " DESC" if self._query.descending else ""
        order = ", ".join(quoted(column.name) + direction for column in self._order)
        sql = (
            f"SELECT {self._table.selected} FROM {self._table.name} WHERE {' AND '.join(self._terms)}"
            f" ORDER BY {order} LIMIT {self._parameter(self._query.limit + 1, Kind.INTEGER)}"
        )
        return PageStatement(self._table, sql, tuple(self._values), self._query.limit, tuple(self._order))

    def _parameter(self, value: Any, kind: Kind) -> str:
        self._values.append(value)
        return self._table.dialect.parameter(len(self._values), kind)

    def _compare(self, column: Column, operator: str, value: Scalar) -> None:
        bounds = _bounds(operator, value, column.kind)
        if bounds is None:
            self._empty = True
            return
        name = self._table.dialect.quoted(column.name)
        self._terms += [f"{name} {operator} {self._parameter(bound, column.kind)}" for operator, bound in bounds]

    def _continue(self, after: tuple[Scalar, ...]) -> None:
        bounds = [_bounds("=", value, column.kind) for value, column in zip(after, self._order, strict=False)]
        if len(after) != len(self._order) or None in bounds:
            raise Refused("datastore", "the position to go on from is not one of this query")
        names = ", ".join(self._table.dialect.quoted(column.name) for column in self._order)
        values = [
            self._parameter(value, column.kind)
            for found, column in zip(bounds, self._order, strict=True)
            for _, value in found or ()
        ]
        self._terms.append(f"({names}) {'<' if self._query.descending else '>'} ({', '.join(values)})")


def _bounds(operator: str, value: Scalar, kind: Kind) -> list[_Bound] | None:
    """What a column of `kind` is compared with; None when no value of such a column fulfils it."""
    if type(value) not in COMPARABLE[kind] or not _is_storable(value):
        return None
    if kind is Kind.INTEGER:
        return _integer_bounds(operator, value)  # type: ignore[arg-type]  # COMPARABLE has numbers only
    if isinstance(value, float) and math.isinf(value):
        return [] if (value > 0) == operator.startswith("<") else None
    if kind is Kind.NUMBER:
        return [(operator, number_text(value))]  # type: ignore[arg-type]
    if kind is Kind.SCALAR:
        return _scalar_bounds(operator, value)
    return [(operator, value)]


def _is_storable(value: Scalar) -> bool:
    if isinstance(value, str):
        return is_text(value)
    return not (isinstance(value, float) and math.isnan(value))


def _integer_bounds(operator: str, value: int | float) -> list[_Bound] | None:
    if value > LARGEST_INTEGER or value < SMALLEST_INTEGER:
        return [] if operator != "=" and (value > 0) == operator.startswith("<") else None
    whole = math.floor(value)
    if whole == value:
        return [(operator, whole)]
    if operator == "=":
        return None
    return [("<=", whole)] if operator.startswith("<") else [(">", whole)]


def _scalar_bounds(operator: str, value: Scalar) -> list[_Bound]:
    """A range is one of values of the same type."""
    first, after = SCALAR_TYPES[type(value)]
    fence = {"<": (">=", first), ">": ("<", after)}.get(operator[0])
    return [(operator, scalar_text(value)), *([fence] if fence else [])]
