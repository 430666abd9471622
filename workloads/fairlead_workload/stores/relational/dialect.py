"""What differs between relational datastores in the SQL that they share."""

from collections.abc import Collection
from typing import Protocol

from fairlead_workload.stores.relational.layout import Kind


class Dialect(Protocol):
    """The words of one datastore."""

    @property
    def own_columns(self) -> tuple[str, ...]:
        """The definitions of the columns that every table of documents has besides the layout's."""

    def quoted(self, name: str) -> str:
        """An identifier."""

    def name(self, wanted: str, taken: Collection[str]) -> str:
        """A name of a column or index that the datastore takes."""

    def column_type(self, kind: Kind) -> str:
        """The type of a column; text is compared byte by byte."""

    def parameter(self, position: int, kind: Kind) -> str:
        """The parameter at `position`, which counts from 1, as a value that compares with columns of `kind`."""
