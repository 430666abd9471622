"""Start and stop the servers that the examples name: `services.py up|down [--delete]`.

With Docker they come from compose.yaml. Without, they are processes of this machine's own programs, which
scripts/postgresql.sh installs where it may. Either way they listen on loopback, with the same ports and passwords, keep
their data until `down --delete`, and have their Secrets in .fairlead/services, as folders for `fairlead run --secret`.
"""

import argparse
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(".fairlead/services")
USER, PASSWORD, DATABASE, PORT = "fairlead", "fairlead", "shop", 15432
SECRETS = {"shop-db": {"username": USER, "password": PASSWORD}}
NEXT = """PostgreSQL listens on 127.0.0.1:{port}. Serve the example on it, as often as you like:

  {fairlead} run -f examples/postgresql.yaml --bindings declared --secret shop-db={secret}
  {fairlead} run -f examples/postgresql.yaml --bindings declared --secret shop-db={secret} --port 8081 --admin-port 9091
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Servers that the examples name, on this machine.")
    parser.add_argument("verb", choices=["up", "down"])
    parser.add_argument("--delete", action="store_true", help="with down: delete their data, too")
    options = parser.parse_args()
    if options.verb == "up":
        return up()
    return down(delete=options.delete)


def up() -> int:
    for name, files in SECRETS.items():
        folder = FOLDER / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file, value in files.items():
            (folder / file).write_text(value)
    if has_docker():
        subprocess.run(["docker", "compose", "up", "--detach", "--wait"], check=True)
    else:
        Cluster().start()
    fairlead = Path(sys.executable).with_name("fairlead")
    shown = fairlead.relative_to(Path.cwd()) if fairlead.is_relative_to(Path.cwd()) else fairlead
    print(NEXT.format(port=PORT, fairlead=shown, secret=FOLDER / "shop-db"))
    return 0


def down(*, delete: bool) -> int:
    if has_docker():
        subprocess.run(["docker", "compose", "down", *(["--volumes"] if delete else [])], check=True)
    else:
        Cluster().stop(delete=delete)
    return 0


def has_docker() -> bool:
    """Whether Docker runs here, with its compose command."""
    commands = (["docker", "info"], ["docker", "compose", "version"])
    if shutil.which("docker") is None:
        return False
    return all(subprocess.run(command, capture_output=True).returncode == 0 for command in commands)


class Cluster:
    """PostgreSQL's data folder and the server on it. As root it runs as the user `postgres`, outside of root's home."""

    def __init__(self) -> None:
        self._user: str | None = None
        self._folder = FOLDER.resolve() / "postgresql"
        if os.geteuid() == 0:
            self._user = postgres_user()
            self._folder = Path("/var/lib/postgresql/fairlead-services")

    def start(self) -> None:
        if not (self._folder / "PG_VERSION").is_file():
            self._make()
        if self._control("status").returncode == 0:
            return
        settings = f"-c port={PORT} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        started = self._control("start", "--wait", "--log", self._folder / "server.log", "--options", settings)
        if started.returncode != 0:
            sys.exit(f"PostgreSQL did not start: {started.stdout}See {self._folder / 'server.log'}")
        self._make_database()

    def _make(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        password = self._folder.with_name("password")
        password.write_text(PASSWORD)
        if self._user is not None:
            shutil.chown(self._folder, self._user)
            shutil.chown(password, self._user)
        made = self._run(
            *("initdb", "--pgdata", self._folder, "--username", USER, "--pwfile", password),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"),
        )
        password.unlink()
        if made.returncode != 0:
            sys.exit(f"PostgreSQL's data could not be made in {self._folder}: {made.stdout}")

    def _make_database(self) -> None:
        import psycopg

        where = {"host": "127.0.0.1", "port": PORT, "user": USER, "password": PASSWORD, "dbname": "postgres"}
        with psycopg.connect(**where, autocommit=True) as connection:  # type: ignore[arg-type]
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
            if known is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def stop(self, *, delete: bool) -> None:
        if self._control("status").returncode == 0:
            self._control("stop", "--wait", "--mode", "fast")
        if delete:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _control(self, verb: str, *words: str | Path) -> "subprocess.CompletedProcess[str]":
        return self._run("pg_ctl", verb, "--pgdata", self._folder, *words)

    def _run(self, program: str, *words: str | Path) -> "subprocess.CompletedProcess[str]":
        with (FOLDER / "last-output").open("w+") as output:  # a pipe would stay open in the server
            done = subprocess.run(
                [programs() / program, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
                user=self._user,
                extra_groups=None if self._user is None else [],
                cwd="/",
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read(), "")


def programs() -> Path:
    """The folder of PostgreSQL's programs; installs them where that is allowed."""
    found = subprocess.run(["scripts/postgresql.sh"], stdout=subprocess.PIPE, text=True)
    if found.returncode != 0:
        sys.exit(found.returncode)
    return Path(found.stdout.splitlines()[-1])


def postgres_user() -> str:
    """PostgreSQL refuses to run as root."""
    programs()  # its package makes the user
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        sys.exit(
            "PostgreSQL does not run as root, and there is no user `postgres`: run make services-up as another user"
        )


if __name__ == "__main__":
    sys.exit(main())
