"""What the pages of a query are ordered and bounded by, whatever the dialect. Pure.

With a partition the order is the sort value, then the primary key; without one it is the primary key's own order.
"""

from collections.abc import Iterator

from fairlead_workload.errors import Refused
from fairlead_workload.stores.base import Query, Range, Scalar
from fairlead_workload.stores.relational.layout import Column, Index, Layout

_OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "="}


def index_of(layout: Layout, query: Query) -> Index | None:
    """The index that is asked for; None for the primary key. Raises `Refused` when there is none of that name."""
    if query.index is None:
        return None
    for index in layout.indexes:
        if index.name == query.index:
            return index
    raise Refused("datastore", f"{layout.table} has no index '{query.index}'")


def columns_of(layout: Layout, index: Index | None) -> tuple[Column, Column | None]:
    """The partition and the sort column of an index, or of the primary key."""
    partition, sort = (*layout.key, None)[:2] if index is None else (index.partition, index.sort)
    return layout.column(str(partition)), None if sort is None else layout.column(sort)


def order_of(layout: Layout, query: Query, sort: Column | None) -> list[Column]:
    """The columns that the pages are ordered by, each once."""
    key = [layout.column(property_) for property_ in layout.key]
    leading = [sort] if sort is not None and query.partition is not None else []
    return list(dict.fromkeys(leading + key))


def bounds_of(layout: Layout, sort: Column | None, bounds: Range) -> Iterator[tuple[Column, str, Scalar]]:
    """What the sort column is compared with. Raises `Refused` when there is no such column."""
    if sort is None:
        raise Refused("datastore", f"{layout.table}: a range needs an index or key with a sort property")
    for name, operator in _OPERATORS.items():
        value = getattr(bounds, name)
        if value is not None:
            yield sort, operator, value
