"""The disk of the data directory: whether a write found it full, and since then whether there is room.

A full disk is known by its name, in the log, in readiness and in metrics, until there is some room. That one more write
went through proves nothing: a small one may still fit where the next does not.
"""

import logging
import os
from pathlib import Path

from fairlead_workload.errors import DiskFull

ROOM_BYTES = 1024 * 1024  # with less free, a disk that was full still is

_log = logging.getLogger(__name__)


class Disk:
    """The disk that `directory` is on. `note` may be called from any thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.full = False

    @property
    def free_bytes(self) -> int:
        """Room for this user; 0 when it is unknown."""
        try:
            stat = os.statvfs(self._directory)
        except OSError:
            return 0
        return stat.f_bavail * stat.f_frsize

    def note(self) -> None:
        """A write failed because there was no room for it."""
        if not self.full:
            self.full = True
            _log.error("disk full", extra={"directory": str(self._directory), "free_bytes": self.free_bytes})

    def check(self, dependency: str) -> None:
        """Return unless the disk is full. Raises `DiskFull`."""
        if not self.full:
            return
        free_bytes = self.free_bytes
        if free_bytes < ROOM_BYTES:
            raise DiskFull(dependency, f"the disk of {self._directory} is full: {free_bytes} bytes are free")
        self.full = False
        _log.info("disk has room again", extra={"directory": str(self._directory), "free_bytes": free_bytes})
