"""Operators as real processes, to be killed, paused and ended at any moment."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fairlead_operator.settings import Settings

from ..waiting import eventually

FORK_SERVER = Path(__file__).with_name("fork_server.py")
END_SECONDS = 20.0


class ForkServer:
    """Forks operators, see `fork_server`. Use it as a context; at its end all it started are killed."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._lock = threading.Lock()

    def __enter__(self) -> "ForkServer":
        command = [sys.executable, str(FORK_SERVER)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=END_SECONDS)

    def request(self, **request: Any) -> Any:
        """Carry it out; the answer."""
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())


class Process:
    """One replica. It can be started again after its end; with the same settings it then still holds its Lease.

    Its requests go to `url`, without credentials. `kill` and `pause` are quick enough for an action of the proxy.
    `started_at` are the times of all starts, in seconds of the monotonic clock.
    """

    def __init__(self, fork_server: ForkServer, settings: Settings, url: str) -> None:
        self.settings = settings
        self.log = fork_server.logs / f"{settings.namespace}-{settings.identity}.log"
        self._fork_server = fork_server
        self._url = url
        self._lock = threading.RLock()
        self._pid: int | None = None
        self._exit_code: int | None = None
        self.started_at: list[float] = []

    def start(self) -> None:
        """Start it, and return at once."""
        with self._lock:
            assert not self.alive, "it runs already"
            self._exit_code = None
            self.started_at.append(time.monotonic())
            given = {"settings": asdict(self.settings), "url": self._url, "log": str(self.log)}
            self._pid = self._fork_server.request(do="start", **given)

    def kill(self) -> None:
        """SIGKILL."""
        self._signal(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and wait for the end; the exit code."""
        self._signal(signal.SIGTERM)
        return self.wait()

    def pause(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def wait(self) -> int:
        """Wait for the end; the exit code."""
        eventually(lambda: not self.alive, what=f"{self.settings.identity} has ended", timeout_seconds=END_SECONDS)
        assert self._exit_code is not None
        return self._exit_code

    @property
    def alive(self) -> bool:
        """Whether it runs, or is paused."""
        return self._pid is not None and self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """How it ended, a signal as its negative number; None when it has not."""
        with self._lock:
            if self._pid is not None and self._exit_code is None:
                self._exit_code = self._fork_server.request(do="look", pid=self._pid)
            return self._exit_code

    def _signal(self, number: int) -> None:
        # A process that has ended keeps its number until the fork server has waited for it, so no other can have it.
        with self._lock:
            if self._pid is not None and self._exit_code is None:
                os.kill(self._pid, number)
