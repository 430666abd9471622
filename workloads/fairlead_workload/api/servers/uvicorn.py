"""The second server: uvicorn (HTTP/1.1), for the admin listener, and for the public one where Granian is not wanted.

What uvicorn leaves open is closed by a protocol of ours: a request head has a deadline and a size, an answer a time in
which some of it is read, and what cannot be parsed is answered by a problem document. A connection beyond the limit
takes the place of the one on which nothing has been under way for longest, so that silent clients keep nobody out; when
all are busy, it is closed.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from fairlead_workload.api.servers.base import Application, HttpLimits, TlsFiles
from fairlead_workload.errors import Misconfigured, Problem
from fairlead_workload.model import problems


class _Bounded(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with a deadline and a limit for the request head, and a limit of connections."""

    limits: HttpLimits
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None  # since the client stopped reading
    _in_head = True
    _head_bytes = 0
    _idle_since = 0.0  # seconds of the loop's clock

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm()
        self._idle_since = self.loop.time()
        if len(self.connections) > self.limits.max_connections:
            self._longest_idle().transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self._unread or self.loop.call_later(self.limits.keep_alive_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._arm()
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > self.limits.max_head_bytes:
            self._refuse(problems.header_fields_too_large(self.limits.max_head_bytes))

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        self._disarm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def _longest_idle(self) -> "_Bounded":
        """The connection to do without: that of this protocol when something is under way on all others."""
        others = (other for other in self.connections if isinstance(other, _Bounded) and other is not self)
        idle = (other for other in others if other._is_idle())
        return min(idle, key=lambda other: other._idle_since, default=self)

    def _is_idle(self) -> bool:
        return (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing()

    def send_400_response(self, msg: str) -> None:
        self._refuse(problems.bad_request(msg))

    def _arm(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.limits.header_read_seconds, self._too_slow)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        self._refuse(problems.request_timeout())

    def _refuse(self, problem: Problem) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:  # else an earlier request's answer is under way
            content = msgspec.json.encode(problems.body(problem))
            head = b"content-type: application/problem+json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
            self.transport.write(STATUS_LINE[problem.status] + head % len(content) + content)
        self._disarm()
        self.transport.close()


class _Embedded(uvicorn.Server):
    """uvicorn without its signal handlers (the process is ours), which reports when it accepts."""

    def __init__(self, config: uvicorn.Config, accepting: asyncio.Event) -> None:
        super().__init__(config)
        self._accepting = accepting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class UvicornServer:
    """See `Server`. `listener` is the result of `bind`; the server owns it from now on."""

    def __init__(
        self,
        app: Application,
        listener: socket.socket,
        *,
        limits: HttpLimits | None = None,
        tls: TlsFiles | None = None,
    ) -> None:
        if tls is not None:
            tls.check()
        self._listener = listener
        self._address: tuple[str, int] = listener.getsockname()[:2]
        self._started = asyncio.Event()
        self._server = _Embedded(_config(app, limits or HttpLimits(), tls), self._started)
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        return self._address

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve([self._listener]), name="http-server")
        started = asyncio.create_task(self._started.wait())
        await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._task.done():
            raise Misconfigured("server", "the HTTP server did not start") from self._task.exception()

    async def stop(self, grace_seconds: float) -> None:
        if self._task is None:
            self._listener.close()
            return
        self._server.config.timeout_graceful_shutdown = grace_seconds  # type: ignore[assignment]  # handed to wait_for
        self._server.should_exit = True
        await asyncio.wait({self._task})
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()

    async def wait(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task})


def _config(app: Application, limits: HttpLimits, tls: TlsFiles | None) -> uvicorn.Config:
    files: dict[str, Any] = {}
    if tls is not None:
        files = {"ssl_certfile": tls.certificate, "ssl_keyfile": str(tls.key)}
        if tls.verify_clients:
            files |= {"ssl_ca_certs": str(tls.client_ca), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    try:
        config = uvicorn.Config(
            app,
            http=type("_Bounded", (_Bounded,), {"limits": limits}),
            ws="none",
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=limits.backlog,
            timeout_keep_alive=int(limits.keep_alive_seconds),
            **files,
        )
        config.load()
    except OSError as error:
        raise Misconfigured("tls", f"the certificate or key cannot be used: {error}") from None
    return config
