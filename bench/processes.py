"""Child processes of the bench: each is known here, so that none is left behind, however the command ends."""

import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.errors import Failed

LOG_LINES = 15
ACCESS = '"message":"request"'  # in a line of the access log
_running: list["subprocess.Popen[bytes]"] = []


def spawn(command: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
    """Start a process. It is in a session of its own: at Ctrl-C this process decides what happens to it."""
    with _interrupted_later():
        child = subprocess.Popen(command, start_new_session=True, **options)
        _running.append(child)
    return child


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Hold back Ctrl-C for the length of a block: between the start of a child and its entry in the list, it would
    leave the child behind."""
    came: list[int] = []
    held = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _: came.append(number)) for number in held]
    try:
        yield
    finally:
        for number, handler in zip(held, before, strict=True):
            signal.signal(number, handler)
    for number in came[:1]:
        signal.raise_signal(number)


def end(child: "subprocess.Popen[bytes]") -> None:
    """Kill it if it runs, and wait for its end."""
    child.kill()
    child.wait()
    if child in _running:
        _running.remove(child)


def end_all() -> None:
    """Kill whatever still runs."""
    for child in _running[::-1]:
        end(child)


def on_core(core: int, command: Sequence[str]) -> list[str]:
    """The command, bound to a core. `taskset` becomes the command, so the process id is the command's."""
    return ["taskset", "-c", str(core), *command]


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module with this Python."""
    return [sys.executable, "-m", name, *arguments]


def run(command: Sequence[str], *, timeout_seconds: float) -> tuple[str, str]:
    """Run a command to its end: its standard output and standard error. Raises Failed if it fails or takes longer."""
    child = spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = child.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        raise Failed(f"still running after {timeout_seconds:.0f} s: {' '.join(command)}") from None
    finally:
        end(child)
    if child.returncode:
        said = tail((out + err).decode(errors="replace"))
        raise Failed(f"exit status {child.returncode} of {' '.join(command)}:\n{said}")
    return out.decode(), err.decode(errors="replace")


def free_port() -> int:
    """A port of the loopback interface that nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def tail(text: str) -> str:
    """The last lines of a log, indented."""
    return "\n".join(f"  | {line[:500]}" for line in text.splitlines()[-LOG_LINES:])


class Background:
    """A command that runs until `end`; what it prints goes to a file. `environment` is added to this process's."""

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._log = log
        with log.open("ab") as output:
            self._child = spawn(command, stdout=output, stderr=output, env={**os.environ, **environment})

    @property
    def pid(self) -> int:
        return self._child.pid

    def state(self) -> str:
        """Whether it runs, and the end of its log, without the lines of the access log."""
        status = self._child.poll()
        ended = "runs" if status is None else f"has ended with status {status}"
        with self._log.open(errors="replace") as log:
            last = deque((line for line in log if ACCESS not in line), maxlen=LOG_LINES)
        said = f":\n{tail(''.join(last))}" if last else " has nothing but answered requests"
        return f"the server {ended}; the end of its log{said}"

    def forget(self) -> None:
        """Empty the file: an access log grows by a megabyte a second."""
        os.truncate(self._log, 0)

    def require_running(self) -> None:
        """Raises Failed, with the end of the log, when it has ended."""
        if self._child.poll() is not None:
            raise Failed(self.state())

    def end(self) -> None:
        """Kill it."""
        end(self._child)
