"""A real PgBouncer in transaction mode in front of a PostgreSQL, as a child process on a free port of loopback."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from fairlead_workload.stores.postgresql.connections import Server

from . import processes
from .postgresql import PASSWORD, USER, PostgreSQL
from .processes import LOOPBACK, StartError

SERVERS, CLIENTS = 2, 400
_SETTINGS = """[databases]
postgres = host={host} port={port} dbname=postgres

[pgbouncer]
listen_addr = {loopback}
listen_port = {listen}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
admin_users = {user}
pool_mode = transaction
default_pool_size = {servers}
max_client_conn = {clients}
"""


def find_program() -> str:
    """The program. Debian keeps it out of the path of users. Raises `StartError` with a way out."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise StartError(
            "PgBouncer is not installed. Install the package `pgbouncer`, or leave these tests out with"
            " FAIRLEAD_SKIP=postgresql"
        )
    return found


class PgBouncer:
    """A pooler with `SERVERS` connections to `behind`, whatever the number of its clients."""

    def __init__(self, behind: PostgreSQL) -> None:
        self.behind = behind
        self._user = processes.unprivileged_user("postgres")
        self._folder = Path(tempfile.mkdtemp(prefix="fairlead-pgbouncer-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = processes.free_port()
        users, settings = self._folder / "users", self._folder / "settings"
        users.write_text(f'"{USER}" "{PASSWORD}"\n')
        settings.write_text(
            _SETTINGS.format(
                host=behind.host,
                port=behind.port,
                loopback=LOOPBACK,
                listen=self.port,
                users=users,
                user=USER,
                servers=SERVERS,
                clients=CLIENTS,
            )
        )
        for path in (self._folder, users, settings):
            if self._user is not None:
                shutil.chown(path, self._user)

    def start(self) -> None:
        log = self._folder / "log"
        command = [find_program(), str(self._folder / "settings")]
        self._process = processes.start(command, log=log, user=self._user, end=signal.SIGTERM)
        processes.wait_until_ready(self._process, self._answers, log=log)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection of a client that is not ours; `pgbouncer` is the database of its own state."""
        where = {"host": LOOPBACK, "port": self.port, "user": USER, "password": PASSWORD, "dbname": database}
        return psycopg.connect(**where, autocommit=True, prepare_threshold=None)  # type: ignore[arg-type]

    def server(self, **changes: object) -> Server:
        """How an adapter reaches PostgreSQL through it."""
        return self.behind.server(host=LOOPBACK, port=self.port, pooler=True, **changes)

    def close(self) -> None:
        """Stop it and remove its folder."""
        if self._process is not None:
            processes.stop(self._process, signal.SIGTERM)
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def running(behind: PostgreSQL) -> Iterator[PgBouncer]:
    """A pooler in front of a server that runs."""
    pooler = PgBouncer(behind)
    try:
        pooler.start()
        yield pooler
    finally:
        pooler.close()
