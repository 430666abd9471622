"""Reading many rows by key with few statements.

Each step of a statement costs more in Python than in SQLite, so keys are looked up in chunks of fixed sizes: few enough
texts for the statement cache, few enough steps for the interpreter.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

_CHUNKS = (64, 8, 1)


class Lookup:
    """Rows of `table` by `key_columns`. `condition` may narrow them further."""

    def __init__(self, columns: str, *, table: str, key_columns: Sequence[str], condition: str = "") -> None:
        one = "(" + ", ".join("?" * len(key_columns)) + ")"
        wanted = [f"_key{position}" for position in range(len(key_columns))]
        matched = " AND ".join(f"{column} = {name}" for column, name in zip(key_columns, wanted, strict=True))
        further = f" AND {condition}" if condition else ""
        self._statements = {
            size: f"WITH _wanted ({', '.join(wanted)}) AS (VALUES {', '.join([one] * size)})"  # noqa: S608 - our names
            f" SELECT {columns} FROM _wanted CROSS JOIN {table} ON {matched}{further}"
            for size in _CHUNKS
        }

    def rows(self, connection: sqlite3.Connection, keys: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """The rows found, in no order."""
        start = 0
        for size, statement in self._statements.items():
            while len(keys) - start >= size:
                values = [value for key in keys[start : start + size] for value in key]
                yield from connection.execute(statement, values).fetchall()
                start += size
