"""Opening the file: who may, how it is set up, and what is said when it cannot be used.

The data directory holds `fairlead.db` (write-ahead log, synchronous=FULL: a commit that was answered survives a power
cut) and `server.lock`. A server opens it exclusively; tools such as `fairlead dlq` open it beside a running server and
wait for their turn to write. One writer and one reader connection, each on a thread of its own.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from fairlead_workload.errors import Misconfigured
from fairlead_workload.sqlite import faults
from fairlead_workload.sqlite.batches import Batcher, BatchOperation
from fairlead_workload.sqlite.disk import Disk
from fairlead_workload.sqlite.lock import ServerLock

T = TypeVar("T")

DATABASE_FILE = "fairlead.db"
APPLICATION_ID = 0x464C4431  # "FLD1": this file is ours
FORMAT = 1  # grows when a release cannot read the files of the former one
BUSY_TIMEOUT_SECONDS = 5.0
_STATEMENTS_CACHED = 512

_SETTINGS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = OFF",  # some builds overwrite deleted content with zeros, which doubles the cost of an ack
    "PRAGMA cache_size = -16384",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA journal_size_limit = 67108864",
)


class Database:
    """An open file. Made by `open`; `writer` and `reader` take operations from one event loop."""

    def __init__(self, path: Path, lock: ServerLock | None) -> None:
        self.path = path
        self.exclusive = lock is not None
        self._lock = lock
        self.disk = Disk(path.parent)
        self.writer = Batcher(_connect(path), name="sqlite-writer", begin="BEGIN IMMEDIATE", on_outage=self._note)
        self.reader = Batcher(_connect(path), name="sqlite-reader", begin="BEGIN")

    def _note(self, outage: Exception) -> None:
        if faults.is_full(outage):
            self.disk.note()

    @classmethod
    def open(cls, data_dir: Path, *, exclusive: bool = True) -> "Database":
        """Open the database in `data_dir`, making both if `exclusive`. Blocks; called at start.

        `exclusive` False opens an existing file beside a running server. Raises `Misconfigured` with the path and what
        to do.
        """
        path = data_dir / DATABASE_FILE
        if not exclusive:
            _require(path)
            return cls._set_up(path, None)
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise faults.at_start(error, data_dir) from None
        lock = ServerLock(data_dir)
        try:
            return cls._set_up(path, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _set_up(cls, path: Path, lock: ServerLock | None) -> "Database":
        try:
            with closing(_connect(path)) as connection:
                _claim(connection, path)
                if lock is not None:
                    _write_probe(connection, [])  # on a read-only file even BEGIN IMMEDIATE succeeds
            return cls(path, lock)
        except sqlite3.Error as error:
            raise faults.at_start(error, path) from None

    def migrate(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction of its own, on the calling thread: all of it or nothing. For start-up only."""
        try:
            with closing(_connect(self.path)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                result = work(connection)
                connection.execute("COMMIT")
                return result
        except sqlite3.Error as error:
            raise faults.at_start(error, self.path) from None

    async def check(self, dependency: str) -> None:
        """Return when the file can be read and, after an outage, written again. Raises `Unavailable` otherwise."""
        await self.reader.submit(BatchOperation(dependency, _read_probe), None)
        self.disk.check(dependency)
        if self.writer.outage is not None:
            await self.writer.submit(BatchOperation(dependency, _write_probe), None)

    async def close(self) -> None:
        """Finish what was submitted, close the file and let the next server in."""
        await self.reader.close()
        await self.writer.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,  # opened here, then used by one thread only
        cached_statements=_STATEMENTS_CACHED,
    )
    try:
        for setting in _SETTINGS:
            connection.execute(setting)
    except BaseException:
        connection.close()
        raise
    return connection


def _require(path: Path) -> None:
    try:
        is_file = path.is_file()
    except OSError as error:
        raise faults.at_start(error, path) from None
    if not is_file:
        raise Misconfigured(str(path), "there is no database", "run the service once, or name its data directory")


def _claim(connection: sqlite3.Connection, path: Path) -> None:
    """See that the file is ours and whole; make an empty one ours."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (format_,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application == 0 and tables == 0:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("CREATE TABLE _marks (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID")
        connection.execute("COMMIT")
    elif application != APPLICATION_ID:
        raise Misconfigured(str(path), "this SQLite file was made by another program", "name another data directory")
    elif format_ > FORMAT:
        raise Misconfigured(str(path), f"the file has format {format_}, newer than {FORMAT}", "use a newer fairlead")


def _read_probe(connection: sqlite3.Connection, requests: list[Any]) -> list[None]:
    connection.execute("SELECT 1 FROM _marks LIMIT 1").fetchone()
    return [None] * len(requests)


def _write_probe(connection: sqlite3.Connection, requests: list[Any]) -> list[None]:
    connection.execute(
        "INSERT INTO _marks VALUES ('write probes', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
    )
    return [None] * len(requests)
