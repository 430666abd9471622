"""The command as a child process, as people start it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
START_SECONDS = 60  # a loaded machine is no reason to fail


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "fairlead_cli", *arguments]


def environment() -> dict[str, str]:
    return os.environ | {"NO_COLOR": "1", "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}


def fairlead(*arguments: str, cwd: Path = ROOT, text: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        command(*arguments), cwd=cwd, input=text, env=environment(), capture_output=True, text=True, timeout=120
    )


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on just now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


@contextmanager
def serving(*arguments: str, cwd: Path, ready: str) -> Iterator["subprocess.Popen[str]"]:
    """`fairlead run` from the moment that `ready` (a URL) answers; killed at the end if it still runs."""
    process = subprocess.Popen(
        command("run", *arguments),
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _wait_for(process, ready)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _wait_for(process: "subprocess.Popen[str]", url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"fairlead run ended with {process.returncode}: {process.communicate()}")
        try:
            if httpx.get(url, timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{url} did not answer in {START_SECONDS} s")


def stop(process: "subprocess.Popen[str]", number: int = signal.SIGTERM) -> tuple[int, str, str]:
    """Send the signal and wait: exit code, standard output, standard error."""
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err
