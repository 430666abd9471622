"""Connections on which nothing happens: closed after a while, for a server that does not do it by itself.

Linux knows when each connection of a port last carried data (TCP_INFO), so a request has no extra cost, and any idle
connection is closed, whatever its protocol, and that of a client which does not read its answer. Elsewhere nothing is
closed.

Only descriptors of sockets are copied. When a process closes any descriptor of a file, it loses all its POSIX locks on
that file: SQLite's are what keeps another process from taking the write-ahead log away.
"""

import asyncio
import contextlib
import fcntl
import os
import socket
import stat
import struct
import sys
import termios
import time
from pathlib import Path

from fairlead_workload.api.servers.base import HttpLimits

_PREFACE_BYTES = 24  # of HTTP/2; fewer bytes are no request in any protocol
_CHECKS = 4  # in the shortest time that is waited for
_INFO = struct.Struct("@44xI4xI72xQ")  # tcp_info: milliseconds since data was sent, and since it came; bytes that came
_COUNT = struct.Struct("@i")


class IdleConnectionCloser:
    """Closes the connections to `port`, of this process, that are silent for longer than `limits` allow.

    `closes_heads`: the server itself closes those that have not sent a request, so that there is less to look for.
    """

    def __init__(self, port: int, limits: HttpLimits, *, closes_heads: bool = False) -> None:
        self._port = port
        self._limits = limits
        shortest_seconds = limits.keep_alive_seconds if closes_heads else limits.header_read_seconds
        self._pause_seconds = shortest_seconds / _CHECKS
        self._seen: dict[int, float] = {}  # by inode: when each was first looked at

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._pause_seconds)
            with contextlib.suppress(OSError):  # no descriptor is free to look with; some will be by the next time
                await asyncio.to_thread(self.close_silent)

    def close_silent(self) -> None:
        """Close those that are silent now."""
        if sys.platform != "linux":
            return
        seen: dict[int, float] = {}
        for path in Path("/proc/self/fd").iterdir():
            try:
                if not str(path.readlink()).startswith("socket:"):
                    continue
                descriptor = os.dup(int(path.name))  # the server may close its own at any moment
            except OSError:
                continue
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):  # else a file has just got the number; its copy stays open
                self._look_at(descriptor, seen)
        self._seen = seen

    def _look_at(self, descriptor: int, seen: dict[int, float]) -> None:
        with socket.socket(fileno=descriptor) as connection, contextlib.suppress(OSError):  # it listens, or has ended
            if not self._is_ours(connection):
                return
            inode, now = os.fstat(descriptor).st_ino, time.monotonic()
            seen[inode] = self._seen.get(inode, now)
            if not _waits(connection) and self._is_silent(connection, now - seen[inode]):
                connection.shutdown(socket.SHUT_RDWR)

    def _is_ours(self, connection: socket.socket) -> bool:
        is_tcp = connection.family in (socket.AF_INET, socket.AF_INET6) and connection.type is socket.SOCK_STREAM
        return is_tcp and connection.getsockname()[1] == self._port and bool(connection.getpeername())

    def _is_silent(self, connection: socket.socket, age_seconds: float) -> bool:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
        sent_ms, received_ms, received_bytes = _INFO.unpack(info)
        limits = self._limits
        has_request = received_bytes >= _PREFACE_BYTES
        allowed_seconds = limits.keep_alive_seconds if has_request else limits.header_read_seconds
        return bool(min(sent_ms / 1000, received_ms / 1000, age_seconds) > allowed_seconds)


def _waits(connection: socket.socket) -> bool:
    """Whether it has said something that the server has not read, because others take all places.

    Who has a place, and does not read the answer, may have said more; that one does not wait.
    """
    return _count(connection, termios.FIONREAD) > 0 and _count(connection, termios.TIOCOUTQ) == 0


def _count(connection: socket.socket, queue: int) -> int:
    """How many bytes are in a queue of the connection."""
    counted: int = _COUNT.unpack(fcntl.ioctl(connection, queue, bytes(_COUNT.size)))[0]
    return counted
