"""The server lock: one server per data directory.

An advisory lock of the operating system on a file of its own, so that the kernel releases it however the process ends
and no stale lock is ever left. Programs that open the database beside a server do not take it.
"""

import fcntl
import os
from pathlib import Path

from fairlead_workload.errors import Misconfigured
from fairlead_workload.sqlite import faults

LOCK_FILE = "server.lock"


class ServerLock:
    """Held from construction to `release`. Raises `Misconfigured` when another server holds it."""

    def __init__(self, data_dir: Path) -> None:
        path = data_dir / LOCK_FILE
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise faults.at_start(error, path) from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise _held(data_dir, holder) from None
        self._sign()

    def _sign(self) -> None:
        """Leave the process id for the message another server shows; a full disk does not stop the start."""
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)
        except OSError:
            return

    def release(self) -> None:
        """Let the next server in. The file stays: removing it would race with who opens it meanwhile."""
        os.close(self._descriptor)


def _held(data_dir: Path, holder: str) -> Misconfigured:
    who = f" (process {holder})" if holder else ""
    return Misconfigured(
        str(data_dir),
        f"another server{who} uses this data directory",
        "stop it, or give this one a directory of its own with --data-dir",
    )
