"""One request on its way through the fault proxy, and what an action may do with it."""

import re
import socket
import struct
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import yarl
from aiohttp import web

from ..kubeconfig import Connection

_PATH = re.compile(
    r"^/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?$"
)
# About one connection or one encoding of the body, so not for the other side.
_OWN_HEADERS = {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "accept-encoding"}
_RESET = struct.pack("ii", 1, 0)  # lingering for 0 s: closing sends a reset


@dataclass
class Request:
    """One request. It came `at` and was `over`, in seconds of the monotonic clock; `code` is what the sender got,
    `landed` what the server answered: None when there was no answer, or is none yet. `resource` is the plural, with the
    subresource (`apisvcs/status`), and `accept` the form in which the answer is wanted.
    """

    at: float
    replica: str
    method: str
    path: str
    query: Mapping[str, str]
    namespace: str
    resource: str
    name: str
    code: int | None = None
    landed: int | None = None
    over: float | None = None
    accept: str = ""

    @classmethod
    def read(cls, replica: str, given: web.Request) -> "Request":
        """What has just come in at the replica's endpoint."""
        found = _PATH.match(given.path)
        part = found.groupdict(default="") if found else {"namespace": "", "plural": "", "name": "", "sub": ""}
        resource = f"{part['plural']}/{part['sub']}" if part["sub"] else part["plural"]
        method = "WATCH" if given.query.get("watch") in {"true", "1"} else given.method
        at, query = time.monotonic(), dict(given.query)
        accept = given.headers.get("Accept", "")
        return cls(at, replica, method, given.path, query, part["namespace"], resource, part["name"], accept=accept)

    @property
    def is_metadata(self) -> bool:
        """Whether only the metadata of objects are wanted."""
        return "as=PartialObjectMetadata" in self.accept

    @property
    def writes(self) -> bool:
        """Whether it could change something that is not a Lease."""
        return self.method not in {"GET", "WATCH"} and self.resource != "leases"

    def __str__(self) -> str:
        where = "/".join(each for each in (self.namespace, self.resource, self.name) if each) or self.path
        return f"{self.method} {where} by {self.replica}: {self.code or 'no answer'}"


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    code: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange:
    """One request under way. Answer it by `reply`, by `open` and `send` piece by piece, or not at all by `drop`."""

    def __init__(self, request: Request, body: bytes, given: web.Request, server: "Server") -> None:
        self.request = request
        self.body = body
        self._given = given
        self._server = server
        self._upstream: aiohttp.ClientResponse | None = None
        self._reply: web.StreamResponse | None = None

    async def forward(self) -> Answer:
        """Send it to the server and read the whole answer; the sender gets nothing yet."""
        async with await self._ask() as answer:
            return Answer(answer.status, await answer.read(), _foreign(answer.headers))

    async def reply(self, answer: Answer) -> None:
        """Send this to the sender, whatever its origin."""
        self.request.code = answer.code
        self._reply = web.Response(status=answer.code, body=answer.body, headers=answer.headers)

    async def open(self) -> int:
        """Send it to the server and pass on the answer's head; its body follows from `chunks` or `lines`."""
        self._upstream = await self._ask()
        await self.begin(self._upstream.status, _foreign(self._upstream.headers))
        return self._upstream.status

    async def begin(self, code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send the head of an answer that is sent piece by piece, without asking the server."""
        self.request.code = code
        self._reply = web.StreamResponse(status=code, headers=headers or {"Content-Type": "application/json"})
        await self._reply.prepare(self._given)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body of the server's answer as it comes; opens it when need be."""
        if self._upstream is None:
            await self.open()
        assert self._upstream is not None
        async for chunk in self._upstream.content.iter_any():
            yield chunk

    async def lines(self) -> AsyncIterator[bytes]:
        """The events of the server's watch, each a line of JSON with its end; opens it when need be."""
        pending = b""
        async for chunk in self.chunks():
            *whole, pending = (pending + chunk).split(b"\n")
            for line in whole:
                yield line + b"\n"

    async def send(self, data: bytes) -> None:
        """Pass a piece of the body to the sender; `open` or `begin` comes first."""
        assert self._reply is not None
        await self._reply.write(data)

    def drop(self) -> None:
        """Reset the sender's connection."""
        transport = self._given.transport
        if transport is None or transport.is_closing():
            return
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()

    def end(self) -> web.StreamResponse:
        """Leave the server, and what the web framework is to finish."""
        if self._upstream is not None:
            # Without a closing handshake: the server would have to answer it.
            if self._upstream.connection is not None and self._upstream.connection.transport is not None:
                self._upstream.connection.transport.abort()
            self._upstream.close()
        return self._reply or web.Response()

    async def _ask(self) -> aiohttp.ClientResponse:
        answer = await self._server.ask(self._given, self.body)
        self.request.landed = answer.status
        return answer


class Server:
    """The way to the real API server, with the credentials of a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        connection = Connection.read(kubeconfig)
        self._base = connection.cluster["server"].rstrip("/")
        self._tls = connection.ssl_context()
        self._headers = connection.headers()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(), read_bufsize=2**20
        )

    async def ask(self, given: web.Request, body: bytes) -> aiohttp.ClientResponse:
        headers = _foreign(given.headers) | dict(self._headers) | {"Accept-Encoding": "identity"}
        url = yarl.URL(self._base + given.raw_path, encoded=True)
        return await self._session.request(given.method, url, data=body or None, headers=headers, ssl=self._tls)

    async def close(self) -> None:
        await self._session.close()


def _foreign(headers: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() not in _OWN_HEADERS}
