"""Writes that are answered with 202, and the operations that state their outcome."""

import json

import pytest

from fairlead_workload.errors import DiskFull, Unavailable
from fairlead_workload.model.operations import OperationIds, OperationRecord, encode_record
from fairlead_workload.stores.base import OPERATIONS, RecordWrite, Unit

from .stage import Answer, Service, open_service, outage

PEN = {"id": "pen", "name": "Pen", "price": 2.5}
ORDER = {"customerId": "c1", "productId": "pen", "quantity": 2}
STORED = {
    "id": "018f0000-0000-7000-8000-000000000000",
    **ORDER,
    "status": "PENDING",
    "createdAt": "2026-01-01T00:00:00.000000Z",
}
URL = f"/v1/orders/{STORED['id']}"


@pytest.fixture
async def stocked(service: Service) -> Service:
    await service.keep("products", PEN)
    return service


async def finish(service: Service, answer: Answer, record: OperationRecord) -> None:
    """What the worker does in the end."""
    (event,) = await service.queue.events()
    await service.store.inner.commit(Unit(records=(RecordWrite(OPERATIONS, event["id"], encode_record(record)),)))


async def test_a_post_is_in_the_queue_before_the_202(stocked: Service) -> None:
    answer = await stocked.send("POST", "/v1/orders", ORDER)
    assert answer.status == 202
    (event,) = await stocked.queue.events()
    assert event["type"] == "orders.create"
    assert event["partitionkey"] == f"orders/{event['data']['key'][0]}"
    assert event["data"]["operation"] == answer.json["id"]
    assert {name: event["data"]["body"][name] for name in ORDER} == ORDER
    assert answer.json["status"] == "Pending"
    assert answer.json["resource"] == f"/v1/{event['partitionkey']}"
    assert answer.headers["location"] == f"/v1/operations/{answer.json['id']}"
    assert await stocked.stored("orders") == []


@pytest.mark.parametrize(
    ("method", "body", "action"),
    [("PUT", ORDER, "replace"), ("PATCH", {"quantity": 3}, "patch"), ("DELETE", None, "delete")],
)
async def test_other_writes_carry_what_the_client_sent(
    stocked: Service, method: str, body: dict[str, object] | None, action: str
) -> None:
    answer = await stocked.send(method, URL, body)
    assert answer.status == 202
    (event,) = await stocked.queue.events()
    assert event["type"] == f"orders.{action}"
    assert event["data"].get("body") == body
    assert event["data"]["key"] == [STORED["id"]]


async def test_the_queue_being_down_is_a_503(stocked: Service) -> None:
    async with outage(stocked.queue, "queue"):
        answer = await stocked.send("POST", "/v1/orders", ORDER)
    assert (answer.status, answer.problem) == (503, "unavailable")
    assert await stocked.queue.events() == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unavailable("queue", "refused"), "The queue is not available; nothing was changed. Try again later."),
        (DiskFull("queue", "no room"), "The disk of the queue is full; nothing was changed. Try again later."),
    ],
)
async def test_a_503_says_what_is_wrong(stocked: Service, error: Unavailable, said: str) -> None:
    stocked.queue.faults.error = error
    answer = await stocked.send("POST", "/v1/orders", ORDER)
    assert (answer.status, answer.problem, answer.json["detail"]) == (503, "unavailable", said)


@pytest.mark.parametrize(
    ("field", "status", "expect"),
    [('"1000"', 202, 1000), ('"1", "1000"', 202, 1000), ("*", 202, "present"), ('"1"', 412, None)],
)
async def test_if_match_is_checked_and_carried(stocked: Service, field: str, status: int, expect: object) -> None:
    await stocked.keep("orders", STORED)
    answer = await stocked.send("PATCH", URL, {"quantity": 3}, {"if-match": field})
    assert answer.status == status
    assert [event["data"]["expect"] for event in await stocked.queue.events()] == ([] if status == 412 else [expect])


@pytest.mark.parametrize(
    ("headers", "status", "expect"),
    [
        ({"if-none-match": "*"}, 412, None),
        ({"if-none-match": 'W/"1000"'}, 412, None),
        ({"if-none-match": '"1"'}, 202, "any"),
        ({"if-none-match": '"1001"'}, 202, 1000),
        ({"if-match": "*", "if-none-match": '"1"'}, 202, "present"),
        ({"if-match": '"1000"', "if-none-match": '"1"'}, 202, 1000),
        ({"if-match": '"1"', "if-none-match": '"1"'}, 412, None),
    ],
)
async def test_if_none_match_is_checked_and_carried(
    stocked: Service, headers: dict[str, str], status: int, expect: object
) -> None:
    await stocked.keep("orders", STORED)
    answer = await stocked.send("PATCH", URL, {"quantity": 3}, headers)
    assert answer.status == status
    assert [event["data"]["expect"] for event in await stocked.queue.events()] == ([] if status == 412 else [expect])


@pytest.mark.parametrize("headers", [{"if-match": "*"}, {"if-match": '"1"'}, {"if-none-match": "*"}])
async def test_a_condition_on_an_absent_document_is_404_at_once(service: Service, headers: dict[str, str]) -> None:
    assert (await service.send("PATCH", URL, {"quantity": 3}, headers)).status == 404
    assert (await service.send("DELETE", URL, None, headers)).status == 404
    assert await service.queue.events() == []


async def test_a_missing_reference_is_refused_before_the_queue(service: Service) -> None:
    for method, url, body in (("POST", "/v1/orders", ORDER), ("PATCH", URL, {"productId": "none"})):
        answer = await service.send(method, url, body)
        assert (answer.status, answer.problem) == (422, "reference-not-found")
    assert await service.queue.events() == []


BOXES = {
    "name": "boxes",
    "key": {"partition": "id"},
    "schema": {"type": "object", "properties": {"id": {"type": "integer"}}},
}
PARTS = {
    "name": "parts",
    "key": {"partition": "id"},
    "schema": {"type": "object", "properties": {"id": {"type": "string"}, "box": {"type": "integer"}}},
    "references": [{"field": "box", "resource": "boxes"}],
}


@pytest.mark.parametrize("writes", ["Accepted", "Sync"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_reference_by_an_integer_is_one_however_it_is_written(method: str, writes: str) -> None:
    async with open_service(others=(BOXES, {**PARTS, "writes": writes})) as service:
        await service.keep("boxes", {"id": 1})
        await service.keep("parts", {"id": "b"})
        url, body = ("/v1/parts", {"id": "a"}) if method == "POST" else ("/v1/parts/b", {})
        assert (await service.send(method, url, {**body, "box": 1.0})).status < 300
        for missing in (2.0, 2):
            assert (await service.send(method, url, {**body, "box": missing})).problem == "reference-not-found"


async def test_a_patch_checks_only_the_references_it_changes(service: Service) -> None:
    assert (await service.send("PATCH", URL, {"quantity": 3})).status == 202


async def test_prefer_makes_a_sync_write_accepted(stocked: Service) -> None:
    answer = await stocked.send("POST", "/v1/reviews", {"productId": "pen"}, {"prefer": "wait=5, respond-async"})
    assert answer.status == 202
    assert answer.headers["preference-applied"] == "respond-async"
    plain = await stocked.send("POST", "/v1/orders", ORDER)
    assert "preference-applied" not in plain.headers


async def test_a_get_right_after_the_202_does_not_cache_the_absence(stocked: Service) -> None:
    accepted = await stocked.send("POST", "/v1/orders", ORDER)
    url = accepted.json["resource"]
    assert (await stocked.send("GET", url)).status == 404
    await stocked.keep("orders", {**STORED, "id": url.rpartition("/")[2]})
    assert (await stocked.send("GET", url)).status == 200


async def test_an_operation_is_pending_until_its_record_and_gone_after_its_time(stocked: Service) -> None:
    accepted = await stocked.send("POST", "/v1/orders", ORDER)
    pending = await stocked.send("GET", accepted.headers["location"])
    assert (pending.status, pending.json) == (200, accepted.json)
    assert "retry-after" in pending.headers
    assert pending.headers["cache-control"] == "no-store"
    stocked.clock.now += 24 * 3600 + 1
    gone = await stocked.send("GET", accepted.headers["location"])
    assert (gone.status, gone.problem) == (410, "operation-gone")


async def test_a_succeeded_operation_is_never_ahead_of_the_cache(stocked: Service) -> None:
    await stocked.keep("orders", STORED, version=1000)
    await stocked.send("GET", URL)
    accepted = await stocked.send("PATCH", URL, {"quantity": 3})
    await stocked.send("GET", URL)
    await stocked.keep("orders", {**STORED, "quantity": 3}, version=1001)
    await finish(
        stocked,
        accepted,
        OperationRecord("Succeeded", None, 1001, stocked.clock.now, f"orders/{STORED['id']}"),
    )
    done = await stocked.send("GET", accepted.headers["location"])
    assert done.json == {**accepted.json, "status": "Succeeded"}
    assert "retry-after" not in done.headers
    assert (await stocked.send("GET", URL)).json["quantity"] == 3


async def test_a_failed_operation_says_why(stocked: Service) -> None:
    accepted = await stocked.send("PATCH", URL, {"quantity": 3})
    error = {"type": "/problems/not-found", "title": "Not found", "status": 404}
    await finish(stocked, accepted, OperationRecord("Failed", error, None, stocked.clock.now, "orders/x"))
    failed = await stocked.send("GET", accepted.headers["location"])
    assert (failed.json["status"], failed.json["error"]) == ("Failed", error)


async def test_foreign_and_invented_operations_are_unknown(stocked: Service) -> None:
    accepted = (await stocked.send("POST", "/v1/orders", ORDER)).json["id"]
    foreign = stocked.bindings.operations.mint(b"\1" * 16, principal="somebody", path="orders/x")
    invented = OperationIds(b"1" * 32).mint(b"\1" * 16, principal="", path="orders/x")
    for id_ in (foreign, invented, accepted + "A", accepted[:-1], accepted + "=", accepted + "%21", "x", "%FF"):
        answer = await stocked.send("GET", f"/v1/operations/{id_}")
        assert answer.status in (404, 400)
        assert answer.problem in ("not-found", "invalid-key")
    assert (await stocked.send("GET", "/v1/operations")).status == 404
    assert (await stocked.send("DELETE", f"/v1/operations/{accepted}")).status == 405


async def test_write_back_is_shown_at_once_and_published_whole(service: Service) -> None:
    created = await service.send("PUT", "/v1/carts/a", {"items": 1})
    changed = await service.send("PATCH", "/v1/carts/a", {"items": 2})
    assert (created.status, changed.status) == (201, 200)
    assert await service.stored("carts") == []
    got = await service.send("GET", "/v1/carts/a")
    assert (got.body, got.headers["etag"]) == (changed.body, changed.headers["etag"])
    assert got.headers["cache-status"] == "fairlead; hit"
    first, second = await service.queue.events()
    assert (first["type"], second["type"]) == ("carts.create", "carts.replace")
    assert second["data"]["body"] == json.loads(changed.body)
    assert second["data"]["version"] == first["data"]["version"] + 1


async def test_write_back_of_a_deletion(service: Service) -> None:
    await service.keep("carts", {"id": "a", "items": 1})
    assert (await service.send("DELETE", "/v1/carts/a")).status == 204
    assert (await service.send("GET", "/v1/carts/a")).status == 404
    (event,) = await service.queue.events()
    assert event["type"] == "carts.delete"
    assert event["data"]["version"] > 1000
    assert (await service.send("DELETE", "/v1/carts/a")).status == 404
    again = await service.send("PUT", "/v1/carts/a", {"items": 5})
    assert again.status == 201
    assert int(again.headers["etag"][1:-1]) > event["data"]["version"]


async def test_write_back_that_is_not_published_is_not_shown(service: Service) -> None:
    await service.keep("carts", {"id": "a", "items": 1})
    async with outage(service.queue, "queue"):
        assert (await service.send("PATCH", "/v1/carts/a", {"items": 2})).status == 503
    assert (await service.send("GET", "/v1/carts/a")).json["items"] == 1


async def test_write_back_refuses_conditions(service: Service) -> None:
    answer = await service.send("PUT", "/v1/carts/a", {"items": 1}, {"if-match": '"1"'})
    assert (answer.status, answer.problem) == (400, "condition-not-supported")
    assert await service.queue.events() == []
