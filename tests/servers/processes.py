"""Servers of tests are child processes on loopback that end with the test run, however that ends."""

import contextlib
import ctypes
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

LOOPBACK = "127.0.0.1"
READY_SECONDS = 60.0
_LOG_TAIL_LINES = 25


class StartError(Exception):
    """A server exited or did not become ready; the text ends with the tail of its log."""


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


def unprivileged_user(*names: str) -> str | None:
    """The first of these users that there is, for servers that refuse to run as root; None when this is not root."""
    if os.geteuid() != 0:
        return None
    for name in (*names, "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise StartError(f"the tests run as root, and none of the users {', '.join(names)} and nobody exists")


def start(
    command: Sequence[str | Path], *, log: Path, user: str | None, end: signal.Signals
) -> "subprocess.Popen[bytes]":
    """Start a server. On Linux the kernel sends it `end` when this process ends."""

    def die_with_parent() -> None:
        if sys.platform == "linux":
            death_signal_option = 1
            ctypes.CDLL(None).prctl(death_signal_option, end)

    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=user,
            extra_groups=None if user is None else [],
            start_new_session=True,  # Ctrl-C reaches the test run alone, which then stops its servers
            preexec_fn=die_with_parent,
        )


def wait_until_ready(process: "subprocess.Popen[bytes]", is_ready: Callable[[], bool], *, log: Path) -> None:
    """Return when the server is ready. Raises `StartError` when it ends, or takes too long."""
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready():
        if process.poll() is not None:
            raise StartError(f"{process.args} exited with {process.returncode}\n{tail(log)}")
        if time.monotonic() > deadline:
            raise StartError(f"{process.args} is not ready after {READY_SECONDS:g} s\n{tail(log)}")
        time.sleep(0.02)


def stop(process: "subprocess.Popen[bytes]", number: signal.Signals, *, seconds: float = 20.0) -> None:
    """Send a signal and wait; kill what does not end."""
    process.send_signal(number)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:])
