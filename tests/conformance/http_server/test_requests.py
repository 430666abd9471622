"""Requests on one connection.

Each odd request gets a well-formed answer or a closed connection, never a 500, and the server answers the next request.
"""

import asyncio
import contextlib

import pytest
from tests.conformance.http_server.client import Connect, check_next_request
from tests.conformance.http_server.servers import PATIENCE_SECONDS, Application

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
