"""A real PostgreSQL server as a child process: its programs, a cluster of its own, and databases for tests.

It runs as an unprivileged user also when the tests are root, listens on a free port of loopback, and has no socket in
the file system. Its folder is not below pytest's, which other users cannot enter.
"""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg

from fairlead_contract.spec.bindings import TlsMode
from fairlead_workload.credentials import Credentials
from fairlead_workload.stores.postgresql.connections import Server, Tls

from . import processes
from .processes import LOOPBACK, StartError

PART = "postgresql"
GROUP = "postgresql"  # tests that use the server of the session run in one process
USER, PASSWORD = "fairlead", "a password"
START_ATTEMPTS = 3
_PROGRAMS = ("postgres", "initdb", "pg_basebackup")
_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/pgsql/bin",
)
_REMEDY = (
    "PostgreSQL's server is not installed (initdb, postgres). Install the package `postgresql`, or leave these tests"
    " out with FAIRLEAD_SKIP=postgresql"
)
NO_FSYNC: Mapping[str, str] = MappingProxyType({"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"})
"""Settings of a server that no test kills: faster, and nothing to be sure of after a crash."""


def find_programs() -> Path:
    """The folder of the server's programs. Debian keeps it out of the path. Raises `StartError` with a way out."""
    candidates = [Path(found).resolve().parent for name in _PROGRAMS if (found := shutil.which(name))]
    if shutil.which("pg_config"):
        done = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True)
        candidates.append(Path(done.stdout.strip()))
    for pattern in _FOLDERS:
        candidates += sorted(Path("/").glob(pattern[1:]), reverse=True)
    for folder in candidates:
        if all((folder / name).is_file() for name in _PROGRAMS):
            return folder
    raise StartError(_REMEDY)


class PostgreSQL:
    """A cluster that can be stopped and started again; `close` removes it.

    `standby_of`: it follows that server, which runs, instead of having a cluster of its own. `port` 0: a free one.
    """

    def __init__(
        self,
        settings: Mapping[str, str] = MappingProxyType({}),
        *,
        standby_of: "PostgreSQL | None" = None,
        host: str = LOOPBACK,
        port: int = 0,
    ) -> None:
        self._programs = find_programs()
        self._user = processes.unprivileged_user("postgres")
        self.folder = Path(tempfile.mkdtemp(prefix="fairlead-postgresql-"))
        self._settings = dict(settings)
        self._log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.host, self.port = host, port
        try:
            if self._user is not None:
                shutil.chown(self.folder, self._user)
            self._initialise() if standby_of is None else self._copy(standby_of)
        except BaseException:
            self.close()
            raise

    def _initialise(self) -> None:
        password = self.add_file("password", PASSWORD.encode())
        self._run(
            *("initdb", "--pgdata", self.folder / "data", "--username", USER, "--pwfile", password),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
        )

    def _copy(self, primary: "PostgreSQL") -> None:
        self._run(
            *("pg_basebackup", "--pgdata", self.folder / "data", "--write-recovery-conf", "--wal-method=stream"),
            *("--checkpoint=fast", "--no-sync", "--dbname"),
            psycopg.conninfo.make_conninfo("", **primary._parameters(primary.port)),
        )

    def _run(self, program: str, *words: str | Path) -> None:
        done = subprocess.run(
            [self._programs / program, *words],
            user=self._user,
            extra_groups=None if self._user is None else [],
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise StartError(f"{program} exited with {done.returncode}\n{done.stdout}{done.stderr}")

    def add_file(self, name: str, content: bytes) -> Path:
        """A file in the server's folder that it alone may read."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        if self._user is not None:
            shutil.chown(path, self._user)
        return path

    def start(self) -> None:
        """Start the server, on the port that it had before."""
        for attempt in range(1, START_ATTEMPTS + 1):
            port = self.port or processes.free_port()
            settings = {
                "port": port,
                "listen_addresses": self.host,
                "unix_socket_directories": "",
                "max_connections": 60,
                "shared_buffers": "32MB",
                **self._settings,
            }
            flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            self._process = processes.start(
                [self._programs / "postgres", "-D", self.folder / "data", *flags],
                log=self._log,
                user=self._user,
                end=signal.SIGQUIT,
            )
            try:
                processes.wait_until_ready(self._process, lambda port=port: self._answers(port), log=self._log)
            except StartError:
                self.kill()
                if attempt == START_ATTEMPTS:
                    raise
            else:
                self.port = port
                return

    def _answers(self, port: int) -> bool:
        try:
            psycopg.connect(**self._parameters(port), connect_timeout=5).close()  # type: ignore[arg-type]
        except psycopg.OperationalError:
            return False
        return True

    def _parameters(self, port: int) -> dict[str, str]:
        return {"host": self.host, "port": str(port), "user": USER, "password": PASSWORD, "dbname": "postgres"}

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def stop(self) -> None:
        """Fast shutdown: transactions are rolled back, connections are closed."""
        if self._process is not None:
            processes.stop(self._process, signal.SIGINT)
            self._process = None

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            processes.stop(self._process, signal.SIGQUIT)
            self._process = None

    def close(self) -> None:
        """Stop it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection of the administrator, outside of the adapter."""
        return psycopg.connect(**self._parameters(self.port), autocommit=True)  # type: ignore[arg-type]

    def execute(self, sql: str, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        """The rows of a statement of the administrator."""
        parameters = self._parameters(self.port) | {"dbname": database}
        with psycopg.connect(**parameters, autocommit=True) as connection:  # type: ignore[arg-type]
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def server(self, **changes: object) -> Server:
        """How an adapter reaches it."""
        settings = {
            "host": self.host,
            "port": self.port,
            "database": "postgres",
            "credentials": lambda: Credentials(USER, PASSWORD),
            "tls": Tls(TlsMode.DISABLE),
        }
        return Server(**{**settings, **changes})  # type: ignore[arg-type]

    def backends(self) -> set[int]:
        """The server's processes of the adapters' connections."""
        rows = self.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'fairlead'")
        return {pid for (pid,) in rows}

    def waiting(self) -> set[int]:
        """Those that wait for a lock."""
        rows = self.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'fairlead' AND wait_event_type = 'Lock'"
        )
        return {pid for (pid,) in rows}


@contextmanager
def running(settings: Mapping[str, str] = MappingProxyType({}), **options: Any) -> Iterator[PostgreSQL]:
    """A server of its own for a test that stops it, or changes its settings."""
    server = PostgreSQL(settings, **options)
    try:
        server.start()
        yield server
    finally:
        server.close()


@contextmanager
def running_with_tls(*, certificate: bytes, key: bytes, authority: bytes, hba: str) -> Iterator[PostgreSQL]:
    """A server with a certificate; clients' are to be signed by `authority`, and `hba` says who may log in how."""
    server = PostgreSQL(
        {"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key", "ssl_ca_file": "ca.crt"}
    )
    try:
        files = {"server.crt": certificate, "server.key": key, "ca.crt": authority, "pg_hba.conf": hba.encode()}
        for name, content in files.items():
            server.add_file(f"data/{name}", content)
        server.start()
        yield server
    finally:
        server.close()
