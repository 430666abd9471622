"""Hearing of what other processes commit to the outbox: NOTIFY by those that commit, LISTEN by the one that relays.

A NOTIFY makes the commits of its database wait for each other for a moment. So it is sent after the commit, in a
transaction of its own, and at most once in a while for all commits. LISTEN needs a connection of its own to the server
itself, because a pooler would give it to others. What is not heard is found by polling.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg

from fairlead_workload.errors import DependencyError
from fairlead_workload.stores.postgresql.connections import Connection, Server, Statement, connect
from fairlead_workload.stores.postgresql.servers import Servers

NOTIFY_SECONDS = 0.05
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0

_log = logging.getLogger(__name__)


def channel_name(schema: str) -> str:
    """The channel of an ApiService: channels belong to the database."""
    return "fairlead_" + hashlib.sha256(schema.encode()).hexdigest()[:24]


class Notifier:
    """Notifies other processes of commits, at most every `NOTIFY_SECONDS`."""

    def __init__(self, servers: Servers, channel: str) -> None:
        self._servers = servers
        self._statement = Statement(b"SELECT pg_notify($1::text, '')", (channel,))
        self._task: asyncio.Task[None] | None = None
        self._wanted = False
        self._sent_at = 0.0

    def notify(self) -> None:
        """Have it sent soon."""
        self._wanted = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        try:
            while self._wanted:
                await asyncio.sleep(max(0.0, self._sent_at + NOTIFY_SECONDS - time.monotonic()))
                self._wanted, self._sent_at = False, time.monotonic()
                with suppress(DependencyError):  # polling finds what is not heard of
                    await self._servers.write(self._statement)
        finally:
            self._task = None

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


class Listener:
    """Calls `wake` for each notification, and after every time that it may have missed one."""

    def __init__(self, server: Server, channel: str, wake: Callable[[], None]) -> None:
        self._server = server
        self._channel = channel
        self._wake = wake
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                connection = await connect(self._server)
            except DependencyError as error:
                if pause == FIRST_PAUSE_SECONDS:
                    _log.warning("cannot listen for commits of other processes", extra={"error": str(error)})
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                continue
            pause = FIRST_PAUSE_SECONDS
            try:
                await self._listen(connection)
            except psycopg.Error:
                await asyncio.sleep(pause)
            finally:
                await connection.close()

    async def _listen(self, connection: Connection) -> None:
        await connection.execute(f'LISTEN "{self._channel}"'.encode())
        self._wake()
        async for _ in connection.notifies():
            self._wake()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
