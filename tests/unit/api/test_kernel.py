"""Routing, head limits, ids, failures, metrics and the access log."""

import json
import logging
from typing import Any

import pytest

from fairlead_workload.errors import Refused

from .stage import Service

PEN = {"id": "pen", "name": "Pen", "price": 2.5}
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("method", "url", "allow"),
    [
        ("DELETE", "/v1/products", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/v1/products/pen", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("BREW", "/v1/products/pen", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("GET", "/v1/ledger", "OPTIONS, POST"),
        ("HEAD", "/v1/ledger", "OPTIONS, POST"),
        ("PUT", "/v1/ledger/a", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v1/ledger/a", "GET, HEAD, OPTIONS"),
        ("POST", "/v1/operations/x", "GET, HEAD, OPTIONS"),
    ],
)
async def test_other_methods(service: Service, method: str, url: str, allow: str) -> None:
    answer = await service.send(method, url)
    assert (answer.status, answer.headers["allow"]) == (405, allow)
    if method != "HEAD":
        assert answer.problem == "method-not-allowed"


@pytest.mark.parametrize(
    ("url", "allow"),
    [
        ("/v1/products", "GET, HEAD, OPTIONS, POST"),
        ("/v1/products/pen", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/v1/products/none", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/v1/readings/1/2026-01-01T00:00:00Z", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/v1/ledger", "OPTIONS, POST"),
        ("/v1/ledger/a", "GET, HEAD, OPTIONS"),
        ("/v1/operations/x", "GET, HEAD, OPTIONS"),
    ],
)
async def test_options_lists_the_methods_of_a_path(service: Service, url: str, allow: str) -> None:
    answer = await service.send("OPTIONS", url)
    assert (answer.status, answer.body, answer.headers["allow"]) == (204, b"", allow)
    patches = "application/merge-patch+json, application/json" if "PATCH" in allow else None
    assert answer.headers.get("accept-patch") == patches
    assert not any(name.startswith("access-control") or name == "vary" for name in answer.headers)


@pytest.mark.parametrize("url", ["/nowhere", "/v1/nothing", "/v1/products/a/b"])
async def test_options_of_an_unknown_path_is_404(service: Service, url: str) -> None:
    assert (await service.send("OPTIONS", url)).status == 404


@pytest.mark.parametrize(
    ("url", "headers", "status", "problem"),
    [
        ("/v1/products/pen?" + "a" * 8192, [], 414, "uri-too-long"),
        ("/v1/products/" + "a" * 9000, [], 414, "uri-too-long"),
        ("/v1/products/pen", [("x-a", "a" * 16_384)], 431, "header-fields-too-large"),
        ("/v1/products/pen", [(f"x-{n}", "a") for n in range(101)], 431, "header-fields-too-large"),
        ("/nowhere", [("x-a", "a" * 16_384)], 431, "header-fields-too-large"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "BREW"])
async def test_head_limits(
    service: Service, method: str, url: str, headers: list[tuple[str, str]], status: int, problem: str
) -> None:
    answer = await service.send(method, url, headers=headers)
    assert (answer.status, answer.problem) == (status, problem)


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        (["a"], 404),
        (["shop.example:8080"], 404),
        (["127.0.0.1:80"], 404),
        (["[::1]:8080"], 404),
        (["a:"], 404),
        (["caf%C3%A9.example"], 404),
        ([""], 400),
        ([":80"], 400),
        (["a b"], 400),
        (["a/b"], 400),
        (["a@b"], 400),
        (["a:port"], 400),
        (["a:80:80"], 400),
        (["[::1"], 400),
        (["[::1]"], 404),
        (["[::ffff:192.0.2.1]:80"], 404),
        (["\ta \t"], 404),
        (["[::::::]"], 400),
        (["[1:2:3]"], 400),
        (["[192.0.2.1]"], 400),
        (["caf\xe9"], 400),
        (["a%2"], 400),
        (["a" * 600], 400),
        (["a", "b"], 400),
        (["a", "a"], 400),
        (["a, b"], 400),
    ],
)
async def test_a_request_names_its_host_once(service: Service, hosts: list[str], status: int) -> None:
    for url in ("/v1/products/none", "/nowhere"):
        answer = await service.send("GET", url, headers=[("host", host) for host in hosts])
        assert (answer.status, answer.problem) == (status, "bad-request" if status == 400 else "not-found")


@pytest.mark.parametrize(("version", "status"), [("1.0", 404), ("1.1", 400), ("2", 400)])
async def test_only_http_1_0_needs_no_host(service: Service, version: str, status: int) -> None:
    nothing = {"headers": [], "http_version": version}
    assert (await service.send("GET", "/v1/products/none", scope=nothing)).status == status
    twice = {"headers": [(b"host", b"a"), (b"host", b"a")], "http_version": version}
    assert (await service.send("GET", "/v1/products/none", scope=twice)).status == 400


async def test_a_repeated_field_that_has_one_value_is_refused(service: Service) -> None:
    headers = [("idempotency-key", "a"), ("idempotency-key", "b"), ("content-type", "application/json")]
    answer = await service.send("POST", "/v1/products", PEN, headers)
    assert (answer.status, answer.problem) == (400, "bad-request")


async def test_a_repeated_list_field_is_one_list(service: Service) -> None:
    await service.keep("products", PEN)
    answer = await service.send(
        "GET", "/v1/products/pen", headers=[("if-none-match", '"1"'), ("if-none-match", '"1000"')]
    )
    assert answer.status == 304


@pytest.mark.parametrize("given", ["abc", "A.b_c-9", "a" * 128])
async def test_a_good_request_id_is_echoed(service: Service, given: str) -> None:
    for url in ("/v1/products/pen", "/nowhere"):
        answer = await service.send("GET", url, headers={"x-request-id": given})
        assert answer.headers["x-request-id"] == given == answer.json["requestId"]


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, "a\r\nx: y", "é", '"'])
async def test_another_request_id_is_replaced(service: Service, given: str) -> None:
    first = await service.send("GET", "/v1/products/pen", headers={"x-request-id": given})
    second = await service.send("GET", "/v1/products/pen", headers={"x-request-id": given})
    ids = {first.headers["x-request-id"], second.headers["x-request-id"]}
    assert len(ids) == 2
    assert given not in ids


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"00-{TRACE}-b7ad6b7169203331-01", True),
        (f"01-{TRACE}-b7ad6b7169203331-01-more", True),
        (f"00-{TRACE}-b7ad6b7169203331-01-more", False),
        (f"ff-{TRACE}-b7ad6b7169203331-01", False),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-b7ad6b7169203331-01", False),
        ("garbage", False),
    ],
)
async def test_a_trace_is_followed_but_its_flags_are_not_trusted(service: Service, given: str, kept: bool) -> None:
    await service.keep("products", PEN)
    answer = await service.send("PUT", "/v1/carts/a", {"items": 1}, {"traceparent": given})
    assert answer.status == 201
    (event,) = await service.queue.events()
    assert (TRACE in event["traceparent"]) == kept
    assert event["traceparent"].endswith("-00")


class UnforeseenError(Exception):
    pass


async def test_what_nobody_foresaw_is_a_500_whose_text_stays_in_the_log(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.store.faults.error = UnforeseenError("the secret")
    with caplog.at_level(logging.ERROR):
        answer = await service.send("GET", "/v1/products/pen")
    assert (answer.status, answer.problem) == (500, "internal-error")
    assert "secret" not in answer.body.decode()
    (record,) = caplog.records
    assert record.request_id == answer.headers["x-request-id"]  # type: ignore[attr-defined]
    assert record.exc_info is not None


async def test_a_dependency_that_refuses_is_a_500_of_its_own(service: Service) -> None:
    service.store.faults.error = Refused("datastore", "permission denied for table")
    answer = await service.send("GET", "/v1/products/pen")
    assert (answer.status, answer.problem) == (500, "dependency-refused")
    assert "permission" not in answer.body.decode()


def count(service: Service, method: str, route: str, status: int) -> float:
    labels = {"http_request_method": method, "http_route": route, "http_response_status_code": str(status)}
    return service.registry.get_sample_value("http_server_request_duration_seconds_count", labels) or 0


async def test_requests_are_counted_by_method_route_and_status(service: Service) -> None:
    await service.keep("products", PEN)
    for method, url in (
        ("GET", "/v1/products/pen"),
        ("GET", "/v1/products/pen"),
        ("GET", "/v1/products/none"),
        ("BREW", "/v1/products/a"),
        ("CHEW", "/v1/products/b"),
        ("GET", "/nowhere/1"),
        ("GET", "/nowhere/2"),
    ):
        await service.send(method, url)
    assert count(service, "GET", "/v1/products/{id}", 200) == 2
    assert count(service, "GET", "/v1/products/{id}", 404) == 1
    assert count(service, "_OTHER", "/v1/products/{id}", 405) == 2
    assert count(service, "GET", "_unmatched", 404) == 2
    assert service.registry.get_sample_value("http_server_active_requests") == 0


async def test_buckets_are_cumulative(service: Service) -> None:
    metrics = service.telemetry.route("/somewhere")
    for seconds in (0.001, 0.005, 0.3, 60):
        metrics.observe("GET", 200, seconds)
    labels = {"http_request_method": "GET", "http_route": "/somewhere", "http_response_status_code": "200"}
    name = "http_server_request_duration_seconds"

    def below(bound: str) -> Any:
        return service.registry.get_sample_value(f"{name}_bucket", {**labels, "le": bound})

    assert [below(bound) for bound in ("0.005", "0.25", "0.5", "10.0", "+Inf")] == [2, 2, 3, 3, 4]
    assert service.registry.get_sample_value(f"{name}_sum", labels) == pytest.approx(60.306)


async def test_each_request_is_one_line_without_query_or_header_values(service: Service) -> None:
    await service.keep("products", PEN)
    headers = {"x-request-id": "r1", "authorization": "Bearer secret", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    await service.send("GET", "/v1/products/pen?token=secret", headers=headers)
    await service.send("GET", "/nowhere%22%0A\xff")
    service.telemetry.flush()
    first, second = [json.loads(line) for line in b"".join(service.lines).splitlines()]
    assert first == {
        "time": first["time"],
        "level": "info",
        "message": "request",
        "request_id": "r1",
        "trace_id": TRACE,
        "method": "GET",
        "path": "/v1/products/pen",
        "route": "/v1/products/{id}",
        "status": 200,
        "duration_ms": first["duration_ms"],
        "bytes": 37,
    }
    assert first["time"] == "2027-01-15T08:00:00.000Z"
    assert second["route"] == "_unmatched"
    assert b"secret" not in b"".join(service.lines)
