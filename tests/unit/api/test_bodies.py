"""What bodies are taken, through the ASGI interface."""

import asyncio
import gzip
import json
import sys
import zlib
from math import isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead_workload.api.messages import bodies
from fairlead_workload.errors import Problem

from .stage import Service, one_service, open_service

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

URL = "/v1/readings/1/2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" ", ""),
        (b"{", ""),
        (b'{"value":1}x', ""),
        (b'{"value":1,}', ""),
        (b"{'value':1}", ""),
        (b'{"value":NaN}', ""),
        (b'{"value":Infinity}', ""),
        (b'{"value":-Infinity}', ""),
        (b'{"value":01}', ""),
        (b'{"value":1e999}', "out of range"),
        (b'{"value":-1e999}', "out of range"),
        (b'{"value":9223372036854775808}', "64 bit"),
        (b'{"value":-9223372036854775809}', "64 bit"),
        (b'{"value":' + b"9" * 5000 + b"}", "out of range"),
        (b'{"x":{"y":[99999999999999999999]}}', "64 bit"),
        (b'{"value":1,"value":2}', "more than once"),
        (b'{"value":1,"\\u0076alue":2}', "more than once"),
        (b'{"x":{"y":1,"y":1}}', "more than once"),
        (b'{"x":[{"y":1,"y":1}]}', "more than once"),
        (b'{"x":"a:b","y":1,"y":1}', "more than once"),
        (b'\xef\xbb\xbf{"value":1}', "byte order mark"),
        (b'{"x":"\xff"}', "UTF-8"),
        (b'{"\xff":1}', "UTF-8"),
        (b'{"x":"\xed\xa0\x80"}', "UTF-8"),
        (b'{"x":"\\ud800"}', ""),
        (b'{"\\udfff":1}', ""),
        (b'{"x":"\\u0000"}', "U+0000"),
        (b'{"x":["a\\u0000"]}', "U+0000"),
        (b'{"\\u0000":1}', "U+0000"),
        (b'{"x":"\x00"}', ""),
        (b'{"x":"\n"}', ""),
        (b'{"x":' + b"[" * 64 + b"]" * 64 + b"}", "64 levels"),
        (b'{"x":' * 65 + b"1" + b"}" * 65, "64 levels"),
        (b"[" * 100_000, "64 levels"),
        (b'{"x":' * 100_000, "64 levels"),
        ('{"value":1}'.encode("utf-16"), ""),
    ],
)
async def test_malformed_json(service: Service, body: bytes, reason: str) -> None:
    answer = await service.send("PUT", URL, body)
    assert (answer.status, answer.problem) == (400, "malformed-json")
    assert reason in answer.json["detail"]


DEEP = b"[" * 63 + b"1e400" + b"]" * 63


@pytest.mark.parametrize(
    ("body", "place", "rule"),
    [
        (b'{"x":"\\ud800"}', '"/x"', "lone surrogate"),
        (b'{"x":"a\\ud800b and more"}', '"/x"', "lone surrogate"),
        (b'{"x":"\\udc00\\ud800"}', '"/x"', "lone surrogate"),
        (b'{"x":[{"y":["\\ud800\\u0041"]}]}', '"/x/0/y/0"', "lone surrogate"),
        (b'{"a~b/c":"\\udfff"}', '"/a~0b~1c"', "lone surrogate"),
        (b'{"\\udfff":1}', "name in the top", "lone surrogate"),
        (b'{"x":[{"\\udfff":1}]}', 'name in "/x/0"', "lone surrogate"),
        (b'"\\ud800"', "the top", "lone surrogate"),
        (b'{"x":1e400}', '"/x"', "out of range"),
        (b'{"x":[1,{"y":-1e400}]}', '"/x/1/y"', "out of range"),
        (b'{"x":' + DEEP + b"}", '"/x/0/0', "out of range"),
        (b'{"x":{"y":[9223372036854775808]}}', '"/x/y/0"', "64 bit"),
        (b'{"x":' + b"9" * 5000 + b"}", '"/x"', "64 bit"),
        (b'{"x":[NaN]}', '"/x/0"', "NaN"),
        (b'{"x":-Infinity}', '"/x"', "Infinity"),
        (b'{"x":["a\\u0000"]}', '"/x/0"', "U+0000"),
        (b'{"x":{"\\u0000":1}}', 'name in "/x"', "U+0000"),
        (b'{"x":[{"y":1,"y":1}]}', '"/x/0"', 'more than once: "y"'),
        (b'{"value":1,"value":2}', "the top", 'more than once: "value"'),
    ],
)
async def test_what_is_wrong_in_a_body_is_reported_with_its_place(
    service: Service, body: bytes, place: str, rule: str
) -> None:
    answer = await service.send("PUT", URL, body)
    assert (answer.status, answer.problem) == (400, "malformed-json")
    assert place in answer.json["detail"]
    assert rule in answer.json["detail"]


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"x"', b"true", b"[1,2]"])
async def test_another_json_value_is_422(service: Service, body: bytes) -> None:
    answer = await service.send("PUT", URL, body)
    assert (answer.status, answer.problem) == (422, "invalid-document")


@pytest.mark.parametrize(
    "document",
    [
        {"value": 1.5},
        {"x": 9223372036854775807, "y": -9223372036854775808},
        {"x": 'a:b::{}[]\\"\n', "y": "\\u0000", "z": {"x": {"x": [{"x": 1}]}}},
        {"x": "1234567890123456789012345678901234567890"},
        {"x": 1e300, "y": 0.1234567890123456789},
        {"🙂": "🙂", "é": "\u2028"},
        {"": ""},
    ],
)
@pytest.mark.parametrize("ascii_", [True, False])
async def test_unusual_documents_come_back_as_they_were(service: Service, document: Any, ascii_: bool) -> None:
    raw = json.dumps(document, ensure_ascii=ascii_).encode()
    assert (await service.send("PUT", URL, raw)).status == 201
    got = await service.send("GET", URL)
    assert {name: got.json[name] for name in document} == document


def test_sixty_four_levels_are_taken() -> None:
    text = b'{"x":' + b"[" * 63 + b"]" * 63 + b"}"
    assert bodies.decode_object(text) == json.loads(text)


@pytest.mark.parametrize(
    ("method", "type_", "status"),
    [
        ("PUT", "application/json", 201),
        ("PUT", "Application/JSON; Charset=UTF-8", 201),
        ("PUT", 'application/json;charset="utf-8"', 201),
        ("PUT", 'application/json;charset="Utf\\-8"', 201),
        ("PUT", "application/json; version=1", 201),
        ("PUT", 'application/json;version=1 ; profile="a;b, c";;charset=utf8;', 201),
        ("PUT", " application/json\t", 201),
        ("PUT", "application/json; " + "a=b; " * 100, 201),
        ("PUT", "application/json; charset=latin-1", 415),
        ("PUT", "application/json; charset=utf-8; charset=utf-16", 415),
        ("PUT", "application/json; version=1; CHARSET=us-ascii", 415),
        ("PUT", "application/merge-patch+json", 415),
        ("PUT", "text/plain", 415),
        ("PUT", "text/plain; charset=utf-8", 415),
        ("PUT", "application/jsonx", 415),
        ("PUT", "*/*", 415),
        ("PUT", "", 415),
        ("PUT", "application", 400),
        ("PUT", "application/", 400),
        ("PUT", "application/json version=1", 400),
        ("PUT", "application/json; charset", 400),
        ("PUT", "application/json; charset = utf-8", 400),
        ("PUT", 'application/json; profile="a', 400),
        ("PUT", "application/json, application/json", 400),
        ("PATCH", "application/merge-patch+json", 404),
        ("PATCH", "application/merge-patch+json; version=1; charset=utf-8", 404),
        ("PATCH", "application/json; version=1", 404),
        ("PATCH", "application/json-patch+json", 415),
        ("PATCH", "application/merge-patch+json; charset=utf-16", 415),
    ],
)
async def test_content_types(service: Service, method: str, type_: str, status: int) -> None:
    answer = await service.send(method, URL, {"value": 1}, {"content-type": type_})
    assert answer.status == status
    if status == 400:
        assert answer.problem == "bad-request"
    if status == 415:
        assert answer.problem == "unsupported-media-type"
        known = {"accept", "accept-patch", "accept-encoding"}
        accepted = {name: value for name, value in answer.headers.items() if name in known}
        patch = {"accept-patch": "application/merge-patch+json, application/json"}
        assert accepted == (patch if method == "PATCH" else {"accept": "application/json"})


BODY = b'{"value":1.5}'
CODED = {
    "gzip": (gzip.compress(BODY), "gzip", 201),
    "zstd": (zstd.compress(BODY), "zstd", 201),
    "zstd without its size": (
        zstd.compress(BODY, options={zstd.CompressionParameter.content_size_flag: 0}),
        "zstd",
        201,
    ),
    "capitals": (gzip.compress(BODY), "GZIP", 201),
    "the old name": (gzip.compress(BODY), "x-gzip", 201),
    "identity": (BODY, "identity", 201),
    "nothing": (BODY, "", 201),
    "brotli": (BODY, "br", 415),
    "deflate": (zlib.compress(BODY), "deflate", 415),
    "two codings": (gzip.compress(gzip.compress(BODY)), "gzip, gzip", 415),
    "a sentence": (BODY, "without any", 415),
    "empty elements of the list": (gzip.compress(BODY), ", gzip, ,", 201),
    "identity beside it": (zstd.compress(BODY), "identity, zstd", 201),
    "one that is not known beside it": (gzip.compress(BODY), "gzip, br", 415),
    "plain for gzip": (BODY, "gzip", 400),
    "gzip for zstd": (gzip.compress(BODY), "zstd", 400),
    "zstd for gzip": (zstd.compress(BODY), "gzip", 400),
    "nothing for gzip": (b"", "gzip", 400),
    "nothing for zstd": (b"", "zstd", 400),
    "half of gzip": (gzip.compress(BODY)[:-9], "gzip", 400),
    "gzip without its check": (gzip.compress(BODY)[:-8], "gzip", 400),
    "gzip with a wrong check": (gzip.compress(BODY)[:-8] + b"\0" * 8, "gzip", 400),
    "half of zstd": (zstd.compress(BODY)[:-1], "zstd", 400),
    "two gzip members": (gzip.compress(BODY) * 2, "gzip", 400),
    "two zstd frames": (zstd.compress(BODY) * 2, "zstd", 400),
    "more after gzip": (gzip.compress(BODY) + b"x", "gzip", 400),
    "as large as may be, by gzip": (gzip.compress(BODY + b" " * (1024 - len(BODY))), "gzip", 201),
    "as large as may be, by zstd": (zstd.compress(BODY + b" " * (1024 - len(BODY))), "zstd", 201),
    "a byte too large, by gzip": (gzip.compress(BODY + b" " * (1025 - len(BODY))), "gzip", 413),
    "a byte too large, by zstd": (zstd.compress(BODY + b" " * (1025 - len(BODY))), "zstd", 413),
    "a bomb of gzip": (gzip.compress(b"0" * 500_000), "gzip", 413),
    "a bomb of zstd": (zstd.compress(b"0" * 5_000_000), "zstd", 413),
    "a zstd window that is too large": (
        zstd.compress(b"0" * (1 << 24), options={zstd.CompressionParameter.window_log: 24}),
        "zstd",
        400,
    ),
}
PROBLEM = {400: "bad-request", 413: "body-too-large", 415: "unsupported-media-type"}


@pytest.mark.parametrize("case", CODED)
async def test_content_codings(case: str) -> None:
    body, coding, status = CODED[case]
    headers = {"content-type": "application/json", "content-encoding": coding}
    async with open_service(security={"maxBodyBytes": 1024}) as service:
        answer = await service.send("PUT", URL, body, headers)
        assert answer.status == status
        if status == 201:
            assert answer.json["value"] == 1.5
            return
        assert answer.problem == PROBLEM[status]
        assert answer.headers.get("accept-encoding") == ("gzip, zstd" if status == 415 else None)
        assert "accept" not in answer.headers
        assert await service.stored("readings") == []


async def test_a_request_and_its_compressed_repetition_are_one(service: Service) -> None:
    headers = {"content-type": "application/json", "idempotency-key": "a"}
    first = await service.send("PUT", URL, BODY, headers)
    again = await service.send("PUT", URL, gzip.compress(BODY), {**headers, "content-encoding": "gzip"})
    assert (first.status, again.status) == (201, 201)
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    ("size", "headers", "status"),
    [
        (1024, {"content-length": "1024"}, 201),
        (1025, {"content-length": "1025"}, 413),
        (10, {"content-length": "99999999999999999999999"}, 413),
        (1024, {}, 201),
        (1025, {}, 413),
        (50_000, {}, 413),
    ],
)
@pytest.mark.parametrize("chunk", [16, 100_000])
async def test_large_bodies(size: int, headers: dict[str, str], status: int, chunk: int) -> None:
    raw = b'{"value":1' + b" " * (size - 11) + b"}"
    chunks = [raw[start : start + chunk] for start in range(0, size, chunk)]
    headers = {**headers, "content-type": "application/json"}
    async with open_service(security={"maxBodyBytes": 1024}) as service:
        answer = await service.send("PUT", URL, headers=headers, chunks=chunks)
    assert answer.status == status
    if status == 413:
        assert answer.problem == "body-too-large"
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("coding", "status"), [("chunked", 201), ("Chunked", 201), ("chunked, chunked", 400), ("gzip, chunked", 400)]
)
async def test_the_only_transfer_coding_is_chunked(service: Service, coding: str, status: int) -> None:
    answer = await service.send("PUT", URL, {"value": 1}, {"transfer-encoding": coding})
    assert answer.status == status
    assert status == 201 or answer.problem == "bad-request"


async def test_a_slow_body_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "READ_SECONDS", 0.01)
    headers = [(b"host", b"a"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "PUT", "raw_path": URL.encode(), "query_string": b"", "headers": headers}
    parts = [{"type": "http.request", "body": b"{", "more_body": True}]
    sent: list[Any] = []

    async def receive() -> Any:
        return parts.pop() if parts else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    async with open_service() as service:
        await service.kernel(scope, receive, send)
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["type"].endswith("/request-timeout")


async def test_a_client_that_leaves_or_stops_sending_changes_nothing(service: Service) -> None:
    answer = await service.send("PUT", URL, headers={"content-type": "application/json"}, chunks=[])
    assert (answer.status, answer.problem) == (400, "bad-request"), "it may still read, having closed one half"
    assert await service.stored("readings") == []
    assert service.registry.get_sample_value(
        "http_server_request_duration_seconds_count",
        {
            "http_request_method": "PUT",
            "http_route": "/v1/readings/{sensor}/{at}",
            "http_response_status_code": "499",
        },
    ) == 1  # fmt: skip


class DuplicateNameError(Exception):
    pass


def strict(text: str) -> Any:
    """What the standard library makes of it, duplicates refused."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise DuplicateNameError
        return dict(pairs)

    return json.loads(text, object_pairs_hook=unique)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([":", '"', "\\", "{"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=10,
)


@one_service
@given(body=st.binary(max_size=40))
async def test_no_bytes_are_a_server_error(service: Service, body: bytes) -> None:
    answer = await service.send("PUT", URL, body)
    assert answer.status in (200, 201, 400, 422)


@one_service
@given(value=JSON, data=st.data())
async def test_no_json_nor_a_damaged_one_is_a_server_error(service: Service, value: Any, data: st.DataObject) -> None:
    raw = bytearray(json.dumps(value).encode())
    if data.draw(st.booleans()):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    answer = await service.send("PUT", URL, bytes(raw))
    assert answer.status in (200, 201, 400, 422)


PART = st.sampled_from(["", ":", '"', "\\", " ", "\n", "{", ",", "a", "\0", "é"])
PLAIN = st.lists(PART, max_size=4).map("".join)
GAP = st.sampled_from(["", "", "", " ", "\n", "\t", "\r", " \n "])


@st.composite
def written(draw: st.DrawFn, depth: int = 0) -> str:
    """JSON text with white space anywhere, colons and quotes in its strings, and names that may come twice."""
    kind = draw(st.sampled_from(["object", "object", "list", "text", "number"] if depth < 4 else ["text", "number"]))
    if kind == "number":
        return draw(
            st.sampled_from(["0", "-1.5", "1e400", "9223372036854775807", "9223372036854775808", "true", "null"])
        )
    if kind == "text":
        return json.dumps(draw(PLAIN), ensure_ascii=draw(st.booleans()))
    items = [draw(written(depth + 1)) for _ in range(draw(st.integers(0, 3)))]
    if kind == "list":
        return f"[{','.join(draw(GAP) + item + draw(GAP) for item in items)}]"
    names = [json.dumps(draw(PLAIN | st.sampled_from("ab"))) for _ in items]
    members = zip(names, items, strict=True)
    return f"{{{','.join(f'{draw(GAP)}{name}{draw(GAP)}:{draw(GAP)}{item}{draw(GAP)}' for name, item in members)}}}"


def is_sound(text: str) -> bool:
    """The rules for a decoded body that JSON's grammar does not have, looked for in every value."""
    try:
        rest = [strict(text)]
    except DuplicateNameError:
        return False
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            rest += [*value, *value.values()]
        elif isinstance(value, list):
            rest += value
        elif isinstance(value, str):
            if "\0" in value:
                return False
        elif isinstance(value, int | float) and not (isfinite(value) and (value % 1 or -(2**63) <= value < 2**63)):
            return False
    return True


@settings(max_examples=500)
@given(st.one_of(written(), written().map(lambda text: f'{{"x":{text}}}')))
def test_the_rules_for_bodies_are_kept_exactly(text: str) -> None:
    try:
        decoded: Any = bodies.decode_object(text.encode())
        status = 200
    except Problem as problem:
        status = problem.status
    expected = (200 if text.startswith("{") else 422) if is_sound(text) else 400
    assert status == expected
    if status == 200:
        assert decoded == strict(text)
