"""Reading pages: a query of the seam to one SQL statement that an index answers.

Pages go on from the values of the last document in the order's own columns, so that inserts between pages neither
repeat nor skip what was there; `relational.paging` says what the order is.
"""

import sqlite3
from typing import Any

from fairlead_workload.errors import Refused
from fairlead_workload.stores.base import Page, Query, Scalar
from fairlead_workload.stores.relational.layout import Column, Kind, quoted
from fairlead_workload.stores.relational.paging import bounds_of, columns_of, index_of, order_of
from fairlead_workload.stores.sqlite.rows import comparable
from fairlead_workload.stores.sqlite.units import Table

_NOTHING = Page([], None)


def read_page(connection: sqlite3.Connection, table: Table, query: Query) -> Page:
    """One page of `query`. Raises `Refused` for an index the resource does not have."""
    statement = _Statement(table, query)
    if statement.empty:
        return _NOTHING
    rows = connection.execute(statement.sql(), statement.values).fetchall()
    page = rows[: query.limit]
    following = statement.position(page[-1]) if len(rows) > query.limit else None
    return Page([table.codec.record(row) for row in page], following)


class _Statement:
    """The terms of one query. `empty` when a bound is of a type that no value of its column has."""

    def __init__(self, table: Table, query: Query) -> None:
        self._table = table
        self._query = query
        self.empty = False
        self.values: list[Scalar] = []
        self._terms = ["_deleted_at IS NULL"]
        index = index_of(table.layout, query)
        partition, sort = columns_of(table.layout, index)
        if index is not None:
            self._terms += [f"{quoted(column.name)} IS NOT NULL" for column in (partition, sort) if column]
        if query.partition is not None:
            self._compare(partition, "=", query.partition)
        if query.sort is not None:
            for bound in bounds_of(table.layout, sort, query.sort):
                self._compare(*bound)
        self._order = order_of(table.layout, query, sort)
        self._selected = list(table.layout.columns)
        if query.after is not None:
            self._continue(query.after)

    def _compare(self, column: Column, operator: str, value: Scalar) -> None:
        bound = comparable(value, column.kind)
        if bound is None:
            self.empty = True
            return
        self._terms.append(f"{quoted(column.name)} {operator} ?")
        self.values.append(bound)

    def _continue(self, after: tuple[Scalar, ...]) -> None:
        bounds = tuple(comparable(value, column.kind) for value, column in zip(after, self._order, strict=False))
        if len(after) != len(self._order) or None in bounds:
            raise Refused("datastore", "the position to go on from is not one of this query")
        names = ", ".join(quoted(column.name) for column in self._order)
        operator = "<" if self._query.descending else ">"
        self._terms.append(f"({names}) {operator} ({', '.join('?' * len(after))})")
        self.values.extend(bounds)  # type: ignore[arg-type]  # None was ruled out

    def sql(self) -> str:
        direction = " DESC" if self._query.descending else ""
        order = ", ".join(quoted(column.name) + direction for column in self._order)
        return (
            f"SELECT {self._table.columns} FROM {self._table.name} WHERE {' AND '.join(self._terms)}"  # noqa: S608
            f" ORDER BY {order} LIMIT {self._query.limit + 1:d}"
        )

    def position(self, row: Any) -> tuple[Scalar, ...]:
        """Where the page after `row` starts."""
        values = ((row[self._selected.index(column)], column.kind) for column in self._order)
        return tuple(bool(value) if kind is Kind.BOOLEAN else value for value, kind in values)
