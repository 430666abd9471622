"""Connections: how one is made, and the few that a store keeps.

- Credentials and certificates are read whenever a connection is made, so a rotation needs no restart; a connection that
  is open stays so for an hour at most. While a new one cannot be made, callers share those that are open.
- An idle connection has nothing to say. What can be read on one is its end, so it is not used again: the restart of a
  server fails no request that comes after it.
- A connection on which a statement got no answer in time is given up, and with it the statement.
- Whether the server takes writes is asked when a connection is made. When one says later that it does not, all are made
  anew: there is another primary.
- Time limits are those of PostgreSQL. A direct connection has them from the start; behind a pooler that changes the
  server at each transaction (PgBouncer), each transaction sets its own.
- Plans do not depend on statistics, which a new table lacks when its first statements are prepared: every statement of
  ours finds its rows by an index, one after another, so the planner is asked for nothing else.
"""

import asyncio
import random
import select
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg.types.string import TextLoader

from fairlead_contract.spec.bindings import TlsMode
from fairlead_workload.credentials import CredentialSource
from fairlead_workload.errors import Unavailable, own_copy
from fairlead_workload.stores.postgresql import faults
from fairlead_workload.stores.postgresql.causes import Login
from fairlead_workload.stores.postgresql.faults import DATASTORE

T = TypeVar("T")
Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Rows = list[tuple[Any, ...]]

CONNECTION_SECONDS = 3600.0  # a connection's life, give or take a tenth
IDLE_SECONDS = 300.0
# Executions before a statement is prepared: none. psycopg 3.3 loses count when a later one is to be prepared in a
# pipeline that fails before it, and then uses a statement that is not there.
_PREPARED_AFTER = 0
_SSL_MODES = {
    TlsMode.DISABLE: "disable",
    TlsMode.REQUIRE: "require",
    TlsMode.VERIFY_CA: "verify-ca",
    TlsMode.VERIFY_FULL: "verify-full",
}
_PLANNER = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
_SYSTEM_CAS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS towards a server; the files are read for each connection. `ca` None: the authorities of the system."""

    mode: TlsMode = TlsMode.VERIFY_FULL
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. `lock` bounds how long the only unit of a batch waits for a lock, `batch_lock` how long many wait.

    Every transaction waits for `batch_lock` at most, and for less if `lock` is less. What is left of `lock` is for the
    unit that had to wait, when it is done again.
    """

    connect: float = 5.0
    statement: float = 10.0
    lock: float = 2.0
    batch_lock: float = 0.25
    idle_in_transaction: float = 10.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server and a database on it. `host` may name several, of which the first that fits `session` is taken.

    `address`, if it is known, is where `host` is; certificates have the name of the host.

    `pooler`: there is one in between that changes the server's connection with each transaction.
    """

    host: str
    database: str
    credentials: CredentialSource
    port: int = 5432
    tls: Tls = Tls()
    limits: Limits = Limits()
    pooler: bool = False
    session: str = "read-write"  # target_session_attrs of libpq
    address: str = ""


async def connect(server: Server) -> Connection:
    """A new connection. Raises `Unavailable`, which never has the password."""
    credentials = await asyncio.to_thread(server.credentials)
    try:
        connection = await psycopg.AsyncConnection.connect(
            **_parameters(server),
            user=credentials.username,
            password=credentials.password,
            autocommit=True,
            prepare_threshold=None if server.pooler else _PREPARED_AFTER,
            cursor_factory=psycopg.AsyncRawCursor,
        )
    except (psycopg.Error, OSError) as error:
        login = Login(credentials.username, server.database, where=f"{server.host}:{server.port}")
        raise faults.at_connect(error, login, credentials.password) from None
    for type_ in ("numeric", "json"):
        connection.adapters.register_loader(type_, TextLoader)
    return connection


def login_of(connection: Connection, schema: str = "") -> Login:
    """Who sends statements about `schema` on a connection; nothing of one that has ended."""
    if connection.closed:
        return Login()
    return Login(connection.info.user, connection.info.dbname, schema)


def _parameters(server: Server) -> dict[str, Any]:
    """Of libpq; whatever the environment could say besides is said here."""
    limits = server.limits
    return {
        "host": server.host,
        **({"hostaddr": server.address} if server.address else {}),
        "port": server.port,
        "dbname": server.database,
        "connect_timeout": max(1, round(limits.connect)),
        "application_name": "fairlead",
        "client_encoding": "utf8",
        "gssencmode": "disable",
        "target_session_attrs": server.session,
        "options": "" if server.pooler else _options(limits),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": round((limits.statement + limits.connect) * 1000),
        **_tls_parameters(server.tls),
    }


def _tls_parameters(tls: Tls) -> dict[str, str]:
    found = {"sslmode": _SSL_MODES[tls.mode]}
    if tls.mode in (TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL):
        found["sslrootcert"] = str(tls.ca) if tls.ca else _system_authorities()
    if tls.certificate is not None and tls.key is not None:
        found |= {"sslcert": str(tls.certificate), "sslkey": str(tls.key)}
    return found


def _system_authorities() -> str:
    """The file with the authorities of the system: the driver's own copy of OpenSSL looks elsewhere for them."""
    candidates = (ssl.get_default_verify_paths().cafile, *_SYSTEM_CAS)
    return next((file for file in candidates if file and Path(file).is_file()), "system")


def _options(limits: Limits) -> str:
    return " ".join(f"-c {name}={value}" for name, value in _settings(limits).items())


def _settings(limits: Limits, *, patient: bool = False) -> dict[str, object]:
    common = min(limits.lock, limits.batch_lock)
    seconds = {
        "statement_timeout": limits.statement,
        "lock_timeout": limits.lock - common if patient else common,
        "idle_in_transaction_session_timeout": limits.idle_in_transaction,
    }
    return {**_PLANNER, **{name: max(1, round(value * 1000)) for name, value in seconds.items()}}  # 0: no limit


class Statement(msgspec.Struct, frozen=True):
    """SQL and its parameters."""

    sql: bytes
    parameters: Sequence[Any] = ()
    binary: bool = False  # the form of the result


def local_settings(server: Server, *, patient: bool = False) -> Statement | None:
    """What a transaction sets first, if anything. `patient`: it has waited for a lock, and may wait for longer."""
    if not server.pooler and not patient:
        return None
    settings = _settings(server.limits, patient=patient)
    calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
    return Statement(f"SELECT {calls}".encode())


async def execute(connection: Connection, statements: Sequence[Statement]) -> list[Rows]:
    """The rows of each statement, in one round trip, and in one transaction unless they say otherwise."""
    if len(statements) == 1:
        cursors = [await _send(connection, statements[0])]
    else:
        async with connection.pipeline():
            cursors = [await _send(connection, statement) for statement in statements]
    return [await cursor.fetchall() if _has_rows(cursor) else [] for cursor in cursors]


def _has_rows(cursor: psycopg.AsyncCursor[tuple[Any, ...]]) -> bool:
    return cursor.pgresult is not None and cursor.pgresult.nfields > 0  # `description` would describe each column


async def _send(connection: Connection, statement: Statement) -> psycopg.AsyncCursor[tuple[Any, ...]]:
    return await connection.execute(statement.sql, statement.parameters, binary=statement.binary)


@dataclass(slots=True, eq=False)
class _Kept:
    """A connection, and until when it may be used."""

    connection: Connection
    generation: int
    until: float
    idle_since: float = 0.0


class Pool:
    """At most `size` connections of one event loop to `server`, made when they are needed.

    `schema`: what statements are about, for messages.
    """

    def __init__(self, server: Server, size: int, *, schema: str = "") -> None:
        self.server = server
        self._schema = schema
        self._size = size
        self._idle: deque[_Kept] = deque()  # used longest ago first
        self._waiting: deque[asyncio.Future[_Kept]] = deque()
        self._open = 0  # those that are being opened among them
        self._opening = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._generation = 0
        self._answered_at = float("-inf")
        self._closed = False
        limits = server.limits
        self._deadline = limits.statement + limits.lock + limits.connect  # no statement that is alive takes longer

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """The result of `work` on a connection that nobody else uses.

        Raises `Unavailable`, `Refused` and `Contended`; work that gets no answer is given up.
        """
        kept = await self._take()
        task = asyncio.ensure_future(work(kept.connection))
        try:
            done, _ = await asyncio.wait({task}, timeout=self._deadline)
        except asyncio.CancelledError:
            self._abandon(kept, task)
            raise
        if not done:
            self._answered_at = float("-inf")
            self._abandon(kept, task)
            raise Unavailable(DATASTORE, f"PostgreSQL did not answer within {self._deadline:g} s")
        try:
            result = task.result()
            self._answered_at = time.monotonic()
            return result
        except psycopg.Error as error:
            failure = faults.converted(error, login_of(kept.connection, self._schema))
            if isinstance(failure, Unavailable):
                self._answered_at = float("-inf")
            if isinstance(failure, faults.ReadOnly):
                self.renew()
            raise failure from None
        finally:
            await self._give_back(kept)

    async def close(self) -> None:
        """Close every connection; those in use when they come back."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._fail_all(Unavailable(DATASTORE, "its adapter is closed"))
        while self._idle:
            await self._end(self._idle.popleft())

    def renew(self) -> None:
        """Use none of the connections that there are now again."""
        self._generation += 1

    def has_answered(self, seconds: float) -> bool:
        """Whether something that was asked for in so many seconds was done."""
        return time.monotonic() - self._answered_at < seconds

    async def _take(self) -> _Kept:
        if self._closed:
            raise Unavailable(DATASTORE, "its adapter is closed")
        while self._idle:
            kept = self._idle.pop()
            if self._is_good(kept) and not _has_ended(kept.connection):
                return kept
            await self._end(kept)
        waiter: asyncio.Future[_Kept] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._open_more()
        try:
            async with asyncio.timeout(self._deadline):
                return await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:  # it came while we gave up
                self._offer(waiter.result())
            if isinstance(error, TimeoutError):
                raise Unavailable(DATASTORE, f"all {self._size} connections to PostgreSQL are busy") from None
            raise

    def _open_more(self) -> None:
        """Open as many connections as there are callers who wait, and room."""
        while self._open < self._size and self._opening < len(self._waiting):
            self._open += 1
            self._opening += 1
            self._start(self._open_one())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open_one(self) -> None:
        connection, failure = None, None
        try:
            connection = await connect(self.server)
        except Exception as error:  # noqa: BLE001 - whatever went wrong must reach those who wait
            failure = error
            self._answered_at = float("-inf")
        finally:
            self._opening -= 1
            self._open -= connection is None
        if failure is not None and not self._open:  # none is in use that could come back, and none is being opened
            self._fail_all(failure)
        if connection is not None:
            until = time.monotonic() + CONNECTION_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311 - no secret
            self._offer(_Kept(connection, self._generation, until))

    def _fail_all(self, error: Exception) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(own_copy(error))

    def _offer(self, kept: _Kept) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(kept)
                return
        kept.idle_since = time.monotonic()
        self._idle.append(kept)

    async def _give_back(self, kept: _Kept) -> None:
        if self._closed or not self._is_good(kept) or not _is_at_rest(kept.connection):
            await self._end(kept)
            self._open_more()
            return
        self._offer(kept)
        if self._idle and time.monotonic() - self._idle[0].idle_since > IDLE_SECONDS:
            await self._end(self._idle.popleft())

    def _is_good(self, kept: _Kept) -> bool:
        return kept.generation == self._generation and time.monotonic() < kept.until

    async def _end(self, kept: _Kept) -> None:
        self._open -= 1
        await _close(kept.connection)

    def _abandon(self, kept: _Kept, task: "asyncio.Future[Any]") -> None:
        """End a connection whose statement is still under way, without waiting for that: its place is free at once."""

        async def end() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError, psycopg.Error):
                await task
            await _close(kept.connection)

        self._start(end())
        self._open -= 1
        self._open_more()


async def _close(connection: Connection) -> None:
    with suppress(psycopg.Error):
        await connection.close()


def _is_at_rest(connection: Connection) -> bool:
    return not connection.closed and connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def _has_ended(connection: Connection) -> bool:
    """Whether an idle connection was closed by the server or the network."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
