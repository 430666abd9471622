"""What a failure of SQLite means to the callers: try again later, never, or fix the machine.

Result codes about the file, the disk or a lock are an outage, the others are about the data. An outage is
`Unavailable`; data that SQLite will never take is `Refused`; anything else is a defect and passes unchanged.
"""

import errno
import sqlite3
from pathlib import Path

from fairlead_workload.errors import DiskFull, FairleadError, Misconfigured, Refused, Unavailable

# Primary result codes, https://www.sqlite.org/rescode.html
_OUTAGES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
_REMEDIES = {
    sqlite3.SQLITE_NOTADB: "move the file away to start with an empty one, or name another data directory",
    sqlite3.SQLITE_CORRUPT: "restore the file from a copy, or move it away to start with an empty one",
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_READONLY: "make the file and its directory writable for this user, or name another data directory",
    sqlite3.SQLITE_CANTOPEN: "make the file and its directory readable and writable for this user",
    sqlite3.SQLITE_PERM: "make the file and its directory readable and writable for this user",
    sqlite3.SQLITE_BUSY: "end the other program that keeps the file locked",
}


def primary_code(error: BaseException) -> int:
    """The primary result code of an SQLite error; 0 for every other exception."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_outage(error: BaseException) -> bool:
    """Whether the failure is of the file, the disk or a lock, so that other operations would fail as well."""
    return primary_code(error) in _OUTAGES


def is_full(error: BaseException) -> bool:
    """Whether the disk has no room for what was to be written."""
    return primary_code(error) == sqlite3.SQLITE_FULL


def converted(error: Exception, dependency: str) -> Exception:
    """The workload's error for a failed operation."""
    if isinstance(error, FairleadError):
        return error
    if is_full(error):
        return DiskFull(dependency, "the disk is full")
    if is_outage(error):
        return Unavailable(dependency, f"SQLite: {error}")
    if isinstance(error, sqlite3.Error | OverflowError | UnicodeError):
        return Refused(dependency, f"SQLite: {error}")
    return error


def at_start(error: sqlite3.Error | OSError, path: Path) -> FairleadError:
    """The workload's error for a database that cannot be opened: it names the path and what to do."""
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = _REMEDIES[sqlite3.SQLITE_FULL] if full else "name a data directory this user can write to"
        return Misconfigured(str(path), error.strerror or str(error), remedy)
    code = primary_code(error)
    remedy = _REMEDIES.get(code, "look at the disk and the file's permissions, or name another data directory")
    return Misconfigured(str(path), f"the database cannot be used: {error}", remedy)
