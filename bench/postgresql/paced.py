"""Latency at a fixed rate: calls start when they are due, however long the ones before them take.

The clock of a call runs from its start to the last byte of its answer, in this process. `direct` is what B does in its
handler, through asyncpg, without a server in between: what a side takes more than that is what the service adds.
"""

import asyncio
import gc
import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import uvloop

from bench.api.wrk import Request
from bench.errors import Failed
from bench.peers.fastapi_asyncpg import storage
from bench.postgresql.database import Address

RATE = 500  # calls a second
CONNECTIONS = 1_000  # at most: a server with so many calls under way does not keep up
ANSWER_SECONDS = 10.0
_OK = (b"HTTP/1.1 200 ",)

Call = Callable[[Request], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds."""

    p50: float
    p90: float
    p99: float


def latency(seconds: Sequence[float]) -> Latency:
    """That of calls that took so many seconds each."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return Latency(*(cuts[share - 1] * 1000 for share in (50, 90, 99)))


def over_http(url: str, requests: Sequence[Request], *, seconds: int) -> Latency:
    """Send `requests` in turn. Raises Failed for any answer but a 200."""

    async def run() -> Latency:
        async with AsyncExitStack() as stack:
            client = _Client(url)
            stack.callback(client.close)
            return await _paced(client.call, requests, seconds)

    return uvloop.run(run())


def direct(address: Address, requests: Sequence[Request], *, seconds: int) -> Latency:
    """Do with asyncpg what the requests ask for."""

    async def run() -> Latency:
        async with await storage.connect(address.url) as pool:
            return await _paced(_statements(storage.Articles(pool)), requests, seconds)

    return uvloop.run(run())


def _statements(articles: storage.Articles) -> Call:
    async def call(request: Request) -> None:
        place = urlsplit(request.path)
        if request.method == "PUT":
            await articles.put(storage.Article.model_validate_json(request.body), None)
        elif place.query:
            given = parse_qs(place.query)
            await articles.page(given["category"][0], int(given["limit"][0]), None)
        elif await articles.get(place.path.rpartition("/")[2]) is None:
            raise Failed(f"{request.path} is not there")

    return call


async def _paced(call: Call, requests: Sequence[Request], seconds: int) -> Latency:
    """Call for one second to warm up, then on the clock."""
    for request in requests[:RATE]:
        await call(request)
    took: list[float] = []

    async def timed(request: Request) -> None:
        began = time.perf_counter()
        await call(request)
        took.append(time.perf_counter() - began)

    gc.collect()
    gc.disable()
    try:
        async with asyncio.timeout(seconds + ANSWER_SECONDS):
            await _on_time([requests[number % len(requests)] for number in range(RATE * seconds)], timed)
    except TimeoutError:
        raise Failed(f"{RATE} calls a second are too many: {len(took)} of {RATE * seconds} have ended") from None
    finally:
        gc.enable()
    return latency(took)


async def _on_time(requests: Sequence[Request], call: Call) -> None:
    """Start the calls when they are due. Raises what the first that failed has raised."""
    try:
        async with asyncio.TaskGroup() as group:
            began = time.perf_counter()
            for number, request in enumerate(requests):
                await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
                group.create_task(call(request))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


class _Client:
    """Connections of HTTP/1.1 that are kept, each with one request at a time."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._host, self._port = place.hostname, place.port
        self._idle: deque[_Connection] = deque()
        self._all: list[_Connection] = []

    async def call(self, request: Request) -> None:
        connection = self._idle.pop() if self._idle else await self._opened()
        await connection.call(self._encoded(request))
        self._idle.append(connection)

    def close(self) -> None:
        for connection in self._all:
            connection.close()

    async def _opened(self) -> "_Connection":
        if len(self._all) >= CONNECTIONS:
            raise Failed(f"{CONNECTIONS} calls are under way at {RATE} a second")
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port)
        self._all.append(connection)
        return connection

    def _encoded(self, request: Request) -> bytes:
        body = request.body.encode()
        fields = {"Host": f"{self._host}:{self._port}", **request.headers}
        if body:
            fields["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"{request.method} {request.path} HTTP/1.1\r\n{head}\r\n".encode() + body


class _Connection(asyncio.Protocol):
    """One connection; an answer is complete when it has as many bytes as its Content-Length says."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._size = 0
        self._answered: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    async def call(self, request: bytes) -> None:
        self._received.clear()
        self._size = 0
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)  # type: ignore[attr-defined]
        await self._answered

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._size:
            self._size = answer_size(self._received)
        if self._size and len(self._received) >= self._size:
            self._end(None if self._received.startswith(_OK) else Failed(_shown(self._received)))

    def connection_lost(self, error: Exception | None) -> None:
        self._end(Failed(f"a connection was closed: {error}"))

    def close(self) -> None:
        self._transport.close()

    def _end(self, error: Failed | None) -> None:
        if self._answered is None or self._answered.done():
            return
        if error is None:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(error)


def answer_size(received: bytes | bytearray) -> int:
    """The bytes of an answer with Content-Length, head included; 0 while the head is not complete."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return 0
    for line in bytes(received[:end]).split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return end + 4 + int(value)
    raise Failed(f"an answer without Content-Length: {_shown(received)}")


def _shown(received: bytes | bytearray) -> str:
    return bytes(received[:500]).decode(errors="replace")
