"""The command as child processes, as people start it: `fairlead` run to its end, and `fairlead run` on real ports."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
START_SECONDS = 60.0  # a loaded machine is no reason to fail
# One for all, because making one takes longer than a request; servers come and go, so no connection is kept.
http = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), timeout=10)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    return free_ports(1)[0]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "fairlead_cli", *arguments]


def environment() -> dict[str, str]:
    return os.environ | {"NO_COLOR": "1", "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}


def fairlead(*arguments: str, cwd: Path = ROOT, text: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        command(*arguments), cwd=cwd, input=text, env=environment(), capture_output=True, text=True, timeout=120
    )


@dataclass
class Running:
    """A started server. `out` and `err` are everything it has written so far; a later server on its data adds to it."""

    process: subprocess.Popen[bytes]
    url: str
    admin_url: str
    out_path: Path
    err_path: Path

    @property
    def out(self) -> str:
        return self.out_path.read_text(errors="replace")

    @property
    def err(self) -> str:
        return self.err_path.read_text(errors="replace")

    def wait_ready(self, url: str | None = None) -> None:
        """Return when it answers 200 on /ready, of `url` instead of its own if given."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server exited with {self.process.returncode}:\n{self.err}")
            try:
                if http.get(f"{url or self.url}/ready", timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"not ready after {START_SECONDS:.0f} s:\n{self.err}")

    def kill(self) -> None:
        """kill -9, the whole process group."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(timeout=START_SECONDS)


def start(
    file: Path,
    data_dir: Path | None,
    *arguments: str,
    port: int | None = None,
    admin_port: int | None = None,
    cwd: Path = ROOT,
    log_format: str = "json",
    open_files: int | None = None,
) -> Running:
    """Start `fairlead run` and return at once. Without `data_dir` it chooses its own, below `cwd`.

    `open_files` is how many it is allowed.
    """
    fresh = free_ports(2)
    port, admin_port = port or fresh[0], admin_port or fresh[1]
    options = ["run", "-f", str(file), "--port", str(port), "--admin-port", str(admin_port), "--log-format", log_format]
    if data_dir is not None:
        options += ["--data-dir", str(data_dir)]
    beside = data_dir or cwd / "fairlead"
    out_path, err_path = beside.with_name(f"{beside.name}.out"), beside.with_name(f"{beside.name}.err")
    limited = [] if open_files is None else ["sh", "-c", 'ulimit -n "$0" && exec "$@"', str(open_files)]
    with out_path.open("ab") as out, err_path.open("ab") as err:
        process = subprocess.Popen(
            [*limited, *command(*options, *arguments)],
            cwd=cwd,
            env=environment(),
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    return Running(process, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin_port}", out_path, err_path)


@contextmanager
def running(
    file: Path,
    data_dir: Path | None,
    *arguments: str,
    port: int | None = None,
    admin_port: int | None = None,
    cwd: Path = ROOT,
    log_format: str = "json",
    open_files: int | None = None,
) -> Iterator[Running]:
    """A ready server for the length of a block."""
    server = start(
        file,
        data_dir,
        *arguments,
        port=port,
        admin_port=admin_port,
        cwd=cwd,
        log_format=log_format,
        open_files=open_files,
    )
    try:
        server.wait_ready()
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()
