"""The public server: Granian (HTTP/1.1, HTTP/2, TLS 1.3), embedded in our event loop.

Granian gets our socket, no say over logging or signals, and no WebSockets. It drains by itself: stopped, it refuses
connections, closes idle ones and finishes requests in flight. HTTP/2 only where it is asked for or TLS negotiates it:
to distinguish the protocols, Granian waits for a client without end (hyperium/hyper#3962), and in every protocol for
one that does not read its answer (hyperium/hyper#1628), so that silent ones have to be closed by us.
"""

import asyncio
import logging
import socket
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels
from granian.server.embed import Server as Embedded

from fairlead_workload.api.servers.base import Application, HttpLimits, TlsFiles
from fairlead_workload.api.servers.idle_connections import IdleConnectionCloser
from fairlead_workload.errors import Misconfigured

# Incremental: a full configuration would drop the handlers of everyone else.
_LOGGING: dict[str, Any] = {"version": 1, "incremental": True, "formatters": {}, "handlers": {}, "loggers": {}}
_log = logging.getLogger("fairlead.server")
_REQUEST = "future_watcher"  # name of the coroutine in which Granian runs a request
_CANCEL_SECONDS = 1.0
_SETTLE_TICKS = 5  # of the event loop: by then the listener runs, or its task has failed


class _Embedded(Embedded):
    """Granian on a socket that is bound already."""

    listener: socket.socket  # Granian closes it
    grace_seconds: float = 0.0

    async def _stop_workers(self) -> None:
        # Its own would wait without end, or cancel what its threads still report to.
        for worker in self.wrks:
            worker.terminate()  # type: ignore[no-untyped-call]
        if not await self._ended(self.grace_seconds):
            _log.warning("requests were still in flight when the grace period ended")
            for task in asyncio.all_tasks():
                if getattr(task.get_coro(), "__name__", "") == _REQUEST:
                    task.cancel()
            await self._ended(_CANCEL_SECONDS)
        self.wrks.clear()

    async def _ended(self, timeout_seconds: float) -> bool:
        tasks = [worker._task for worker in self.wrks if worker._task is not None]
        _, pending = await asyncio.wait(tasks, timeout=timeout_seconds)
        return not pending

    def _init_shared_socket(self) -> None:
        # The stub of SocketHolder lacks its constructor: (descriptor, whether it is a Unix socket, backlog).
        holder: Any = SocketHolder
        self._shd = holder(self.listener.detach(), False, self.backlog)


class GranianServer:
    """See `Server`. `listener` is the result of `bind`; the server owns it from now on.

    `http2`: without TLS, take HTTP/2 by prior knowledge too.
    """

    def __init__(
        self,
        app: Application,
        listener: socket.socket,
        *,
        limits: HttpLimits | None = None,
        tls: TlsFiles | None = None,
        http2: bool = False,
    ) -> None:
        if tls is not None:
            tls.check()
        limits = limits or HttpLimits()
        mode = HTTPModes.auto if http2 or tls is not None else HTTPModes.http1
        self._listener = listener
        self._address: tuple[str, int] = listener.getsockname()[:2]
        self._task: asyncio.Task[None] | None = None
        host, port = self._address
        self._idle_closer = IdleConnectionCloser(port, limits, closes_heads=mode is HTTPModes.http1)
        self._watch: asyncio.Task[None] | None = None
        settings = {"target": app, "address": host, "port": port, "http": mode} | _settings(limits) | _tls(tls)
        try:
            self._server = _Embedded(**settings)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise Misconfigured("tls", f"the certificate or key cannot be used: {error}") from None
        self._server.listener = listener
        listener.listen(limits.backlog)

    @property
    def address(self) -> tuple[str, int]:
        return self._address

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve(), name="http-server")
        for _ in range(_SETTLE_TICKS):
            await asyncio.sleep(0)
        if self._task.done():
            raise Misconfigured("server", "the HTTP server did not start") from self._task.exception()
        self._watch = asyncio.create_task(self._idle_closer.run(), name="silent-connections")

    async def stop(self, grace_seconds: float) -> None:
        if self._task is None:
            self._listener.close()
            return
        self._server.grace_seconds = grace_seconds
        self._server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait({self._task})
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})

    async def wait(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task})


def _settings(limits: HttpLimits) -> dict[str, Any]:
    return {
        "interface": Interfaces.ASGINL,
        "websockets": False,
        "backlog": limits.backlog,
        "backpressure": limits.max_connections,
        "log_level": LogLevels.error,
        "log_dictconfig": _LOGGING,
        "http1_settings": HTTP1Settings(
            header_read_timeout=int(limits.header_read_seconds * 1000),
            max_buffer_size=limits.max_head_bytes,
        ),
        "http2_settings": HTTP2Settings(max_headers_size=limits.max_head_bytes),
    }


def _tls(tls: TlsFiles | None) -> dict[str, Any]:
    if tls is None:
        return {}
    return {
        "ssl_cert": tls.certificate,
        "ssl_key": tls.key,
        "ssl_ca": tls.client_ca,
        "ssl_client_verify": tls.verify_clients,
    }
