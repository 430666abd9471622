"""A `fairlead run` in a child process, for tests that need the whole thing on a real port."""

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

START_SECONDS = 30.0


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Running:
    """A started server. `log` is everything it has written so far."""

    process: subprocess.Popen[bytes]
    url: str
    admin_url: str
    log_path: Path

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_ready(self) -> None:
        """Return when it answers 200 on /ready."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server exited with {self.process.returncode}:\n{self.log}")
            try:
                if httpx.get(f"{self.url}/ready", timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"not ready after {START_SECONDS:.0f} s:\n{self.log}")

    def kill(self) -> None:
        """kill -9, the whole process group."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(timeout=START_SECONDS)


def start(file: Path, data_dir: Path, *arguments: str, port: int | None = None) -> Running:
    """Start `fairlead run` and return at once."""
    port, admin_port = port or free_port(), free_port()
    log_path = data_dir.parent / f"{data_dir.name}.log"
    command = [sys.executable, "-m", "fairlead_cli", "run", "-f", str(file), "--data-dir", str(data_dir)]
    command += ["--port", str(port), "--admin-port", str(admin_port), "--log-format", "json", *arguments]
    with log_path.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    return Running(process, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin_port}", log_path)


@contextmanager
def running(file: Path, data_dir: Path, *arguments: str) -> Iterator[Running]:
    """A ready server for the length of a block."""
    server = start(file, data_dir, *arguments)
    try:
        server.wait_ready()
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()
