"""Requests as they go over the wire: sockets and time-outs, credentials, typed errors, and the last check of the lease.

Which requests, and how often each is tried, is the client's. Whatever goes wrong on the way is `Unreachable`.
"""

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Protocol

import aiohttp
import orjson

from fairlead_operator.errors import NotLeading, Unreachable
from fairlead_operator.kube.api_errors import error_of
from fairlead_operator.kube.credentials import Credentials
from fairlead_operator.kube.decoding import loads
from fairlead_operator.kube.watch_stream import lines
from fairlead_operator.manifests import Manifest

JSON = "application/json"
REQUEST_SECONDS = 30.0
# How much later than asked for the server may end a watch; one that still says nothing then is dead.
GRACE_SECONDS = 2.0
CONNECT_SECONDS = 5.0
# The kernel gives a connection up after these, seconds or (the last one) milliseconds, when the other side is gone.
KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 9000}
BROKEN = (aiohttp.ClientError, ConnectionError, ssl.SSLError, orjson.JSONDecodeError)


class AnswerObserver(Protocol):
    """Called for every answer, for the metrics."""

    def __call__(self, method: str, path: str, code: int) -> None: ...


class Transport:
    """One HTTP session. `may_write` raises NotLeading when a guarded write must not be sent now."""

    def __init__(
        self, credentials: Credentials, *, may_write: Callable[[], None], observe: AnswerObserver | None = None
    ) -> None:
        self._credentials = credentials
        self._may_write = may_write
        self._observe = observe or _ignore
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, socket_factory=keepalive_socket),
            headers={"User-Agent": "fairlead-operator", "Accept": JSON},
            auto_decompress=True,
            read_bufsize=2**20,
            trace_configs=[self._check_before_sending()],
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def send(
        self,
        method: str,
        path: str,
        *,
        parameters: dict[str, str],
        data: bytes | None,
        headers: dict[str, str],
        guarded: bool,
    ) -> Manifest:
        """One request, tried once; the answer's body. ApiError when the server refuses, Unreachable without answer."""
        opened = self._open(
            method, path, parameters=parameters, data=data, headers=headers, timeout=_limits(method), guarded=guarded
        )
        try:
            async with opened as answer:
                self._observe(method, path, answer.status)
                await _raise_for(answer, f"{method} {path}")
                result: Manifest = loads(await answer.read())
                return result
        except (*BROKEN, TimeoutError) as error:
            if isinstance(error.__cause__, NotLeading):
                raise error.__cause__ from None
            raise Unreachable(f"{method} {path}: {error or type(error).__name__}") from error

    async def lines(
        self,
        path: str,
        *,
        parameters: dict[str, str],
        accept: str,
        seconds: float,
        quiet_seconds: float | None,
        gather_seconds: float,
        ended: Callable[[], None],
    ) -> AsyncIterator[bytes]:
        """The lines of a watch that is to end after `seconds`, or when nothing has come for `quiet_seconds`.

        With `gather_seconds`, what comes within them is read at once. `ended` is called when it was the server that
        ended it. Unreachable when in all those `seconds` nothing came, nor the end.
        """
        request = f"WATCH {path}"
        timeout = aiohttp.ClientTimeout(
            total=seconds + GRACE_SECONDS,
            sock_connect=CONNECT_SECONDS,
            sock_read=quiet_seconds,
            ceil_threshold=float("inf"),
        )
        heard = False
        opened = self._open("GET", path, parameters=parameters, headers={"Accept": accept}, timeout=timeout)
        try:
            async with opened as answer:
                self._observe("WATCH", path, answer.status)
                await _raise_for(answer, request)
                async for line in lines(answer, gather_seconds=gather_seconds):
                    heard = True
                    yield line
                ended()
        except aiohttp.SocketTimeoutError:
            return
        except BROKEN as error:
            raise Unreachable(f"{request}: {error or type(error).__name__}") from error
        except TimeoutError as error:
            if not heard:
                raise Unreachable(f"{request}: nothing came within {seconds + GRACE_SECONDS:.0f} s") from error

    def _open(
        self,
        method: str,
        path: str,
        *,
        parameters: dict[str, str],
        timeout: aiohttp.ClientTimeout,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        guarded: bool = False,
    ) -> "aiohttp.client._RequestContextManager":
        connection = self._credentials.current()
        return self._session.request(
            method,
            connection.server + path,
            params=parameters,
            data=data,
            headers=(*(headers or {}).items(), *connection.headers),
            ssl=connection.tls,
            server_hostname=connection.server_name,
            proxy=connection.proxy,
            timeout=timeout,
            allow_redirects=False,
            trace_request_ctx=guarded,
        )

    def _check_before_sending(self) -> aiohttp.TraceConfig:
        """Ask once more when the body, and the head with it, is about to go.

        Connecting takes time, and the process may have been stopped meanwhile for longer than the lease lasts.
        """

        async def check(
            _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceRequestChunkSentParams
        ) -> None:
            if context.trace_request_ctx:
                self._may_write()

        tracing = aiohttp.TraceConfig()
        tracing.on_request_chunk_sent.append(check)
        return tracing


def _limits(method: str) -> aiohttp.ClientTimeout:
    """A long list may take its time as long as it goes on coming."""
    if method == "GET":
        return aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=REQUEST_SECONDS)
    return aiohttp.ClientTimeout(total=REQUEST_SECONDS)


def keepalive_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket with keepalive and time-outs, as far as the system has them, so that a dead peer is noticed."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


async def _raise_for(answer: aiohttp.ClientResponse, request: str) -> None:
    if answer.status < 300:
        return
    content = await answer.read()
    try:
        body = loads(content)
    except orjson.JSONDecodeError:
        body = {"message": content[:200].decode(errors="replace")}
    raise error_of(request, answer.status, body, answer.headers.get("Retry-After", ""))


def _ignore(method: str, path: str, code: int) -> None:
    """The default observer."""
    del method, path, code
