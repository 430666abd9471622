"""CORS, as a browser meets it: preflights, answers, errors; on resources and on pages."""

from collections.abc import Mapping
from typing import Any

import pytest

from fairlead_contract.runtime import derive
from fairlead_contract.spec.security import Cors as Settings
from fairlead_workload.api.app import application
from fairlead_workload.api.health import Health
from fairlead_workload.api.messages.cors import EXPOSED, Cors
from fairlead_workload.api.messages.request import Request
from fairlead_workload.api.messages.responses import Response

from .stage import Answer, Service, open_service, outage, specification

APP = "https://app.example.com"
PEN = {"id": "pen", "name": "Pen", "price": 2.5}
OPEN = {"cors": {"origins": [APP, "https://*.shop.example:8443", "http://localhost:3000"]}}
CREDENTIALS = {"cors": {"origins": [APP], "credentials": True}}
ALL = {"cors": {"origins": ["*"]}}
ASK = {"origin": APP, "access-control-request-method": "PUT", "access-control-request-headers": "content-type"}


def cors_headers(answer: Answer) -> dict[str, str]:
    """What of an answer is about CORS."""
    return {
        name: value for name, value in answer.headers.items() if name.startswith("access-control") or name == "vary"
    }


EXPOSE = {"access-control-expose-headers": ", ".join(EXPOSED)}


async def test_a_preflight_is_answered_with_all_that_a_browser_asks() -> None:
    async with open_service(security=OPEN) as service:
        answer = await service.send("OPTIONS", "/v1/products/pen", headers=ASK)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"
    assert cors_headers(answer) == {
        "vary": "Origin",
        "access-control-allow-origin": APP,
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": "Authorization, Cache-Control, Content-Encoding, Content-Type, "
        "Idempotency-Key, If-Match, If-None-Match, Prefer, Traceparent, X-Request-ID",
        "access-control-max-age": "600",
    }


async def test_a_preflight_says_what_the_resource_says() -> None:
    settings = {"origins": [APP], "methods": ["GET"], "headers": ["X-Tenant"], "credentials": True, "maxAge": "1h30m"}
    async with open_service(security={"cors": settings}) as service:
        answer = await service.send("OPTIONS", "/v1/products/pen", headers=ASK)
    assert cors_headers(answer) == {
        "vary": "Origin",
        "access-control-allow-origin": APP,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET",
        "access-control-allow-headers": "X-Tenant",
        "access-control-max-age": "5400",
    }


@pytest.mark.parametrize(
    "url", ["/v1/products", "/v1/ledger", "/nowhere", "/v1/nothing/a/b", "/v1/products?" + "a" * 9000]
)
async def test_a_preflight_is_answered_before_anything_else_is_asked(url: str) -> None:
    async with open_service(security=OPEN) as service:
        async with outage(service.store, "datastore"):
            answer = await service.send("OPTIONS", url, headers={**ASK, "x-large": "a" * 20_000})
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, APP)
        asked = await service.send("GET", url, headers={"origin": APP, "x-large": "a" * 20_000})
        assert asked.status in (414, 431)
        assert asked.headers["access-control-allow-origin"] == APP


async def test_a_preflight_without_a_valid_host_is_no_http() -> None:
    async with open_service(security=OPEN) as service:
        assert (await service.send("OPTIONS", "/v1/products", headers={**ASK, "host": ""})).status == 400


ORIGINS = {
    APP: True,
    "http://localhost:3000": True,
    "https://eu.shop.example:8443": True,
    "https://a.b-c.shop.example:8443": True,
    "https://shop.example:8443": False,
    "https://eu.shop.example": False,
    "http://eu.shop.example:8443": False,
    "https://evil.com/.shop.example:8443": False,
    "https://evil.com#.shop.example:8443": False,
    "https://.shop.example:8443": False,
    "https://a..shop.example:8443": False,
    "https://eu.shop.example:8443.evil.com": False,
    "https://eushop.example:8443": False,
    "https://eu.shopXexample:8443": False,
    APP + ":443": False,
    APP + "/": False,
    APP + ".evil.com": False,
    "https://app.example.com\n": False,
    "https://APP.example.com": False,
    "http://app.example.com": False,
    "https://evil-app.example.com": False,
    "null": False,
    "*": False,
    "": False,
}


@pytest.mark.parametrize("origin", ORIGINS)
async def test_only_the_origins_that_are_named_may_read(origin: str) -> None:
    async with open_service(security=OPEN) as service:
        await service.keep("products", PEN)
        for method in ("GET", "OPTIONS"):
            answer = await service.send(method, "/v1/products/pen", headers={**ASK, "origin": origin})
            assert answer.status in (200, 204)
            assert answer.headers["vary"] == "Origin"
            assert answer.headers.get("access-control-allow-origin") == (origin if ORIGINS[origin] else None)
            assert ORIGINS[origin] or cors_headers(answer) == {"vary": "Origin"}


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        (OPEN, {"vary": "Origin", "access-control-allow-origin": APP}),
        (
            CREDENTIALS,
            {"vary": "Origin", "access-control-allow-origin": APP, "access-control-allow-credentials": "true"},
        ),
        (ALL, {"access-control-allow-origin": "*"}),
    ],
)
async def test_every_answer_and_every_error_may_be_read(security: Mapping[str, Any], expected: dict[str, str]) -> None:
    async with open_service(security=security) as service:
        await service.keep("products", PEN)
        stale = {"if-match": '"1"'}
        for method, url, body, headers, status in (
            ("GET", "/v1/products/pen", None, {}, 200),
            ("GET", "/v1/products/pen", None, {}, 200),  # from the cache
            ("GET", "/v1/products/pen", None, {"if-none-match": '"1000"'}, 304),
            ("GET", "/v1/products", None, {}, 200),
            ("POST", "/v1/orders", {"customerId": "c", "productId": "pen", "quantity": 1}, {}, 202),
            ("PUT", "/v1/products/ink", {"name": "Ink", "price": 1}, {}, 201),
            ("DELETE", "/v1/products/ink", None, {}, 204),
            ("GET", "/v1/products/none", None, {}, 404),
            ("GET", "/nowhere", None, {}, 404),
            ("BREW", "/v1/products", None, {}, 405),
            ("GET", "/v1/products/pen", None, {"accept": "text/html"}, 406),
            ("GET", "/v1/products/pen", None, stale, 412),
            ("PUT", "/v1/products/pen", b"x", {"content-type": "text/plain"}, 415),
            ("PUT", "/v1/products/pen", {}, {}, 422),
            ("GET", "/v1/products/pen", None, {"host": ""}, 400),
        ):
            answer = await service.send(method, url, body, {"origin": APP, **headers})
            assert (answer.status, cors_headers(answer)) == (status, expected | EXPOSE)
        async with outage(service.store, "datastore"):
            answer = await service.send("GET", "/v1/ledger/a", headers={"origin": APP})
        assert (answer.status, cors_headers(answer)) == (503, expected | EXPOSE)
        assert answer.headers["retry-after"]


async def test_what_is_sent_is_exposed() -> None:
    safelisted = {"cache-control", "content-length", "content-type", "x-request-id"}
    readable = {name.lower() for name in EXPOSED} | safelisted
    assert {"etag", "location", "retry-after", "link"} <= readable
    async with open_service(security=OPEN) as service:
        await service.keep("products", PEN, {**PEN, "id": "ink"})
        order = {"customerId": "c", "productId": "pen", "quantity": 1}
        asking = {"origin": APP, "idempotency-key": "a", "prefer": "respond-async"}
        answers = [
            await service.send("GET", "/v1/products/pen", headers={"origin": APP}),
            await service.send("GET", "/v1/products?limit=1", headers={"origin": APP}),
            *[await service.send("POST", "/v1/orders", order, asking) for _ in range(2)],
            await service.send("PUT", "/v1/products/a", b"", {"origin": APP, "content-type": "text/plain"}),
            await service.send("PATCH", "/v1/products/a", b"", {"origin": APP, "content-type": "text/plain"}),
            await service.send("PUT", "/v1/products/a", {}, {"origin": APP, "content-encoding": "br"}),
            await service.send("BREW", "/v1/products", headers={"origin": APP}),
        ]
    sent = {name for answer in answers for name in answer.headers if name not in cors_headers(answer)}
    assert "link" in sent
    assert sent <= readable


async def test_a_replayed_answer_is_marked_for_who_asks_now() -> None:
    async with open_service(security=OPEN) as service:
        for origin in (APP, "http://localhost:3000"):
            headers = {"origin": origin, "idempotency-key": "a", "content-type": "application/json"}
            answer = await service.send("POST", "/v1/products", PEN, headers)
            assert (answer.status, answer.headers["access-control-allow-origin"]) == (201, origin)
            assert [name for name, _ in answer.messages[0]["headers"]].count(b"access-control-allow-origin") == 1


async def test_nothing_is_said_where_the_resource_says_nothing(service: Service) -> None:
    await service.keep("products", PEN)
    for method, status in (("GET", 200), ("OPTIONS", 204)):
        answer = await service.send(method, "/v1/products/pen", headers=ASK)
        assert (answer.status, cors_headers(answer)) == (status, {})
    assert (await service.send("OPTIONS", "/nowhere", headers=ASK)).status == 404


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/health", "/nothing"])
async def test_pages_are_read_across_origins_too(path: str) -> None:
    app = application(derive(specification(security=OPEN)), application_is_not_asked, Health({}))
    for method, status in (("OPTIONS", 204), ("GET", 404 if path == "/nothing" else 200)):
        sent: list[Any] = []

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        fields = {"host": "a", "origin": APP, "access-control-request-method": "GET"}
        headers = [(name.encode(), value.encode()) for name, value in fields.items()]
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": headers}
        await app(scope | {"query_string": b""}, application_is_not_asked, send)
        assert sent[0]["status"] == status
        assert (b"access-control-allow-origin", APP.encode()) in sent[0]["headers"]


async def application_is_not_asked(*_: Any) -> Any:
    raise AssertionError


@pytest.mark.parametrize("origin", ["chrome-extension://abcdefgh", "http://[::1]:3000", "https://xn--caf-dma.example"])
def test_other_origins_can_be_named(origin: str) -> None:
    cors = Cors(Settings(origins=(origin,)))
    scope = {"method": "GET", "raw_path": b"/", "query_string": b"", "headers": [(b"origin", origin.encode())]}
    response = Response(200, [])
    cors.mark(Request(scope, application_is_not_asked), response)
    assert (b"access-control-allow-origin", origin.encode()) in response.headers
