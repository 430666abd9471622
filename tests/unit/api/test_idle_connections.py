"""Looking for idle connections leaves every other descriptor of the process as it was."""

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fairlead_workload.api.servers.base import HttpLimits
from fairlead_workload.api.servers.idle_connections import IdleConnectionCloser

# Another process: exit status 0 when it gets the lock that a process may hold on this file.
TRY_LOCK = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(1)
"""


def is_locked(path: Path) -> bool:
    """Whether another process is kept from locking the file."""
    return subprocess.run([sys.executable, "-c", TRY_LOCK, str(path)], check=False).returncode == 1


def test_locks_of_the_process_stay(tmp_path: Path) -> None:
    """POSIX drops all locks of a process on a file when it closes any descriptor of it. SQLite's were lost so."""
    path = tmp_path / "file"
    path.touch()
    with path.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert is_locked(path)
        IdleConnectionCloser(1, HttpLimits()).close_silent()
        assert is_locked(path)


def test_a_descriptor_that_became_a_file_meanwhile_is_not_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.touch()
    real_dup: Callable[[int], int] = os.dup
    copies: list[int] = []
    with path.open("r+b") as file, socket.socket() as one:
        fcntl.lockf(file, fcntl.LOCK_EX)

        def dup(descriptor: int) -> int:
            copy = real_dup(file.fileno() if descriptor == one.fileno() else descriptor)
            copies.extend([copy] if descriptor == one.fileno() else [])
            return copy

        monkeypatch.setattr(os, "dup", dup)
        IdleConnectionCloser(1, HttpLimits()).close_silent()
        assert copies or sys.platform != "linux", "the socket was not looked at"
        assert is_locked(path)
    for copy in copies:
        os.close(copy)
