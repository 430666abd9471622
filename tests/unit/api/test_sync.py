"""Writes that are answered when they are stored."""

import asyncio
import json
from typing import Any

import pytest

from fairlead_workload.errors import Unavailable
from fairlead_workload.stores.base import Record

from .stage import Service, open_service, open_two, outage

PEN = {"id": "pen", "name": "Pen", "price": 2.5}
KEY = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
async def stocked(service: Service) -> Service:
    await service.keep("products", PEN)
    return service


async def test_post_creates_and_says_where(service: Service) -> None:
    answer = await service.send("POST", "/v1/products", PEN)
    assert (answer.status, answer.json) == (201, PEN)
    assert answer.headers["location"] == "/v1/products/pen"
    got = await service.send("GET", "/v1/products/pen")
    assert got.headers["etag"] == answer.headers["etag"]
    assert got.body == answer.body


async def test_post_of_an_existing_key_is_409(stocked: Service) -> None:
    answer = await stocked.send("POST", "/v1/products", PEN)
    assert (answer.status, answer.problem) == (409, "already-exists")


async def test_a_generated_key_needs_no_read(stocked: Service) -> None:
    await stocked.send("GET", "/v1/products/pen")
    stocked.store.reads.clear()
    answer = await stocked.send("POST", "/v1/reviews", {"productId": "pen", "stars": 5})
    assert answer.status == 201
    assert answer.json["id"][14] == "7"
    assert stocked.store.reads == []


async def test_put_creates_then_replaces(service: Service) -> None:
    created = await service.send("PUT", "/v1/products/pen", {"name": "Pen", "price": 1})
    replaced = await service.send("PUT", "/v1/products/pen", {"name": "Pencil", "price": 2})
    assert (created.status, replaced.status) == (201, 200)
    assert replaced.json == {"id": "pen", "name": "Pencil", "price": 2}
    assert "location" not in replaced.headers
    assert int(replaced.headers["etag"][1:-1]) == int(created.headers["etag"][1:-1]) + 1


@pytest.mark.parametrize("type_", ["application/merge-patch+json", "application/json"])
async def test_patch_merges(stocked: Service, type_: str) -> None:
    answer = await stocked.send("PATCH", "/v1/products/pen", {"price": 3}, {"content-type": type_})
    assert (answer.status, answer.json) == (200, {**PEN, "price": 3})


async def test_delete_then_nothing(stocked: Service) -> None:
    await stocked.send("GET", "/v1/products/pen")
    first = await stocked.send("DELETE", "/v1/products/pen")
    assert (first.status, first.body) == (204, b"")
    assert "content-length" not in first.headers
    assert (await stocked.send("GET", "/v1/products/pen")).status == 404
    assert (await stocked.send("DELETE", "/v1/products/pen")).status == 404


async def test_a_write_is_seen_by_the_next_read(stocked: Service) -> None:
    for resource in ("products", "reviews"):
        if resource == "reviews":
            await stocked.keep("reviews", {"id": KEY, "productId": "pen"})
        url = f"/v1/{resource}/{'pen' if resource == 'products' else KEY}"
        await stocked.send("GET", url)
        change = {"price": 9} if resource == "products" else {"stars": 2}
        patched = await stocked.send("PATCH", url, change)
        got = await stocked.send("GET", url)
        assert (got.headers["etag"], got.body) == (patched.headers["etag"], patched.body)


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("PUT", {"if-match": '"1000"'}, 200),
        ("PUT", {"if-match": '"1", "1000"'}, 200),
        ("PUT", {"if-match": "*"}, 200),
        ("PUT", {"if-match": '"1"'}, 412),
        ("PUT", {"if-match": 'W/"1000"'}, 412),
        ("PUT", {"if-match": '"abc"'}, 412),
        ("PUT", {"if-match": "1000"}, 400),
        ("PUT", {"if-match": '"1000'}, 400),
        ("PUT", {"if-none-match": "*"}, 412),
        ("PUT", {"if-none-match": '"1"'}, 200),
        ("PUT", {"if-none-match": '"2000"'}, 200),
        ("PUT", {"if-none-match": '"abc"'}, 200),
        ("PUT", {"if-none-match": '"1000"'}, 412),
        ("PUT", {"if-none-match": '"1", W/"1000"'}, 412),
        ("PUT", {"if-none-match": "1000"}, 400),
        ("PUT", {"if-none-match": '*, "1"'}, 400),
        ("PUT", {"if-match": "*", "if-none-match": "*"}, 412),
        ("PUT", {"if-match": "*", "if-none-match": '"1"'}, 200),
        ("PUT", {"if-match": '"1000"', "if-none-match": '"1"'}, 200),
        ("PUT", {"if-match": '"1000"', "if-none-match": '"1000"'}, 412),
        ("PUT", {"if-match": '"1"', "if-none-match": '"1"'}, 412),
        ("PUT", {"if-match": '"1000"', "if-none-match": "1000"}, 400),
        ("PATCH", {"if-match": '"1000"'}, 200),
        ("PATCH", {"if-match": '"1"'}, 412),
        ("PATCH", {"if-none-match": '"1"'}, 200),
        ("PATCH", {"if-none-match": '"1000"'}, 412),
        ("PATCH", {"if-none-match": "*"}, 412),
        ("DELETE", {"if-match": '"1000"'}, 204),
        ("DELETE", {"if-match": '"1"'}, 412),
        ("DELETE", {"if-none-match": '"1"'}, 204),
        ("DELETE", {"if-none-match": '"1000"'}, 412),
    ],
)
async def test_conditions_on_a_stored_document(
    stocked: Service, method: str, headers: dict[str, str], status: int
) -> None:
    body = None if method == "DELETE" else {"name": "Pen", "price": 1}
    answer = await stocked.send(method, "/v1/products/pen", body, headers)
    assert answer.status == status
    left = [(record.version, record.document) for record in await stocked.stored("products")]
    assert (left != [(1000, PEN)]) == (status < 300)


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("PUT", {"if-none-match": "*"}, 201),
        ("PUT", {"if-none-match": '"1"'}, 201),
        ("PUT", {"if-match": "*"}, 412),
        ("PUT", {"if-match": '"1"'}, 412),
        ("PUT", {"if-match": '"1"', "if-none-match": "*"}, 412),
        ("PATCH", {"if-match": "*"}, 404),
        ("PATCH", {"if-match": '"1"'}, 404),
        ("PATCH", {"if-none-match": "*"}, 404),
        ("DELETE", {"if-match": "*"}, 404),
        ("DELETE", {"if-match": '"1"'}, 404),
    ],
)
async def test_conditions_on_an_absent_document(
    service: Service, method: str, headers: dict[str, str], status: int
) -> None:
    body = None if method == "DELETE" else {"name": "Pen", "price": 1}
    assert (await service.send(method, "/v1/products/pen", body, headers)).status == status


@pytest.mark.parametrize(
    ("method", "url", "body", "pointers"),
    [
        ("POST", "/v1/products", {}, ["", ""]),
        ("POST", "/v1/products", {"name": 1, "price": -1, "id": "a"}, ["/name", "/price"]),
        ("POST", "/v1/products", {"name": "a", "price": 1}, ["/id"]),
        ("POST", "/v1/products", {"name": "a", "price": 1, "id": "a\u0001"}, ["/id"]),
        ("POST", "/v1/products", {"name": "a", "price": 1, "id": "a", "color": 1}, [""]),
        ("POST", "/v1/reviews", {"productId": "pen", "id": KEY}, ["/id"]),
        ("PUT", "/v1/products/pen", {"name": "a", "price": 1, "id": "other"}, ["/id"]),
        ("PUT", "/v1/reviews/mine", {"productId": "pen"}, ["/id"]),
        ("PATCH", "/v1/products/pen", {"price": "much"}, ["/price"]),
        ("PATCH", "/v1/products/pen", {"id": "other"}, ["/id"]),
        ("PATCH", "/v1/products/pen", {"name": None}, ["/name"]),
        ("POST", "/v1/products", [], [""]),
        ("POST", "/v1/products", 7, [""]),
    ],
)
async def test_every_schema_error_has_its_pointer(
    stocked: Service, method: str, url: str, body: Any, pointers: list[str]
) -> None:
    answer = await stocked.send(method, url, body)
    assert (answer.status, answer.problem) == (422, "invalid-document")
    assert sorted(error["pointer"] for error in answer.json["errors"]) == sorted(pointers)


async def test_a_change_by_another_process_is_decided_again(stocked: Service) -> None:
    async def rename() -> None:
        await stocked.keep("products", {**PEN, "name": "Renamed"}, version=None)

    stocked.store.faults.before["commit"] = rename
    answer = await stocked.send("PATCH", "/v1/products/pen", {"price": 7})
    assert answer.status == 200
    assert answer.json == {"id": "pen", "name": "Renamed", "price": 7}


async def test_a_concurrent_change_breaks_if_match(stocked: Service) -> None:
    async def rename() -> None:
        await stocked.send("PATCH", "/v1/products/pen", {"name": "Renamed"})

    stocked.store.faults.before["commit"] = rename
    answer = await stocked.send("PATCH", "/v1/products/pen", {"price": 7}, {"if-match": '"1000"'})
    assert (answer.status, answer.problem) == (412, "precondition-failed")


async def test_a_concurrent_change_may_break_if_none_match(stocked: Service) -> None:
    for named, version, status in (('"1001"', 1001, 412), ('"900"', 1002, 200)):

        async def rename(version: int = version) -> None:
            await stocked.keep("products", {**PEN, "name": "Renamed"}, version=version)

        stocked.store.faults.before["commit"] = rename
        answer = await stocked.send("PATCH", "/v1/products/pen", {"price": 7}, {"if-none-match": named})
        assert answer.status == status


@pytest.mark.parametrize(
    ("url", "headers", "detail"),
    [
        ("/v1/products/none", {"if-match": '"1"'}, "The document does not exist."),
        ("/v1/products/pen", {"if-match": '"1"'}, 'The document exists, with the ETag "1000".'),
        ("/v1/products/pen", {"if-none-match": "*"}, 'The document exists, with the ETag "1000".'),
    ],
)
async def test_a_failed_condition_says_what_is_there(
    stocked: Service, url: str, headers: dict[str, str], detail: str
) -> None:
    answer = await stocked.send("PUT", url, {"name": "Pencil", "price": 1}, headers)
    assert (answer.status, answer.json["detail"]) == (412, detail)


async def test_a_document_that_never_stands_still_is_409(stocked: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead_workload.api.writes.write.PATIENCE_SECONDS", 0.01)

    async def change() -> None:
        await stocked.keep("products", PEN, version=None)
        stocked.store.faults.before["commit"] = change

    await change()
    answer = await stocked.send("PATCH", "/v1/products/pen", {"price": 7})
    assert (answer.status, answer.problem) == (409, "conflict")


async def test_a_recreated_document_never_repeats_an_etag(service: Service) -> None:
    tags = []
    for _ in range(3):
        tags.append((await service.send("PUT", "/v1/products/pen", {"name": "Pen", "price": 1})).headers["etag"])
        await service.send("DELETE", "/v1/products/pen")
    assert len(set(tags)) == 3


async def test_a_missing_reference_is_named(service: Service) -> None:
    answer = await service.send("POST", "/v1/reviews", {"productId": "pen"})
    assert (answer.status, answer.problem) == (422, "reference-not-found")
    assert [error["pointer"] for error in answer.json["errors"]] == ["/productId"]


async def test_a_cached_absence_of_a_reference_is_not_believed(service: Service) -> None:
    await service.send("GET", "/v1/products/pen")
    await service.keep("products", PEN)
    assert (await service.send("GET", "/v1/products/pen")).status == 404
    assert (await service.send("POST", "/v1/reviews", {"productId": "pen"})).status == 201


async def test_a_reference_that_is_deleted_before_the_commit_is_named(stocked: Service) -> None:
    await stocked.send("GET", "/v1/products/pen")
    await stocked.remove("products", "pen", version=1001)  # by somebody who did not notify this cache
    answer = await stocked.send("POST", "/v1/reviews", {"productId": "pen"})
    assert (answer.status, answer.problem) == (422, "reference-not-found")
    assert (await stocked.send("GET", "/v1/products/pen")).status == 404


async def test_only_wanted_facts_are_queued(stocked: Service) -> None:
    await stocked.send("PATCH", "/v1/products/pen", {"price": 7})
    assert await stocked.outbox() == []
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await stocked.send("POST", "/v1/reviews", {"productId": "pen"}, {"traceparent": traceparent})
    (event,) = await stocked.outbox()
    fact = json.loads(event.body)
    assert fact["type"] == "reviews.created"
    assert fact["source"] == "/shop/orders"
    assert fact["data"] == answer.json
    assert fact["traceparent"] == traceparent[:-2] + "00"


async def test_the_store_being_down_changes_nothing(stocked: Service) -> None:
    async with outage(stocked.store, "datastore"):
        answer = await stocked.send("PATCH", "/v1/products/pen", {"price": 7})
    assert (answer.status, answer.problem) == (503, "unavailable")
    assert await stocked.stored("products") == [Record(("pen",), PEN, 1000)]


async def test_numbers_read_the_same_from_every_store(service: Service) -> None:
    created = await service.send("POST", "/v1/products", b'{"price":5.0,"name":"Pen","id":"pen"}')
    assert created.body == b'{"id":"pen","name":"Pen","price":5}'
    await service.keep("products", {"price": 5.0, "id": "pen", "name": "Pen"}, version=None)
    fresh = await service.send("GET", "/v1/products/pen", headers={"cache-control": "no-cache"})
    assert fresh.body == created.body


async def test_without_a_queue_prefer_is_ignored() -> None:
    async with open_service(queue=False) as service:
        answer = await service.send("POST", "/v1/products", PEN, {"prefer": "respond-async"})
    assert answer.status == 201
    assert "preference-applied" not in answer.headers


async def test_two_posts_of_one_key_create_once(service: Service) -> None:
    answers = await asyncio.gather(*(service.send("POST", "/v1/products", PEN) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409, 409]


# A commit of unknown outcome.

UNKNOWN = {
    "put": ("PUT", "/v1/products/pen", {"name": "Pencil", "price": 1}, "/v1/products/pen"),
    "patch": ("PATCH", "/v1/products/pen", {"price": 9}, "/v1/products/pen"),
    "delete": ("DELETE", "/v1/products/pen", None, "/v1/products/pen"),
    "create": ("PUT", "/v1/products/ink", {"name": "Ink", "price": 1}, "/v1/products/ink"),
    "written through": ("PATCH", f"/v1/reviews/{KEY}", {"stars": 2}, f"/v1/reviews/{KEY}"),
}
IDEMPOTENCY_KEY = {"idempotency-key": '"k1"'}


async def lose_the_reply() -> None:
    raise Unavailable("datastore", "the reply is lost")


async def kept(service: Service, url: str) -> tuple[int, Any]:
    """What a reader gets who accepts what is cached."""
    answer = await service.send("GET", url)
    return answer.status, answer.json if answer.status == 200 else None


async def with_review(service: Service) -> Service:
    await service.keep("reviews", {"id": KEY, "productId": "pen", "stars": 1})
    return service


@pytest.mark.parametrize("headers", [{}, IDEMPOTENCY_KEY], ids=["without a key", "with a key"])
@pytest.mark.parametrize("case", UNKNOWN.values(), ids=UNKNOWN.keys())
async def test_a_write_whose_reply_is_lost_is_seen_by_the_next_read(
    stocked: Service, case: tuple[str, str, Any, str], headers: dict[str, str]
) -> None:
    await with_review(stocked)
    method, url, body, path = case
    before = await kept(stocked, path)
    stocked.store.faults.after["commit"] = lose_the_reply
    assert (await stocked.send(method, url, body, headers)).status == 503
    after = await kept(stocked, path)
    assert after != before
    assert after == (await fresh(stocked, path))


@pytest.mark.parametrize("case", UNKNOWN.values(), ids=UNKNOWN.keys())
async def test_a_write_that_is_cancelled_after_its_commit_is_seen_by_the_next_read(
    stocked: Service, case: tuple[str, str, Any, str]
) -> None:
    await with_review(stocked)
    method, url, body, path = case
    before = await kept(stocked, path)
    committed = asyncio.Event()

    async def hang() -> None:
        committed.set()
        await asyncio.Event().wait()

    stocked.store.faults.after["commit"] = hang
    writing = asyncio.create_task(stocked.send(method, url, body))
    await committed.wait()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    after = await kept(stocked, path)
    assert after != before
    assert after == (await fresh(stocked, path))


async def fresh(service: Service, url: str) -> tuple[int, Any]:
    """What a reader gets who wants what is stored."""
    answer = await service.send("GET", url, headers={"cache-control": "no-cache"})
    return answer.status, answer.json if answer.status == 200 else None


async def test_a_write_that_was_not_committed_after_all_changes_nothing(stocked: Service) -> None:
    before = await kept(stocked, "/v1/products/pen")
    async with outage(stocked.store, "datastore"):
        assert (await stocked.send("PATCH", "/v1/products/pen", {"price": 9})).status == 503
    for _ in range(2):
        assert await kept(stocked, "/v1/products/pen") == before
    assert (await stocked.send("PATCH", "/v1/products/pen", {"price": 9})).status == 200
    assert (await kept(stocked, "/v1/products/pen"))[1]["price"] == 9


async def test_other_processes_see_a_write_when_the_cache_is_back() -> None:
    async with open_two() as (one, other, _):
        await one.keep("products", PEN)
        await kept(other, "/v1/products/pen")
        async with outage(one.bindings.cache, "cache"):
            assert (await one.send("PATCH", "/v1/products/pen", {"price": 9})).status == 200
            await one.pauses.begun()
        await one.pauses.end()
        assert (await kept(other, "/v1/products/pen"))[1]["price"] == 9
