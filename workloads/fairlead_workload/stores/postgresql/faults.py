"""What a failure of PostgreSQL means to the callers: try again later, never, or do the same once more.

The SQLSTATE decides (https://www.postgresql.org/docs/current/errcodes-appendix.html). Data that PostgreSQL will never
take is `Refused`. Whatever is wrong with the server, the network, or what an administrator can repair is
`Unavailable`, so that no event becomes a dead letter for it. Anything else is a defect and passes unchanged.
Messages have PostgreSQL's primary message only: details have values of rows. What somebody has to correct carries a
reason and a way out (`causes`).
"""

import psycopg

from fairlead_workload.errors import DiskFull, Refused, Unavailable
from fairlead_workload.stores.postgresql import causes
from fairlead_workload.stores.postgresql.causes import Login, Reason

DATASTORE = "datastore"
_DISK_FULL = "53100"
_READ_ONLY = "25006"
_CANCELED = "57014"
_LIMIT = "54000"
_LOCK_TIMEOUT = "55P03"
_CONTENDED = frozenset({"40001", "40P01", _LOCK_TIMEOUT, "23505"})  # 23505: a row came after the statement began
_PREPARED = frozenset({"26000", "42P05"})  # prepared statements that are not there, or twice
_LOST = frozenset({"57P01", "57P02", "57P04", "57P05", "25P03"})
_DATA = ("22", "23", "54")
_OUTAGES = ("08", "28", "3D", "3F", "53", "55", "57", "58", "F0", "XX")
_RIGHT = "42501"
_NOT_AS_PROVISIONED = frozenset({"42P01", "42703", "3F000"})  # tables, columns or the schema are missing
_TOO_MANY = "53300"
_UNKNOWN = Login()


class ConnectionLost(Unavailable):
    """The connection broke while it was used: what was under way may be done or not."""


class ReadOnly(Unavailable):
    """The server takes no writes, as a former primary does. Nothing was written."""


class Contended(Exception):
    """Others hold locks, or wrote the same rows at the same time. Nothing was written; the next attempt may succeed.

    `waited`: for as long as one waits for a lock.
    """

    def __init__(self, message: str, *, waited: bool) -> None:
        super().__init__(message)
        self.waited = waited


def converted(error: psycopg.Error, login: Login = _UNKNOWN) -> Exception:
    """The error of a statement, as the callers know it; `login` is who has sent it."""
    state = error.sqlstate
    if state is None:
        return _without_state(error)
    what = f"PostgreSQL: {error.diag.message_primary} ({state})"
    if state in _CONTENDED:
        return Contended(what, waited=state == _LOCK_TIMEOUT)
    if (corrected := _to_correct(state, error, what, login)) is not None:
        return corrected
    if state in _LOST:
        return ConnectionLost(DATASTORE, what)
    if state == _LIMIT:
        return Refused(DATASTORE, f"a value is too long for an index, or a document for a row. {what}")
    if state == _CANCELED or state.startswith(_OUTAGES):
        return Unavailable(DATASTORE, what)
    return Refused(DATASTORE, what) if state.startswith(_DATA) else error


def _to_correct(state: str, error: psycopg.Error, what: str, login: Login) -> Unavailable | None:
    """What somebody has to correct, with a way out."""
    if state == _DISK_FULL:
        return DiskFull(DATASTORE, "the disk of PostgreSQL is full", reason=Reason.DISK_FULL)
    if state == _READ_ONLY:
        return read_only(what)
    if state in _PREPARED:
        message = f"{what}; a pooler in between has to be declared as one: set datastore.postgresql.pooler"
        return Unavailable(DATASTORE, message, reason=Reason.POOLER_NOT_DECLARED)
    if state == _RIGHT:
        message = causes.missing_right(error.diag.message_primary or "", login)
        return Unavailable(DATASTORE, message, reason=Reason.MISSING_RIGHT)
    if state in _NOT_AS_PROVISIONED:
        return not_provisioned(what)
    if state == _TOO_MANY:
        return Unavailable(DATASTORE, what, reason=Reason.TOO_MANY_CONNECTIONS)
    return None


def read_only(what: str) -> ReadOnly:
    """The error of a server that takes no writes."""
    message = f"{what}; have datastore.postgresql.host lead to the primary"
    return ReadOnly(DATASTORE, message, reason=Reason.READ_ONLY_SERVER)


def not_provisioned(what: str) -> Unavailable:
    """The error of a schema that lacks something."""
    message = f"{what}; run the provision Job of this ApiService"
    return Unavailable(DATASTORE, message, reason=Reason.NOT_PROVISIONED)


def _without_state(error: psycopg.Error) -> Exception:
    """Errors of the driver, not of the server."""
    if isinstance(error, psycopg.DataError):
        return Refused(DATASTORE, f"PostgreSQL: {error}")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return ConnectionLost(DATASTORE, f"the connection to PostgreSQL is lost: {_first_line(error)}")
    return error


def at_connect(error: Exception, login: Login, password: str) -> Unavailable:
    """The error of a connection that could not be made, without the password, wherever it came from."""
    reason, message = causes.of_connection(error, login, password)
    return Unavailable(DATASTORE, message, reason=reason)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
