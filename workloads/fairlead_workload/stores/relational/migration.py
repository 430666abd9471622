"""Which statements bring a table to a layout. Tables only grow: columns and indexes come, and indexes go.

Between the two lists of statements the adapter takes over what documents already had under the new columns'
properties. The table of a resource that left the ApiService stays as it is.
"""

from dataclasses import dataclass

from fairlead_workload.stores.relational.layout import Column, Index, Layout
from fairlead_workload.stores.relational.statements import DELETED_AT, EXTRA, LAYOUT, Table, qualified


@dataclass(frozen=True, slots=True)
class Growth:
    """`first` makes the table or its new columns; `last` makes indexes. `takes_over`: there are new columns."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    takes_over: bool


def growth(table: Table, former: Layout | None) -> Growth:
    """What brings the table from `former`, or from nothing, to its layout."""
    layout = table.layout
    known = set(former.indexes) if former else set()
    dropped = [f"DROP INDEX IF EXISTS {_own(table, index.sql_name)}" for index in known - set(layout.indexes)]
    created = [_create_index(table, index) for index in layout.indexes if index not in known]
    if former is None:
        return Growth((_create_table(table),), (*created, _tombstones(table)), takes_over=False)
    added = layout.columns[len(former.columns) :]
    if added:
        created.append(_outdated(table))
        dropped.append(f"DROP INDEX IF EXISTS {_own(table, _outdated_name(table))}")
    columns = [f"ALTER TABLE {table.name} ADD COLUMN {_definition(table, column)}" for column in added]
    return Growth((*dropped, *columns), tuple(created), takes_over=bool(added))


def _create_table(table: Table) -> str:
    columns = [
        _definition(table, column) + (" NOT NULL" if column.property in table.layout.key else "")
        for column in table.layout.columns
    ]
    key = ", ".join(table.key)
    return f"CREATE TABLE {table.name} ({', '.join([*columns, *table.dialect.own_columns])}, PRIMARY KEY ({key}))"


def _definition(table: Table, column: Column) -> str:
    return f"{table.dialect.quoted(column.name)} {table.dialect.column_type(column.kind)}"


def _create_index(table: Table, index: Index) -> str:
    """Partial, so that a document without the index's properties is absent from it, as a deleted one is."""
    quoted, layout = table.dialect.quoted, table.layout
    own = [quoted(layout.column(property_).name) for property_ in (index.partition, index.sort) if property_]
    columns = ", ".join(dict.fromkeys([*own, *table.key]))
    condition = " AND ".join(table.index_condition(index))
    return f"CREATE INDEX {quoted(index.sql_name)} ON {table.name} ({columns}) WHERE {condition}"


def _tombstones(table: Table) -> str:
    name = table.dialect.quoted(f"_{table.resource}_tombstones")
    return f"CREATE INDEX {name} ON {table.name} ({DELETED_AT}) WHERE {DELETED_AT} IS NOT NULL"


def _outdated(table: Table) -> str:
    """Rows that were written under a former layout and may have values that now belong into columns."""
    name = table.dialect.quoted(_outdated_name(table))
    return f"CREATE INDEX {name} ON {table.name} ({', '.join(table.key)}) WHERE {outdated_condition(table)}"


def _outdated_name(table: Table) -> str:
    return f"_{table.resource}_outdated"


def outdated_condition(table: Table) -> str:
    """Which rows have to be written again under the table's layout, so that its indexes find them."""
    return f"{LAYOUT} < {table.layout.number} AND {EXTRA} IS NOT NULL"


def _own(table: Table, name: str) -> str:
    return qualified(table.dialect, table.schema, name)
