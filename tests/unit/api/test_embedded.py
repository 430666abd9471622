"""The kernel on the embedded store and queue: what the fakes promise holds there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.sqlite import Database
from fairlead_workload.stores.sqlite import SqliteStore

from .stage import Service, make_service, rebound

PEN = {"id": "pen", "name": "Pen", "price": 2.0}
KEY = {"idempotency-key": "k"}


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Service]:
    database = Database.open(tmp_path)
    service = make_service()
    specs = [resource.spec for resource in service.bindings.resources.values()]
    store = SqliteStore(database, specs, clock=service.clock)
    yield rebound(service, store=store, queue=SqliteQueue(database, clock=service.clock))
    await database.close()


async def test_a_document_lives_and_every_version_has_its_own_etag(embedded: Service) -> None:
    tags = []
    for method, url, body, status in (
        ("POST", "/v1/products", PEN, 201),
        ("PATCH", "/v1/products/pen", {"price": 3}, 200),
        ("DELETE", "/v1/products/pen", None, 204),
        ("PUT", "/v1/products/pen", {"name": "Pen", "price": 3}, 201),
        ("PUT", "/v1/products/pen", {"name": "Pen", "price": 4}, 200),
    ):
        keyed = {"idempotency-key": f"{method}{len(tags)}"}
        answer = await embedded.send(method, url, body, keyed)
        replay = await embedded.send(method, url, body, keyed)
        assert answer.status == replay.status == status
        assert answer.body == replay.body
        tags.append(answer.headers.get("etag"))
        if body is not None:
            got = await embedded.send("GET", "/v1/products/pen")
            assert (got.body, got.headers["etag"]) == (answer.body, answer.headers["etag"])
    assert len(set(tags)) == 5
    assert (await embedded.send("POST", "/v1/products", PEN)).status == 409
    assert (await embedded.send("DELETE", "/v1/products/pen", headers={"if-match": '"1"'})).status == 412


async def test_a_reference_is_checked_in_the_store(embedded: Service) -> None:
    await embedded.send("POST", "/v1/products", PEN)
    assert (await embedded.send("POST", "/v1/reviews", {"productId": "pen"})).status == 201
    assert (await embedded.send("POST", "/v1/reviews", {"productId": "none"})).status == 422


async def test_an_accepted_write_is_queued_once(embedded: Service) -> None:
    await embedded.send("POST", "/v1/products", PEN)
    order = {"customerId": "c1", "productId": "pen", "quantity": 1}
    first = await embedded.send("POST", "/v1/orders", order, KEY)
    again = await embedded.send("POST", "/v1/orders", order, KEY)
    assert first.status == again.status == 202
    assert first.json == again.json
    assert embedded.bindings.queue is not None
    (delivery,) = await embedded.bindings.queue.receive(10, wait_seconds=0)
    assert first.json["id"].encode() in delivery.message.body
    assert (await embedded.send("GET", first.headers["location"])).json["status"] == "Pending"


@pytest.mark.parametrize(
    "url",
    [
        "/v1/products?order=asc",
        "/v1/readings?sensor=0",
        "/v1/readings?sensor=0&order=desc",
        "/v1/readings?sensor=1&at.gt=2026-01-02T00:00:00Z",
        "/v1/readings?valid=true",
        "/v1/readings?grade=1.5",
    ],
)
async def test_pages_follow_one_another(embedded: Service, url: str) -> None:
    for number in range(6):
        reading = {"value": number, "valid": number < 4, "grade": number / 2}
        await embedded.send("PUT", f"/v1/readings/{number % 2}/2026-01-0{number + 1}T00:00:00Z", reading)
        await embedded.send("PUT", f"/v1/products/p{number}", {"name": "Pen", "price": number})
    whole = (await embedded.send("GET", url)).json["items"]
    assert whole
    seen, page = [], f"{url}&limit=1"
    while page:
        answer = await embedded.send("GET", page)
        assert answer.status == 200
        seen += answer.json["items"]
        page = answer.headers.get("link", "").partition(">")[0][1:]
    assert seen == whole
