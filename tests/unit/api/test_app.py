"""The public and the admin application, called as ASGI."""

import json
import re
from html import unescape
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from fairlead_contract.problems import BY_SLUG
from fairlead_contract.runtime import RuntimeDocument
from fairlead_workload.api.app import application
from fairlead_workload.api.health import Health
from fairlead_workload.api.pages.admin import admin
from fairlead_workload.errors import Unavailable
from fairlead_workload.telemetry.access import AccessLog
from fairlead_workload.telemetry.http import HttpTelemetry
from fairlead_workload.telemetry.metrics import DependencyMetrics

DOCUMENT = RuntimeDocument.model_validate(
    {
        "version": 1,
        "name": "shop",
        "namespace": "default",
        "api": {
            "resources": [
                {
                    "name": "items",
                    "key": {"partition": "id"},
                    "schema": {"type": "object", "properties": {"id": {"type": "string"}}},
                }
            ]
        },
        "datastore": {"type": "SQLite"},
        "cache": {"type": "Memory"},
    }
)


class Answer:
    """A whole response."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        start, *rest = messages
        self.status = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}
        self.body = b"".join(message.get("body", b"") for message in rest)

    def json(self) -> Any:
        return json.loads(self.body)


async def call(app, path: str, *, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
    messages: list[dict[str, Any]] = []

    async def send(message) -> None:
        messages.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    fields = [(name.lower().encode(), value.encode()) for name, value in ({"Host": "a"} | (headers or {})).items()]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": fields,
    }
    await app(scope, receive, send)
    return Answer(messages)


async def kernel(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


async def up() -> None:
    return


async def down() -> None:
    raise Unavailable("datastore", "connection refused")


async def public(check=up):
    health = Health({"datastore": check})
    await health.check()
    return application(DOCUMENT, kernel, health)


@pytest.mark.parametrize("path", ["/v1/items", "/v1/items/1", "/v1/", "/v1/nothing"])
async def test_what_is_below_the_version_goes_to_the_kernel(path: str) -> None:
    answer = await call(await public(), path, method="PATCH")
    assert (answer.status, answer.body) == (299, path.encode())


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/items", "/docs/", "/metrics", "/openapi.yaml"])
async def test_anything_else_is_a_problem(path: str) -> None:
    answer = await call(await public(), path, headers={"X-Request-ID": "abc"})
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].endswith("/not-found")
    assert answer.json()["requestId"] == answer.headers["x-request-id"] == "abc"


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/health", "/ready", "/problems", "/problems/conflict"])
async def test_pages_are_read_only(path: str) -> None:
    app = await public()
    refused = await call(app, path, method="POST")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    head, get = await call(app, path, method="HEAD"), await call(app, path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.body))


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_pages_that_do_not_change_have_an_etag(path: str) -> None:
    app = await public()
    first = await call(app, path)
    again = await call(app, path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert (await call(app, path, headers={"If-None-Match": '"other"'})).status == 200
    assert (await call(app, path, headers={"If-Match": first.headers["etag"]})).status == 200
    assert (await call(app, path, headers={"If-Match": '"other"'})).status == 412


async def test_a_request_without_a_host_is_refused_on_either_listener() -> None:
    health = Health({"datastore": up})
    await health.check()
    for app in (await public(), admin(health, CollectorRegistry())):
        for path in ("/health", "/nothing"):
            answer = await call(app, path, headers={"Host": ""})
            assert (answer.status, answer.json()["type"].rpartition("/")[2]) == (400, "bad-request")


@pytest.mark.parametrize("slug", BY_SLUG)
async def test_the_type_of_a_problem_leads_to_its_page(slug: str) -> None:
    problem = BY_SLUG[slug]
    for app in (await public(), admin(Health({}), CollectorRegistry())):
        answer = await call(app, problem.uri)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        page = unescape(re.sub("</?code>", "`", answer.body.decode()))
        assert all(text in page for text in (problem.title, str(problem.status), problem.cause, problem.remedy))
        assert all(f"`{name}`" in page for name in (*problem.headers, *problem.alternatives))
        assert "://" not in page
        again = await call(app, problem.uri, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status, again.body) == (304, b"")


async def test_the_list_of_problems_leads_to_each_page() -> None:
    answer = await call(await public(), "/problems")
    assert answer.status == 200
    assert all(f'href="{problem.uri}"' in answer.body.decode() for problem in BY_SLUG.values())


@pytest.mark.parametrize("path", ["/problems/", "/problems/none", "/problems/not-found/", "/problems/not%2Dfound%00"])
async def test_there_is_no_page_of_an_unknown_problem(path: str) -> None:
    answer = await call(await public(), path)
    assert (answer.status, answer.json()["type"]) == (404, "/problems/not-found")
    assert (await call(await public(), answer.json()["type"])).status == 200


async def test_openapi_describes_the_service() -> None:
    answer = await call(await public(), "/openapi.json")
    assert "/v1/items/{id}" in answer.json()["paths"]


async def test_docs_ask_nobody_else() -> None:
    answer = await call(await public(), "/docs")
    page = answer.body.decode()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    addresses = {word for word in page.split() if "://" in word}
    assert all("www.w3.org/2000/svg" in address for address in addresses), addresses
    scripts = policy.partition("script-src ")[2].partition(";")[0]
    assert page.count("<script") == page.count("<script>") == scripts.count("sha256-") == 1


async def test_ready_shows_the_public_no_details() -> None:
    assert (await call(await public(), "/ready")).json() == {"status": "ready"}
    failing = await call(await public(down), "/ready")
    assert (failing.status, failing.json()) == (503, {"status": "unready"})
    assert (await call(await public(down), "/health")).status == 200


async def test_an_unforeseen_error_is_a_problem_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    health = Health({})
    health.report = lambda: 1 / 0  # type: ignore[assignment, method-assign]
    answer = await call(admin(health, CollectorRegistry()), "/ready")
    assert (answer.status, answer.json()["type"]) == (500, "/problems/internal-error")
    assert b"division" not in answer.body
    assert "request failed" in caplog.text


async def test_admin_ready_names_the_dependencies() -> None:
    health = Health({"datastore": down, "cache": up})
    await health.check()
    answer = await call(admin(health, CollectorRegistry()), "/ready")
    assert answer.status == 503
    assert answer.json()["dependencies"]["datastore"]["state"] == "down"
    assert answer.json()["dependencies"]["cache"]["state"] == "up"


FORMATS = {
    "text": (None, "text/plain"),
    "openmetrics": ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
}


@pytest.mark.parametrize("case", FORMATS)
async def test_metrics_are_exposed_in_the_format_asked_for(case: str) -> None:
    accept, content_type = FORMATS[case]
    health = Health({"datastore": up})
    await health.check()
    registry = CollectorRegistry()
    registry.register(DependencyMetrics(health))
    answer = await call(admin(health, registry), "/metrics", headers={"Accept": accept} if accept else None)
    assert answer.headers["content-type"].startswith(content_type)
    (family,) = text_string_to_metric_families(answer.body.decode().replace("# EOF\n", ""))
    assert [(sample.name, sample.labels, sample.value) for sample in family.samples] == [
        ("fairlead_dependency_up", {"dependency": "datastore"}, 1.0)
    ]


async def test_a_server_that_insists_on_a_lifespan_gets_one() -> None:
    sent: list[str] = []
    inbox = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, Any]:
        return {"type": next(inbox)}

    async def send(message) -> None:
        sent.append(message["type"])

    await (await public())({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_pages_are_counted_and_logged_as_resources_are() -> None:
    registry, lines = CollectorRegistry(), bytearray()
    log = AccessLog(lines.extend)
    telemetry = HttpTelemetry(registry, log)
    health = Health({"datastore": up})
    await health.check()
    app = application(DOCUMENT, kernel, health, telemetry)
    await call(app, "/docs")
    await call(app, "/nothing", headers={"X-Request-ID": "abc"})
    log.close()
    logged = [json.loads(line) for line in lines.splitlines()]
    assert [(line["path"], line["route"], line["status"]) for line in logged] == [
        ("/docs", "/docs", 200),
        ("/nothing", "_unmatched", 404),
    ]
    assert logged[1]["request_id"] == "abc"
    labels = {"http_request_method": "GET", "http_route": "/docs", "http_response_status_code": "200"}
    assert registry.get_sample_value("http_server_request_duration_seconds_count", labels) == 1
