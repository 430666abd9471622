"""The table of a resource, as SQL names it: qualified names, lists of columns, and conditions."""

from dataclasses import dataclass, field
from functools import cached_property

from fairlead_workload.stores.relational.dialect import Dialect
from fairlead_workload.stores.relational.layout import Index, Layout
from fairlead_workload.stores.relational.rows import RowCodec

EXTRA, VERSION, LAYOUT, DELETED_AT = "_extra", "_version", "_layout", "_deleted_at"
LIVE = f"{DELETED_AT} IS NULL"


@dataclass(frozen=True, eq=False)
class Table:
    """A resource under one layout, in the schema of an ApiService. Each is its own identity."""

    schema: str
    layout: Layout
    dialect: Dialect
    codec: RowCodec = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "codec", RowCodec(self.layout))

    @property
    def resource(self) -> str:
        return self.layout.table

    @cached_property
    def name(self) -> str:
        return qualified(self.dialect, self.schema, self.layout.table)

    @property
    def columns(self) -> list[str]:
        """The columns of the layout, quoted; those of the key come first."""
        return [self.dialect.quoted(column.name) for column in self.layout.columns]

    @property
    def key(self) -> list[str]:
        return self.columns[: len(self.layout.key)]

    @cached_property
    def selected(self) -> str:
        """What `RowCodec` reads."""
        return ", ".join([*self.columns, EXTRA, VERSION, LAYOUT])

    def index_condition(self, index: Index) -> list[str]:
        """Which documents are in an index.

        Not those whose row was written under a layout without its columns, because these hold former values.
        """
        columns = [self.layout.column(property_) for property_ in (index.partition, index.sort) if property_]
        since = max(column.since for column in columns)
        conditions = [f"{self.dialect.quoted(column.name)} IS NOT NULL" for column in columns]
        return [*conditions, LIVE, *([f"{LAYOUT} >= {since}"] if since > 1 else [])]


def qualified(dialect: Dialect, schema: str, name: str) -> str:
    """A name in a schema."""
    return f"{dialect.quoted(schema)}.{dialect.quoted(name)}"
