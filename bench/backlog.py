"""What is left to do in a data directory.

Queue and outbox are in one file, so one statement sees both at the same moment: an event that leaves the one for the
other is always in at least one of them, and what is empty stays empty. Reading does not disturb the writer.
"""

import sqlite3
from pathlib import Path

from fairlead_workload.sqlite.database import DATABASE_FILE

_LEFT = "SELECT EXISTS (SELECT 1 FROM _messages) OR EXISTS (SELECT 1 FROM _outbox)"


class Backlog:
    """Queue and outbox of a service. Use it as a context."""

    def __init__(self, data_dir: Path) -> None:
        self._connection = sqlite3.connect(f"file:{data_dir / DATABASE_FILE}?mode=ro", uri=True, isolation_level=None)

    def __enter__(self) -> "Backlog":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def left(self) -> bool:
        """Whether an event waits, is leased or delayed, or has not reached the queue yet."""
        return bool(self._connection.execute(_LEFT).fetchone()[0])
