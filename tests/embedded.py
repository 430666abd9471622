"""The embedded database of one test.

Every commit is synced to the disk, which is what takes the time. So the file lies in memory where the system has such a
place; that a commit survives is the matter of `tests/integration/durability`.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fairlead_workload.sqlite import Database

_MEMORY = Path("/dev/shm")  # of Linux; elsewhere the tests take longer


@asynccontextmanager
async def open_database() -> AsyncIterator[Database]:
    """A new database, closed and gone in the end."""
    with TemporaryDirectory(dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as folder:
        database = Database.open(Path(folder))
        try:
            yield database
        finally:
            await database.close()
