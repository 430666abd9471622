"""Connections: their number, silent clients and clients that do not read, TLS, HTTP/2, stopping, the socket."""

import asyncio
import contextlib
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.conformance.http_server.client import Client, Connect, check_next_request, check_next_request_of
from tests.conformance.http_server.servers import LIMITS, PATIENCE_SECONDS, SERVERS, Application

from fairlead_workload.api.servers.base import HttpLimits, Server, TlsFiles, bind
from fairlead_workload.api.servers.granian import GranianServer
from fairlead_workload.errors import Misconfigured


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


# What a client sends over TLS, and what below it; None where it does not come to TLS.
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
    protocol, data = SILENT_TLS[case]
    limits = HttpLimits(header_read_seconds=0.4, keep_alive_seconds=1, max_connections=4)
    server = GranianServer(application, bind("127.0.0.1", 0), limits=limits, tls=certificate(tmp_path))
    await server.start()

    async def client(protocol: str | None) -> Client:
        context = None if protocol is None else trusting_anybody(protocol)
        return Client(*await asyncio.open_connection(*server.address, ssl=context))

    async def be_silent() -> None:
        silent = await client(protocol)
        await silent.send(data)
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
