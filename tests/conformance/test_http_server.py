"""One HTTP conformance suite for every server.

Each odd request gets a well-formed answer or a closed connection, never a 500, and the server answers the next request.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fairlead_workload.api.messages.request import Request
from fairlead_workload.api.servers.base import HttpLimits, Server, TlsFiles, bind
from fairlead_workload.api.servers.granian import GranianServer
from fairlead_workload.api.servers.uvicorn import UvicornServer
from fairlead_workload.errors import Misconfigured

SERVERS = {
    "granian": GranianServer,
    "granian with HTTP/2": partial(GranianServer, http2=True),
    "uvicorn": UvicornServer,
}
LIMITS = HttpLimits(header_read_seconds=0.4, keep_alive_seconds=5, max_head_bytes=16_384)
MAX_BODY = 1000
LARGE = bytes(1 << 24)  # more than the buffers of both sides take
PATIENCE_SECONDS = 10.0


class Application:
    """An echo that behaves like the API: it refuses bad heads, and large bodies unread. `/gate` waits until told."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.waiting = asyncio.Event()
        self.left = asyncio.Event()

    async def __call__(self, scope, receive, send) -> None:
        assert scope["type"] == "http"
        if (refusal := Request(scope, receive).refusal) is not None:
            return await self.respond(scope, send, refusal.status, refusal.type.encode())
        headers = dict(scope["headers"])
        if int(headers.get(b"content-length", b"0")) > MAX_BODY:
            return await self.respond(scope, send, 413, b"too large")
        if scope["path"] == "/gate":
            self.waiting.set()
            await self.gate.wait()
        if scope["path"] == "/disconnect":
            self.waiting.set()
            while (await receive())["type"] != "http.disconnect":
                pass
            self.left.set()
            return None
        if scope["path"] == "/large":
            return await self.respond(scope, send, 200, LARGE)
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return await self.respond(scope, send, 400, b"incomplete")
            body += message.get("body", b"")
            if len(body) > MAX_BODY:
                return await self.respond(scope, send, 413, b"too large")
            if not message.get("more_body"):
                break
        return await self.respond(scope, send, 200, scope["method"].encode() + b" " + body)

    async def respond(self, scope, send, status: int, body: bytes) -> None:
        headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class Client:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def response(self, *, head: bool = False) -> tuple[int, dict[str, str], bytes] | None:
        """The next response, or None when the connection is closed before one."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                raw = await self.reader.readuntil(b"\r\n\r\n")
                status, headers = parse_head(raw)
                body = b"" if head or status == 100 else await self.body(headers)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                pytest.fail("a response was cut off")
            return None
        except ConnectionError:
            return None
        return status, headers, body

    async def response_to_next(self) -> tuple[int, dict[str, str], bytes] | None:
        """The response to one request more, or None when the server closes instead."""
        with contextlib.suppress(ConnectionError):
            await self.send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        return await self.response()

    async def body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            whole = await self.reader.readuntil(b"0\r\n\r\n")
            return whole.split(b"\r\n")[1]
        return await self.reader.readexactly(int(headers.get("content-length", "0")))

    async def ended(self) -> bool:
        """Whether the server closes, whatever it says before."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await self.reader.read(65_536):
                    pass
        return True

    async def closed(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self.reader.read() == b""
        except ConnectionError:
            return True


def parse_head(raw: bytes) -> tuple[int, dict[str, str]]:
    lines = raw.decode("latin-1").split("\r\n")
    match = re.fullmatch(r"HTTP/1\.[01] ([0-9]{3}) ?.*", lines[0])
    assert match, lines[0]
    pairs = [line.split(":", 1) for line in lines[1:] if line]
    return int(match[1]), {name.lower(): value.strip() for name, value in pairs}


Connect = Callable[[], Awaitable[Client]]


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture(params=SERVERS)
async def server(request: pytest.FixtureRequest, application: Application) -> AsyncIterator[Server]:
    server = SERVERS[request.param](application, bind("127.0.0.1", 0), limits=LIMITS)
    await server.start()
    yield server
    application.gate.set()
    await server.stop(2.0)


@pytest.fixture
async def connect(server: Server) -> AsyncIterator[Connect]:
    opened: list[Client] = []

    async def open_() -> Client:
        client = Client(*await asyncio.open_connection(*server.address))
        opened.append(client)
        return client

    yield open_
    for client in opened:
        client.writer.transport.abort()


async def check_next_request(connect: Connect) -> None:
    client = await connect()
    await client.send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
    response = await client.response()
    assert response is not None
    assert (response[0], response[2]) == (200, b"GET ")


# What must be answered, and how.
ANSWERED = {
    "a plain request": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, b"GET "),
    "a body with a length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", 200, b"POST hi"),
    "a chunked body": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n4;x=y\r\n you\r\n0\r\n\r\n",
        200,
        b"POST hi you",
    ),
    "an absolute target": (b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 200, b"GET "),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\n\r\n", 200, b"GET "),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400, b"bad-request"),
    "an empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, b"bad-request"),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, b"bad-request"),
    "the same host twice": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, b"bad-request"),
    "an invalid host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, b"bad-request"),
    "two hosts in HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, b"bad-request"),
    "a host that is an address": (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200, b"GET "),
    "a huge body, refused unread": (
        b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
        413,
        b"too large",
    ),
    "a chunked body over the limit": (
        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n",
        413,
        b"too large",
    ),
    "NUL as an escape in the path": (b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 200, b"GET "),
    "invalid UTF-8 as an escape in the path": (b"GET /%ff%fe HTTP/1.1\r\nHost: a\r\n\r\n", 200, b"GET "),
    "invalid UTF-8 in a header": (b"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\xfe\r\n\r\n", 200, b"GET "),
    "an unknown method": (b"PURGE / HTTP/1.1\r\nHost: a\r\n\r\n", 200, b"PURGE "),
    "an empty line before the request": (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, b"GET "),
}

# What may be refused or closed, as the server likes, but neither accepted with a 5xx nor left hanging.
ODD = {
    "binary garbage": b"\x00\x01\x02garbage\r\n\r\n",
    "a TLS hello on a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 64,
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "an unknown version": b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    "raw NUL in the path": b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "raw non-ASCII in the path": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost a\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
    "length and chunked": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "a length that is no number": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ten\r\n\r\n",
    "a bad chunk size": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n0\r\n\r\n",
    "an unknown transfer coding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nxx",
    "large headers": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 400_000 + b"\r\n\r\n",
    "a large target": b"GET /" + b"a" * 400_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "endless headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 60_000,
    "CONNECT": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS *": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "a WebSocket upgrade": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "half a request line": b"GET / HT",
    "half a head": b"GET / HTTP/1.1\r\nHost: a\r\n",
}


@pytest.mark.parametrize("case", ANSWERED)
async def test_answers(case: str, connect: Connect) -> None:
    request, status, body = ANSWERED[case]
    client = await connect()
    await client.send(request)
    response = await client.response()
    assert response is not None
    assert (response[0], response[2]) == (status, body)
    await check_next_request(connect)


@pytest.mark.parametrize("case", ODD)
async def test_survives(case: str, connect: Connect) -> None:
    client = await connect()
    with contextlib.suppress(ConnectionError):  # closed while we are still sending
        await client.send(ODD[case])
    response = await client.response()
    assert response is None or response[0] < 500
    await check_next_request(connect)


async def test_keeps_a_connection_for_several_requests(connect: Connect) -> None:
    client = await connect()
    for number in range(3):
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n%d" % number)
        response = await client.response()
        assert response is not None
        assert response[2] == b"POST %d" % number


async def test_answers_pipelined_requests_in_order(connect: Connect) -> None:
    client = await connect()
    await client.send(b"".join(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n%d" % n for n in range(5)))
    bodies = [response[2] if (response := await client.response()) else None for _ in range(5)]
    assert bodies == [b"POST %d" % n for n in range(5)]


async def test_answers_more_pipelined_requests_than_are_read_at_a_time(connect: Connect) -> None:
    client, count = await connect(), 2000
    await client.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * count)
    for _ in range(1 + count):
        response = await client.response()
        assert response is not None
        assert response[0] == 200


async def test_answers_the_request_before_pipelined_garbage(connect: Connect) -> None:
    client = await connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\x00garbage\r\n\r\n")
    first = await client.response()
    assert first is None or first[0] in (200, 400)
    second = await client.response() if first else None
    assert second is None or second[0] == 400
    await check_next_request(connect)


async def test_head_has_no_body(connect: Connect) -> None:
    client = await connect()
    await client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
    head = await client.response(head=True)
    following = await client.response()
    assert head is not None
    assert head[0] == 200
    assert following is not None
    assert following[2] == b"GET "


async def test_asks_for_a_body_that_is_expected(connect: Connect) -> None:
    client = await connect()
    await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    interim = await client.response()
    assert interim is not None
    assert interim[0] == 100
    await client.send(b"hi")
    final = await client.response()
    assert final is not None
    assert (final[0], final[2]) == (200, b"POST hi")


async def test_refuses_an_expected_body_that_is_too_large(connect: Connect) -> None:
    client = await connect()
    await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n")
    response = await client.response()
    assert response is not None
    assert response[0] == 413


async def test_takes_a_body_that_comes_byte_by_byte(connect: Connect) -> None:
    client = await connect()
    await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
    for byte in (b"a", b"b", b"c"):
        await client.send(byte)
    response = await client.response()
    assert response is not None
    assert response[2] == b"POST abc"


async def test_answers_a_client_that_has_finished_sending(connect: Connect) -> None:
    client = await connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    client.writer.write_eof()
    response = await client.response()
    assert response is None or response[0] == 200
    await check_next_request(connect)


async def test_a_client_that_leaves_ends_its_request(connect: Connect, application: Application) -> None:
    client = await connect()
    await client.send(b"GET /disconnect HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(application.waiting.wait(), PATIENCE_SECONDS)
    client.writer.transport.abort()
    await asyncio.wait_for(application.left.wait(), PATIENCE_SECONDS)
    await check_next_request(connect)


async def test_a_client_that_leaves_in_its_body_harms_nobody(connect: Connect) -> None:
    client = await connect()
    await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    client.writer.transport.abort()
    await check_next_request(connect)


async def test_many_slow_clients_do_not_keep_out_the_next(connect: Connect) -> None:
    slow = [await connect() for _ in range(50)]
    for client in slow:
        await client.send(b"GET / HTTP/1.1\r\nHo")
    await check_next_request(connect)
    answers = [await client.response() for client in slow]
    assert all(answer is None or answer[0] == 408 for answer in answers)


@pytest.mark.parametrize("kind", SERVERS)
async def test_connections_are_bounded_and_what_is_under_way_goes_on(kind: str, application: Application) -> None:
    limits = HttpLimits(max_connections=4)
    server = SERVERS[kind](application, bind("127.0.0.1", 0), limits=limits)
    await server.start()
    clients = [Client(*await asyncio.open_connection(*server.address)) for _ in range(4)]
    for client in clients:
        await client.send(b"GET /gate HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.wait_for(application.waiting.wait(), PATIENCE_SECONDS)  # taken before the next comes
        application.waiting.clear()
    beyond = [Client(*await asyncio.open_connection(*server.address)) for _ in range(8)]
    with contextlib.suppress(ConnectionError):
        for client in beyond:
            await client.send(b"GET /gate HTTP/1.1\r\nHost: a\r\n\r\n")
    application.gate.set()
    for client in clients:
        assert await client.response() is not None
    assert not application.waiting.is_set(), "a request beyond the limit got in"
    for client in clients + beyond:
        client.writer.transport.abort()
    await check_next_request_of(server)
    await server.stop(2.0)


async def check_next_request_of(server: Server) -> None:
    """Somebody new is served, once the server has noticed that others have left."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        response = None
        while response is None:
            client = Client(*await asyncio.open_connection(*server.address))
            with contextlib.suppress(ConnectionError):
                await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                response = await client.response()
            client.writer.transport.abort()


async def test_stopping_finishes_what_is_in_flight_and_refuses_the_next(
    server: Server, connect: Connect, application: Application
) -> None:
    idle, busy = await connect(), await connect()
    await idle.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert await idle.response() is not None
    await busy.send(b"GET /gate HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(application.waiting.wait(), PATIENCE_SECONDS)
    stopping = asyncio.create_task(server.stop(PATIENCE_SECONDS))
    assert await idle.closed()
    with pytest.raises(ConnectionError):
        await asyncio.open_connection(*server.address)
    assert not stopping.done()
    application.gate.set()
    response = await busy.response()
    assert response is not None
    assert response[0] == 200
    await stopping
    await server.wait()


async def test_stopping_gives_up_after_the_grace(server: Server, connect: Connect, application: Application) -> None:
    client = await connect()
    await client.send(b"GET /gate HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(application.waiting.wait(), PATIENCE_SECONDS)
    await asyncio.wait_for(server.stop(0.05), PATIENCE_SECONDS)
    await client.response()
    assert await client.closed()


def test_a_port_in_use_is_refused_with_a_remedy() -> None:
    with bind("127.0.0.1", 0) as taken, pytest.raises(Misconfigured) as refused:
        bind("127.0.0.1", taken.getsockname()[1], name="--port")
    assert refused.value.path == "--port"
    assert "another process listens there" in str(refused.value)


async def test_a_port_that_a_server_holds_is_refused(server: Server) -> None:
    with pytest.raises(Misconfigured, match="another process listens there"):
        bind(*server.address)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"choose 127\.0\.0\.1"):
        bind("203.0.113.7", 0)
    with pytest.raises(Misconfigured, match="not an address of this machine"):
        bind("no such host", 0)


@pytest.mark.parametrize("kind", SERVERS)
async def test_client_verification_without_a_ca_is_refused(kind: str, application: Application, tmp_path) -> None:
    files = TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key", verify_clients=True)
    with bind("127.0.0.1", 0) as listener, pytest.raises(Misconfigured, match="without a CA"):
        SERVERS[kind](application, listener, tls=files)


@pytest.mark.parametrize("kind", SERVERS)
async def test_missing_certificate_files_are_refused(kind: str, application: Application, tmp_path) -> None:
    files = TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key")
    with bind("127.0.0.1", 0) as listener, pytest.raises(Misconfigured, match="cannot be used"):
        SERVERS[kind](application, listener, tls=files)


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
HEADERS_FRAME, SETTINGS_FRAME, STATUS_200 = 1, 4, 0x88
# GET / of "a": three indexed fields, and :authority.
HTTP2_REQUEST = PREFACE + SETTINGS + bytes([0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1]) + b"a"
SILENT = {
    "nothing": b"",
    "half a preface of HTTP/2": PREFACE[:10],
    "a preface of HTTP/2": PREFACE,
    "a preface and settings": PREFACE + SETTINGS,
    "a request over HTTP/2, and then nothing": HTTP2_REQUEST,
    "half a request line": b"GET / HT",
    "a request, and then nothing": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("case", SILENT)
@pytest.mark.parametrize("kind", SERVERS)
async def test_as_many_silent_clients_as_may_connect_do_not_stop_the_next(
    case: str, kind: str, application: Application
) -> None:
    limits = HttpLimits(header_read_seconds=0.4, keep_alive_seconds=1, max_connections=4)
    server = SERVERS[kind](application, bind("127.0.0.1", 0), limits=limits)
    await server.start()
    silent = [Client(*await asyncio.open_connection(*server.address)) for _ in range(2 * limits.max_connections)]
    for client in silent:
        await client.send(SILENT[case])
    following = Client(*await asyncio.open_connection(*server.address))
    await following.send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
    response = await following.response()
    assert response is not None
    assert response[0] == 200
    for client in silent:
        assert await client.ended(), "the server closes what is silent"
    for client in (*silent, following):
        client.writer.transport.abort()
    await server.stop(2.0)


ASK = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"
HTTP2_LARGE = HTTP2_REQUEST.replace(b"\x84\x41", b"\x04\x06/large\x41").replace(
    b"\x00\x00\x06\x01", b"\x00\x00\x0d\x01"
)
UNREAD = {
    "one answer": ASK,
    "two answers": ASK * 2,
    "an answer, and more requests than are taken at a time": ASK + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 10_000,
    "an answer over HTTP/2": HTTP2_LARGE,
}


@pytest.mark.parametrize("case", UNREAD)
@pytest.mark.parametrize("kind", SERVERS)
async def test_as_many_clients_as_may_connect_that_read_nothing_do_not_stop_the_next(
    case: str, kind: str, application: Application
) -> None:
    limits = HttpLimits(header_read_seconds=0.4, keep_alive_seconds=1, max_connections=4)
    server = SERVERS[kind](application, bind("127.0.0.1", 0), limits=limits)
    await server.start()
    deaf = [Client(*await asyncio.open_connection(*server.address)) for _ in range(limits.max_connections)]
    for client in deaf:
        client.writer.write(UNREAD[case])
    following = Client(*await asyncio.open_connection(*server.address))
    while (response := await following.response_to_next()) is None:  # closed, because all others are busy
        following.writer.transport.abort()
        following = Client(*await asyncio.open_connection(*server.address))
    assert response[0] == 200
    for client in (*deaf, following):
        client.writer.transport.abort()
    await server.stop(2.0)


# What a client says over TLS, and what below it; None where it does not come to TLS.
SILENT_TLS = {
    "nothing": (None, b""),
    "half a hello": (None, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "a handshake": ("http/1.1", b""),
    "a handshake for HTTP/2": ("h2", b""),
    "a preface and settings": ("h2", PREFACE + SETTINGS),
}


@pytest.mark.parametrize("case", SILENT_TLS)
async def test_as_many_silent_clients_of_tls_do_not_stop_the_next(
    case: str, application: Application, tmp_path: Path
) -> None:
    protocol, words = SILENT_TLS[case]
    limits = HttpLimits(header_read_seconds=0.4, keep_alive_seconds=1, max_connections=4)
    server = GranianServer(application, bind("127.0.0.1", 0), limits=limits, tls=certificate(tmp_path))
    await server.start()

    async def client(protocol: str | None) -> Client:
        context = None if protocol is None else trusting_anybody(protocol)
        return Client(*await asyncio.open_connection(*server.address, ssl=context))

    async def be_silent() -> None:
        silent = await client(protocol)
        await silent.send(words)
        assert await silent.ended(), "the server closes what is silent"
        silent.writer.transport.abort()

    silence = [asyncio.create_task(be_silent()) for _ in range(2 * limits.max_connections)]
    await asyncio.sleep(0)
    following = await client("http/1.1")
    await following.send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
    response = await following.response()
    assert response is not None
    assert response[0] == 200
    await asyncio.gather(*silence)
    following.writer.transport.abort()
    await server.stop(2.0)


def trusting_anybody(protocol: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


def certificate(folder: Path) -> TlsFiles:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    files = TlsFiles(folder / "tls.crt", folder / "tls.key")
    files.certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


@pytest.mark.parametrize(("http2", "frames"), [(True, {SETTINGS_FRAME, HEADERS_FRAME}), (False, set())])
async def test_http2_is_served_with_prior_knowledge_where_it_is_asked_for(
    http2: bool, frames: set[int], application: Application
) -> None:
    server = GranianServer(application, bind("127.0.0.1", 0), limits=LIMITS, http2=http2)
    await server.start()
    client = Client(*await asyncio.open_connection(*server.address))
    await client.send(HTTP2_REQUEST)
    answered: set[int] = set()
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while HEADERS_FRAME not in answered:
            head = await asyncio.wait_for(client.reader.readexactly(9), PATIENCE_SECONDS)
            payload = await client.reader.readexactly(int.from_bytes(head[:3], "big"))
            answered.add(head[3])
            assert head[3] != HEADERS_FRAME or payload[0] == STATUS_200
    assert answered & {SETTINGS_FRAME, HEADERS_FRAME} == frames
    client.writer.transport.abort()
    await server.stop(2.0)


def test_a_bound_socket_is_exclusive() -> None:
    with bind("127.0.0.1", 0) as listener, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(listener.getsockname())
