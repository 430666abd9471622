"""The seam to HTTP servers: an ASGI application, an address, start and a drained stop.

`HttpLimits` hold before an application sees a request. We bind the socket, exclusively: a server that binds for itself
may share the port with another process without anyone noticing. A port that cannot be had is `Misconfigured`, with a
remedy, before anything else starts.
"""

import errno
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fairlead_workload.errors import Misconfigured

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


MAX_CONNECTIONS = 4096


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What a client may cost before the application sees its request."""

    header_read_seconds: float = 30.0  # to send a whole request head; with Granian also idle time between requests
    keep_alive_seconds: float = 75.0  # idle time between requests, with uvicorn, and over HTTP/2 and TLS
    max_head_bytes: int = 65_536  # request line and header fields; the application's own limit is lower
    max_connections: int = MAX_CONNECTIONS  # at a time; who comes later waits, or is turned away
    backlog: int = 1024


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Certificate and key (PKCS#8) as PEM files. `verify_clients`: clients need a certificate signed by `client_ca`."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    verify_clients: bool = False

    def check(self) -> None:
        """Raise Misconfigured for what a server would silently serve without client verification."""
        if self.verify_clients and self.client_ca is None:
            raise Misconfigured(
                "tls", "client certificates cannot be verified without a CA", "give the CA in ca.crt of the secret"
            )


class Server(Protocol):
    """One HTTP listener. `start` and `stop` are called once each, on the event loop that runs the application."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are bound; known before `start`."""

    async def start(self) -> None:
        """Accept connections from now on. Raises Misconfigured when the server cannot run."""

    async def stop(self, grace_seconds: float) -> None:
        """Refuse new connections, close idle ones, let requests in flight finish; give up after the grace."""

    async def wait(self) -> None:
        """Return when the server has ended, whether asked to or not."""


_REMEDIES = {
    errno.EADDRINUSE: "another process listens there; stop it or choose another port",
    errno.EACCES: "ports below 1024 need privileges; choose a higher port",
    errno.EADDRNOTAVAIL: "this machine does not have that address; choose 127.0.0.1 or 0.0.0.0",
}


def bind(host: str, port: int, *, name: str = "port") -> socket.socket:
    """An exclusive TCP socket on `host`:`port` (0: any free port). Raises Misconfigured, `name` as its path."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror:
        raise Misconfigured(name, f"{host} is not an address of this machine", "choose 127.0.0.1 or 0.0.0.0") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart does not wait for TIME_WAIT
        listener.setblocking(False)
        listener.bind(address)
        listener.listen(0)  # takes the port now; Linux lets two sockets bind until one of them listens
    except OSError as error:
        listener.close()
        reason = (error.strerror or "cannot be bound").lower()
        raise Misconfigured(name, f"{host}:{port}: {reason}", _REMEDIES.get(error.errno or 0, "")) from None
    return listener
