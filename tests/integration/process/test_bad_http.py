"""Malicious and broken HTTP against a running service.

Whatever is sent: a problem document or a closed connection, never a 500, and the next request is served.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .raw import Connection
from .server import EXAMPLES, Running, http, running

LIMIT = 262_144  # maxBodyBytes of the example
PEN = b'{"id":"pen","name":"Pen","price":1}'
HEAD = b"Host: a\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data_dir: Path = tmp_path_factory.mktemp("bad-http") / "data"
    # Nobody orders anything here, so nobody is charged.
    with running(EXAMPLES / "orders.yaml", data_dir, "--service", "payments=http://127.0.0.1:1") as server:
        yield server
        assert '"level":"error"' not in server.err.replace(" ", "").lower()
        assert "Traceback" not in server.err
        assert server.stop() == 0


@pytest.fixture(autouse=True)
def next_request_is_served(server: Running) -> Iterator[None]:
    yield
    with Connection(server.url) as connection:
        connection.send(put(PEN))
        answer = connection.answer()
        assert answer is not None
        assert answer.status in (200, 201)
        connection.send(b"GET /v1/products/pen HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = connection.answer()
        assert answer is not None
        assert (answer.status, answer.body) == (200, PEN)


def put(body: bytes, *, path: bytes = b"/v1/products/pen", extra: bytes = b"") -> bytes:
    return b"PUT %s HTTP/1.1\r\n%s%sContent-Length: %d\r\n\r\n%s" % (path, HEAD, extra, len(body), body)


def chunked(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"PUT /v1/products/pen HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n%s%s" % (HEAD, body, end)


def product(member: bytes) -> bytes:
    return b'{"id":"pen","name":"Pen",%s}' % member


BODIES = {
    "nothing": (b"", 400, "malformed-json"),
    "half an object": (PEN[:-1], 400, "malformed-json"),
    "two objects": (PEN + PEN, 400, "malformed-json"),
    "a trailing comma": (product(b'"price":1,'), 400, "malformed-json"),
    "single quotes": (PEN.replace(b'"', b"'"), 400, "malformed-json"),
    "not a number": (product(b'"price":NaN'), 400, "malformed-json"),
    "infinity": (product(b'"price":1e999'), 400, "malformed-json"),
    "an integer of 70 bit": (product(b'"price":%d' % 2**70), 400, "malformed-json"),
    "an integer of 100,000 digits": (product(b'"price":' + b"9" * 100_000), 400, "malformed-json"),
    "a name twice": (product(b'"price":1,"price":2'), 400, "malformed-json"),
    "a name twice, once escaped": (product(b'"price":1,"\\u0070rice":2'), 400, "malformed-json"),
    "nesting by arrays": (b"[" * 100_000, 400, "malformed-json"),
    "nesting by objects": (b'{"a":' * 40_000, 400, "malformed-json"),
    "nesting that is closed": (product(b'"x":' + b"[" * 65 + b"]" * 65), 400, "malformed-json"),
    "a raw NUL": (product(b'"price":1,"x":"\x00"'), 400, "malformed-json"),
    "an escaped NUL": (product(b'"price":1,"x":"\\u0000"'), 400, "malformed-json"),
    "NUL bytes": (b"\x00" * 64, 400, "malformed-json"),
    "a byte order mark": (b"\xef\xbb\xbf" + PEN, 400, "malformed-json"),
    "UTF-16": (PEN.decode().encode("utf-16"), 400, "malformed-json"),
    "invalid UTF-8": (product(b'"price":1,"x":"\xff\xfe"'), 400, "malformed-json"),
    "overlong UTF-8": (product(b'"price":1,"x":"\xc0\xaf"'), 400, "malformed-json"),
    "a surrogate in UTF-8": (product(b'"price":1,"x":"\xed\xa0\x80"'), 400, "malformed-json"),
    "a lone surrogate": (product(b'"price":1,"x":"\\ud800"'), 400, "malformed-json"),
    "an array": (b"[]", 422, "invalid-document"),
    "null": (b"null", 422, "invalid-document"),
    "the wrong type": (product(b'"price":"1"'), 422, "invalid-document"),
    "an unknown property": (product(b'"price":1,"colour":"red"'), 422, "invalid-document"),
    "a missing property": (b'{"id":"pen"}', 422, "invalid-document"),
    "one byte too many": (b" " * (LIMIT + 1), 413, "body-too-large"),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_cannot_be_taken_is_a_problem(case: str, server: Running) -> None:
    body, status, slug = BODIES[case]
    with Connection(server.url) as connection:
        connection.send(put(body))
        answer = connection.answer()
    assert answer is not None
    assert (answer.status, answer.slug) == (status, slug)
    assert answer.problem["requestId"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("case", ["nesting by arrays", "a lone surrogate", "invalid UTF-8", "the wrong type"])
@pytest.mark.parametrize("method", [b"POST /v1/orders", b"PATCH /v1/products/pen"], ids=["accepted", "patch"])
def test_so_is_it_for_every_kind_of_write(case: str, method: bytes, server: Running) -> None:
    body, status, slug = BODIES[case]
    with Connection(server.url) as connection:
        connection.send(put(body).replace(b"PUT /v1/products/pen", method))
        answer = connection.answer()
    assert answer is not None
    assert (answer.status, answer.slug) == (status, slug)


LONG = b"a" * 9000
HEADS = {
    "no content type": (put(PEN).replace(b"application/json", b"text/plain"), 415, "unsupported-media-type"),
    "an unknown content coding": (put(PEN, extra=b"Content-Encoding: br\r\n"), 415, "unsupported-media-type"),
    "a body that is not of its coding": (put(PEN, extra=b"Content-Encoding: gzip\r\n"), 400, "bad-request"),
    "a small body that becomes a huge one": (
        put(gzip.compress(b" " * 10_000_000), extra=b"Content-Encoding: gzip\r\n"),
        413,
        "body-too-large",
    ),
    "another charset": (put(PEN).replace(b"json", b"json; charset=latin1"), 415, "unsupported-media-type"),
    "a huge body that is announced": (
        put(b"").replace(b"Content-Length: 0", b"Content-Length: 99999999999"),
        413,
        "body-too-large",
    ),
    "a huge body in chunks": (chunked(*[b" " * 65_536] * 8), 413, "body-too-large"),
    "a long path": (b"GET /v1/products/%s HTTP/1.1\r\nHost: a\r\n\r\n" % LONG, 414, "uri-too-long"),
    "a long query": (b"GET /v1/products?limit=%s HTTP/1.1\r\nHost: a\r\n\r\n" % LONG, 414, "uri-too-long"),
    "a large header field": (
        b"GET /v1/products HTTP/1.1\r\nHost: a\r\nX-A: %s\r\n\r\n" % (b"a" * 20_000),
        431,
        "header-fields-too-large",
    ),
    "two content types": (put(PEN, extra=b"Content-Type: text/plain\r\n"), 400, "bad-request"),
    "two idempotency keys": (put(PEN, extra=b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n"), 400, "bad-request"),
    "an idempotency key that is none": (put(PEN, extra=b'Idempotency-Key: "a\r\n'), 400, "bad-request"),
    "a long idempotency key": (put(PEN, extra=b"Idempotency-Key: " + b"a" * 300 + b"\r\n"), 400, "bad-request"),
    "an ETag that is none": (put(PEN, extra=b"If-Match: x\r\n"), 400, "bad-request"),
    "a NUL in the key": (b"GET /v1/products/%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid-key"),
    "a key that is not UTF-8": (b"GET /v1/products/%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid-key"),
    "half a percent-encoding": (b"GET /v1/products/a%2 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid-key"),
    "a long key": (b"GET /v1/products/%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 256), 400, "invalid-key"),
    "a query that is not UTF-8": (b"GET /v1/products?limit=%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid-query"),
    "a property without an index": (b"GET /v1/orders?quantity=1 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid-query"),
    "a foreign cursor": (b"GET /v1/products?cursor=AAAA HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid-query"),
    "a path above the root": (b"GET /v1/../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not-found"),
    "an unknown method": (b"BREW /v1/products HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method-not-allowed"),
    "an unknown method elsewhere": (b"BREW /docs HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method-not-allowed"),
    "nothing there": (b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not-found"),
    "another type wanted": (
        b"GET /v1/products HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n",
        406,
        "not-acceptable",
    ),
}


@pytest.mark.parametrize("case", HEADS)
def test_a_head_that_cannot_be_taken_is_a_problem(case: str, server: Running) -> None:
    request, status, slug = HEADS[case]
    with Connection(server.url) as connection:
        connection.send(request)
        answer = connection.answer()
    assert answer is not None
    assert (answer.status, answer.slug) == (status, slug)


HOSTS = {
    "no host": b"",
    "two hosts": b"Host: a\r\nHost: b\r\n",
    "one host twice": b"Host: a\r\nHost: a\r\n",
    "an empty host": b"Host:\r\n",
    "an invalid host": b"Host: a b\r\n",
    "a path in the host": b"Host: a/b\r\n",
}


@pytest.mark.parametrize("listener", ["public", "admin"])
@pytest.mark.parametrize("case", HOSTS)
def test_a_request_names_its_host_once(case: str, listener: str, server: Running) -> None:
    for request in (b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n", put(PEN)):
        with Connection(server.url if listener == "public" else server.admin_url) as connection:
            connection.send(request.replace(b"Host: a\r\n", HOSTS[case]))
            answer = connection.answer()
        assert answer is not None
        assert (answer.status, answer.slug) == (400, "bad-request")


# What the server refuses before there is a request to answer: by a 4xx of its own, or by closing.
BROKEN = {
    "binary": b"\x00\x01\x02\xff\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 64,
    "a raw NUL in the path": b"GET /v1/products/\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a raw NUL in a header": b"GET /v1/products HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    "an unknown version": b"GET /v1/products HTTP/7.0\r\nHost: a\r\n\r\n",
    "a header without a colon": b"GET /v1/products HTTP/1.1\r\nHost a\r\n\r\n",
    "a space before the colon": b"PUT /v1/products/pen HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello",
    "a folded header": b"GET /v1/products HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "two lengths": put(PEN).replace(b"Content-Length", b"Content-Length: 1\r\nContent-Length"),
    "a length and chunks": chunked(PEN).replace(b"Transfer-", b"Content-Length: 3\r\nTransfer-"),
    "chunks and a length": chunked(PEN).replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n", 1),
    "chunked twice": chunked(PEN).replace(b": chunked", b": chunked, chunked"),
    "an unknown transfer coding": chunked(PEN).replace(b": chunked", b": gzip"),
    "chunked in HTTP/1.0": chunked(PEN).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a negative length": put(b"").replace(b"Length: 0", b"Length: -1"),
    "a length with a sign": put(PEN).replace(b"Length: ", b"Length: +"),
    "a length that is no number": put(b"").replace(b"Length: 0", b"Length: ten"),
    "a length beyond every number": put(b"").replace(b"Length: 0", b"Length: " + b"9" * 40),
    "a chunk size that is none": chunked(end=b"zz\r\nhi\r\n0\r\n\r\n"),
    "a negative chunk size": chunked(end=b"-1\r\nhi\r\n0\r\n\r\n"),
    "a chunk size beyond every number": chunked(end=b"f" * 40 + b"\r\nhi\r\n0\r\n\r\n"),
    "a chunk longer than its size": chunked(end=b"1\r\nhello\r\n0\r\n\r\n"),
    "a chunk extension without end": chunked(end=b"1;" + b"a" * 400_000),
    "a head beyond the server's bound": b"GET /v1/products HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 400_000 + b"\r\n\r\n",
    "a target beyond the server's bound": b"GET /" + b"a" * 400_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "too many header fields": b"GET /v1/products HTTP/1.1\r\nHost: a\r\n%s\r\n"
    % b"".join(b"x%d: y\r\n" % n for n in range(200)),
    "header fields without end": b"GET /v1/products HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 60_000,
}


# A lenient parser may take them.
LENIENT = {"a header without a colon", "a folded header"}
# RFC 9112, 6.1: refused, or read by the chunks alone and the last request of its connection.
BY_CHUNKS_ALONE = {"a length and chunks", "chunks and a length"}


@pytest.mark.parametrize("listener", ["public", "admin"])
@pytest.mark.parametrize("case", BROKEN)
def test_broken_http_is_refused_and_changes_nothing(case: str, listener: str, server: Running) -> None:
    url = server.url if listener == "public" else server.admin_url
    with Connection(url) as connection:
        connection.send(BROKEN[case])
        answer = connection.answer()
        connection.finish()
        following = connection.answer() if answer is not None else None
    assert following is None or 400 <= following.status < 500, "what follows a broken request is no request"
    if answer is not None:
        is_taken = case in LENIENT and answer.status == 200
        if case in BY_CHUNKS_ALONE and answer.status in (200, 201):
            assert (answer.headers["connection"], answer.body) == ("close", PEN)
            assert following is None
            is_taken = True
        assert is_taken or 400 <= answer.status < 500, answer
    assert http.get(f"{url}/ready").status_code == 200


@pytest.mark.parametrize("cut", [5, 30, 60, -20, -1], ids=lambda cut: f"byte {cut}")
def test_a_client_that_stops_in_the_middle_gets_nothing_stored(cut: int, server: Running) -> None:
    half = put(PEN.replace(b'"price":1', b'"price":99'))
    with Connection(server.url) as connection:
        connection.send(half[:cut])
        connection.finish()
        answer = connection.answer()
    assert answer is None or 400 <= answer.status < 500
    found = http.get(f"{server.url}/v1/products/pen")
    assert found.status_code == 404 or found.json()["price"] == 1


def test_a_client_that_has_finished_sending_may_get_its_answer(server: Running) -> None:
    with Connection(server.url) as connection:
        connection.send(put(PEN))
        connection.finish()
        answer = connection.answer()
    assert answer is None or answer.status in (200, 201)


def test_requests_before_pipelined_garbage_count(server: Running) -> None:
    with Connection(server.url) as connection:
        connection.send(put(PEN) * 3 + b"\x00garbage\r\n\r\n")
        statuses = []
        while (answer := connection.answer()) is not None:
            statuses.append(answer.status)
    assert all(status in (200, 201, 400) for status in statuses)
    assert http.get(f"{server.url}/v1/products/pen").json() == json.loads(PEN)


def test_a_body_that_is_refused_unread_does_not_become_a_request(server: Running) -> None:
    smuggled = b"DELETE /v1/products/pen HTTP/1.1\r\nHost: a\r\n\r\n"
    http.put(f"{server.url}/v1/products/pen", json=json.loads(PEN))
    with Connection(server.url) as connection:
        connection.send(put(b"").replace(b"Length: 0", b"Length: 99999999") + smuggled)
        answer = connection.answer()
        assert answer is not None
        assert answer.status == 413
        assert connection.answer() is None, "the connection is closed"
    assert http.get(f"{server.url}/v1/products/pen").status_code == 200


def test_slow_clients_do_not_keep_out_others(server: Running) -> None:
    requests = [put(PEN.replace(b"pen", b"pen%d" % n), path=b"/v1/products/pen%d" % n) for n in range(100)]
    slow = [Connection(server.url) for _ in requests]
    try:
        for number, connection in enumerate(slow):
            connection.send(requests[number][: 20 if number % 2 else -5])
        assert http.get(f"{server.url}/v1/products").status_code == 200
        for number, connection in enumerate(slow):
            connection.send(requests[number][20 if number % 2 else -5 :])
        answers = [connection.answer() for connection in slow]
    finally:
        for connection in slow:
            connection.__exit__()
    assert [answer.status for answer in answers if answer is not None] == [201] * len(requests)


def test_a_slow_head_and_a_slow_body_are_given_up(server: Running) -> None:
    with Connection(server.url) as head, Connection(server.admin_url) as other, Connection(server.url) as body:
        head.send(b"GET /v1/products HTT")
        other.send(b"GET /ready HTT")
        body.send(put(PEN)[:-5])
        answer = body.answer()
        assert answer is not None
        assert (answer.status, answer.slug) == (408, "request-timeout")
        assert body.answer() is None, "the connection is closed"
        for connection in (head, other):
            answer = connection.answer()
            assert answer is None or answer.status == 408
