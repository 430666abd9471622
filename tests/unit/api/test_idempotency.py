"""Idempotency-Key on every kind of write."""

import asyncio
import dataclasses
from functools import partial

import msgspec
import pytest
from msgspec import structs
from tests.embedded import open_database

from fairlead_contract.runtime import derive
from fairlead_workload.api.messages.request import Request
from fairlead_workload.api.messages.responses import Response
from fairlead_workload.api.writes.idempotency import Claim, IdempotencyKeys, parse_key
from fairlead_workload.errors import Problem, Refused, Unavailable
from fairlead_workload.queues.base import Message
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.stores.base import Committed, Expect, RecordWrite, Unit
from fairlead_workload.stores.sqlite import SqliteStore

from .stage import Answer, Clock, FaultyQueue, FaultyStore, Service, make_service, outage, specification

PEN = {"id": "pen", "name": "Pen", "price": 2.5}
ORDER = {"customerId": "c1", "productId": "pen", "quantity": 2}
KEY = {"idempotency-key": '"k1"'}


@pytest.fixture
async def stocked(service: Service) -> Service:
    await service.keep("products", PEN)
    return service


async def die(service: Service) -> None:
    """From now on the process does nothing more to the store."""
    service.store.faults.error = RuntimeError("killed")


async def everything(service: Service) -> tuple[object, ...]:
    """What is stored and queued."""
    return await service.documents(), await service.outbox(), await service.queue.messages()


@pytest.mark.parametrize(
    ("method", "url", "body", "status"),
    [
        ("POST", "/v1/reviews", {"productId": "pen"}, 201),
        ("PUT", "/v1/products/new", {"name": "New", "price": 1}, 201),
        ("PATCH", "/v1/products/pen", {"price": 7}, 200),
        ("DELETE", "/v1/products/pen", None, 204),
        ("POST", "/v1/orders", ORDER, 202),
        ("PUT", "/v1/carts/a", {"items": 1}, 201),
    ],
)
async def test_a_repetition_is_answered_alike_and_does_nothing(
    stocked: Service, method: str, url: str, body: object, status: int
) -> None:
    first = await stocked.send(method, url, body, KEY)
    state = await everything(stocked)
    stocked.clock.now += 3600
    second = await stocked.send(method, url, body, KEY)
    assert first.status == second.status == status
    assert first.body == second.body
    own = {"x-request-id", "idempotency-replayed"}
    assert {k: v for k, v in first.headers.items() if k not in own} == {
        k: v for k, v in second.headers.items() if k not in own
    }
    assert second.headers["idempotency-replayed"] == "true"
    assert await everything(stocked) == state


async def test_the_replayed_etag_is_the_stored_one(stocked: Service) -> None:
    await stocked.send("POST", "/v1/reviews", {"productId": "pen"}, KEY)
    replay = await stocked.send("POST", "/v1/reviews", {"productId": "pen"}, KEY)
    got = await stocked.send("GET", replay.headers["location"])
    assert got.headers["etag"] == replay.headers["etag"]


async def test_a_process_killed_after_the_first_commit_has_stored_record_document_and_event(stocked: Service) -> None:
    stocked.store.faults.after["commit"] = partial(die, stocked)
    await stocked.send("POST", "/v1/reviews", {"productId": "pen"}, KEY)
    stocked.store.faults.error = None
    replay = await stocked.send("POST", "/v1/reviews", {"productId": "pen"}, KEY)
    assert (replay.status, replay.headers["idempotency-replayed"]) == (201, "true")
    assert [record.document for record in await stocked.stored("reviews")] == [replay.json]
    assert len(await stocked.outbox()) == 1


async def test_a_create_above_a_tombstone_keeps_its_promise(stocked: Service) -> None:
    tombstone = int(stocked.clock.now * 1_000_000) + 50
    await stocked.remove("products", "new", version=tombstone)
    for _ in range(2):
        answer = await stocked.send("PUT", "/v1/products/new", {"name": "New", "price": 1}, KEY)
        assert answer.headers["etag"] == f'"{tombstone + 1}"'


@pytest.mark.parametrize("url", ["/v1/reviews", "/v1/orders"])
async def test_another_request_under_the_key_is_422(stocked: Service, url: str) -> None:
    body = dict(ORDER) if url.endswith("orders") else {"productId": "pen"}
    await stocked.send("POST", url, body, KEY)
    changed = {**body, "quantity": 3} if url.endswith("orders") else {**body, "stars": 1}
    answer = await stocked.send("POST", url, changed, KEY)
    assert (answer.status, answer.problem) == (422, "idempotency-mismatch")


async def test_a_key_belongs_to_method_and_path(stocked: Service) -> None:
    await stocked.send("PATCH", "/v1/products/pen", {"price": 7}, KEY)
    assert (await stocked.send("DELETE", "/v1/products/pen", headers=KEY)).status == 204
    assert (await stocked.send("POST", "/v1/reviews", {"productId": "pen"}, KEY)).status == 422


@pytest.mark.parametrize("url", ["/v1/reviews", "/v1/orders"])
async def test_simultaneous_repetitions_happen_once(stocked: Service, url: str) -> None:
    body = ORDER if url.endswith("orders") else {"productId": "pen"}
    answers = await asyncio.gather(*(stocked.send("POST", url, body, KEY) for _ in range(8)))
    good = {answer.body for answer in answers if answer.status in (201, 202)}
    assert len(good) == 1
    assert {answer.status for answer in answers} <= {201, 202, 409}
    assert len(await stocked.stored("reviews")) + len(await stocked.queue.events()) == 1


async def test_a_crash_after_publishing_is_taken_over_with_the_same_ids(stocked: Service) -> None:
    stocked.queue.faults.after["publish"] = partial(die, stocked)
    assert (await stocked.send("POST", "/v1/orders", ORDER, KEY)).status == 500
    stocked.store.faults.error = None
    early = await stocked.send("POST", "/v1/orders", ORDER, KEY)
    assert (early.status, early.problem) == (409, "idempotency-in-progress")
    stocked.clock.now += 61
    late = await stocked.send("POST", "/v1/orders", ORDER, KEY)
    (event,) = await stocked.queue.events()
    assert late.status == 202
    assert late.json["id"] == event["data"]["operation"]
    assert (await stocked.send("POST", "/v1/orders", ORDER, KEY)).body == late.body
    assert await stocked.queue.events() == [event]


CART = ("PUT", "/v1/carts/a", {"items": 1})


@pytest.mark.parametrize(("method", "url", "body"), [("POST", "/v1/orders", ORDER), CART])
async def test_a_restarted_server_takes_over_at_once(method: str, url: str, body: object) -> None:
    document, clock = derive(specification()), Clock()
    async with open_database() as database:

        def start() -> Service:
            store = FaultyStore(SqliteStore(database, document.api.resources, clock=clock))
            return make_service(document, store, FaultyQueue(SqliteQueue(database, clock=clock)), clock)

        killed = start()
        await killed.keep("products", PEN)
        killed.queue.faults.after["publish"] = partial(die, killed)
        assert (await killed.send(method, url, body, KEY)).status == 500
        restarted = start()
        answer = await restarted.send(method, url, body, KEY)
        assert answer.status < 300
        assert len(await restarted.queue.messages()) == 1
        assert (await restarted.send(method, url, body, KEY)).body == answer.body
        for service in (killed, restarted):
            await service.close()


@pytest.mark.parametrize(("seconds", "status"), [(10, 409), (29, 409), (31, 202)])
async def test_another_server_takes_over_when_the_lease_of_the_holder_has_run_out(
    stocked: Service, seconds: float, status: int
) -> None:
    other = make_service(stocked.bindings.document, FaultyStore(stocked.store.inner), stocked.queue, stocked.clock)
    stocked.queue.faults.after["publish"] = partial(die, stocked)
    assert (await stocked.send("POST", "/v1/orders", ORDER, KEY)).status == 500
    stocked.clock.now += seconds
    assert (await other.send("POST", "/v1/orders", ORDER, KEY)).status == status
    assert len(await stocked.queue.messages()) == 1
    await other.close()


async def test_a_holder_that_lives_on_is_waited_for_a_minute_at_most(stocked: Service) -> None:
    stocked.queue.faults.after["publish"] = partial(die, stocked)
    assert (await stocked.send("POST", "/v1/orders", ORDER, KEY)).status == 500
    stocked.store.faults.error = None
    statuses = []
    for number in range(7):
        stocked.clock.now += 9
        assert (await stocked.send("POST", "/v1/orders", ORDER, {"idempotency-key": f"{number}"})).status == 202
        statuses.append((await stocked.send("POST", "/v1/orders", ORDER, KEY)).status)
    assert statuses == [409] * 6 + [202]


async def test_a_clock_that_was_set_back_prolongs_no_hold(stocked: Service) -> None:
    stocked.queue.faults.after["publish"] = partial(die, stocked)
    assert (await stocked.send("POST", "/v1/orders", ORDER, KEY)).status == 500
    stocked.store.faults.error = None
    stocked.clock.now -= 3600
    assert (await stocked.send("POST", "/v1/orders", ORDER, KEY)).status == 202


async def test_a_failed_publish_can_be_repeated_at_once_with_the_same_ids(stocked: Service) -> None:
    async with outage(stocked.queue, "queue"):
        assert (await stocked.send("POST", "/v1/orders", ORDER, KEY)).status == 503
    answer = await stocked.send("POST", "/v1/orders", ORDER, KEY)
    assert answer.status == 202
    assert [event["data"]["operation"] for event in await stocked.queue.events()] == [answer.json["id"]]


async def test_a_store_that_fails_after_publishing_still_gives_the_202(stocked: Service) -> None:
    async def lose_the_store() -> None:
        stocked.store.faults.error = Unavailable("datastore", "gone")

    stocked.queue.faults.after["publish"] = lose_the_store
    assert (await stocked.send("POST", "/v1/orders", ORDER, KEY)).status == 202


async def test_the_store_being_down_is_503_for_keyed_requests_only(stocked: Service) -> None:
    await stocked.send("GET", "/v1/products/pen")
    async with outage(stocked.store, "datastore"):
        assert (await stocked.send("POST", "/v1/orders", ORDER, KEY)).status == 503
        assert (await stocked.send("POST", "/v1/orders", ORDER)).status == 202
    assert len(await stocked.queue.messages()) == 1


@pytest.mark.parametrize("error", [None, Unavailable("queue", "down"), Refused("queue", "too large")])
async def test_a_holder_that_was_taken_over_changes_nothing_any_more(stocked: Service, error: Exception | None) -> None:
    other = make_service(
        stocked.bindings.document,
        FaultyStore(stocked.store.inner),
        FaultyQueue(stocked.queue.inner),
        stocked.clock,
    )
    answers = []

    async def be_taken_over() -> None:
        stocked.clock.now += 61
        answers.append(await other.send("POST", "/v1/orders", ORDER, KEY))
        if error is not None:
            raise error

    stocked.queue.faults.before["publish"] = be_taken_over
    slow = await stocked.send("POST", "/v1/orders", ORDER, KEY)
    assert slow.status == (202 if error is None else 503 if isinstance(error, Unavailable) else 500)
    assert answers[0].status == 202
    replay = await other.send("POST", "/v1/orders", ORDER, KEY)
    assert (replay.body, replay.headers["idempotency-replayed"]) == (answers[0].body, "true")
    assert len(await stocked.queue.messages()) == 1
    await other.close()


class RememberingStore(FaultyStore):
    """Notes the records that are written."""

    def __init__(self, inner: SqliteStore) -> None:
        super().__init__(inner)
        self.written: list[RecordWrite] = []

    async def commit(self, unit: Unit) -> Committed:
        self.written += unit.records
        return await super().commit(unit)


MESSAGE = Message("m1", "orders/a", b"{}", {"ce_id": "m1", "content-type": "application/json"})


async def take_over(service: Service, store: RememberingStore, *, former: bool) -> Message | None:
    """Reserve a key with a message and die; what another request finds that takes over.

    `former`: the record is as it was written before it had the headers of the message.
    """
    keys = IdempotencyKeys(store, service.clock)
    resumed: list[Message | None] = []

    async def reserve(claim: Claim) -> Response:
        await keys.reserve(claim, MESSAGE, Response(202, []))
        raise ConnectionError("killed")

    async def resume(claim: Claim) -> Response:
        resumed.append(claim.message)
        return Response(202, [])

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "http_version": "1.0",
    }
    request = Request({**scope, "headers": [(b"idempotency-key", b"k1")]}, None)  # type: ignore[arg-type]
    with pytest.raises(ConnectionError):
        await keys.run_once(request, b"", reserve, resume)
    if former:
        record = store.written[0]
        value = msgspec.msgpack.encode(msgspec.msgpack.decode(record.value)[:8])
        await store.inner.commit(Unit(records=(structs.replace(record, value=value, expect=Expect.ANY),)))
    service.clock.now += 61
    await keys.run_once(request, b"", reserve, resume)
    return resumed[0]


async def test_a_message_that_is_taken_over_keeps_its_headers(stocked: Service) -> None:
    assert await take_over(stocked, RememberingStore(stocked.store.inner), former=False) == MESSAGE


async def test_a_record_without_the_headers_of_its_message_is_read(stocked: Service) -> None:
    taken = await take_over(stocked, RememberingStore(stocked.store.inner), former=True)
    assert taken == dataclasses.replace(MESSAGE, headers={})


INK = {"id": "ink", "name": "Ink", "price": 1}


@pytest.mark.parametrize(
    ("method", "url", "body", "headers", "refused", "change", "then"),
    [
        ("POST", "/v1/reviews", {"productId": "ink"}, {}, 422, ("PUT", "/v1/products/ink", INK), 201),
        ("PUT", "/v1/reviews/018f0000-0000-7000-8000-000000000000", {"productId": "ink"}, {}, 422,
         ("PUT", "/v1/products/ink", INK), 201),
        ("POST", "/v1/orders", {**ORDER, "productId": "ink"}, {}, 422, ("PUT", "/v1/products/ink", INK), 202),
        ("PATCH", "/v1/products/ink", {"price": 7}, {}, 404, ("PUT", "/v1/products/ink", INK), 200),
        ("DELETE", "/v1/products/ink", None, {}, 404, ("PUT", "/v1/products/ink", INK), 204),
        ("PATCH", "/v1/carts/a", {"items": 7}, {}, 404, ("PUT", "/v1/carts/a", {"items": 1}), 200),
        ("PUT", "/v1/products/ink", INK, {"if-match": "*"}, 412, ("PUT", "/v1/products/ink", INK), 200),
        ("PUT", "/v1/products/pen", PEN, {"if-none-match": "*"}, 412, ("DELETE", "/v1/products/pen", None), 201),
        ("PUT", "/v1/products/ink", INK, {"if-match": "*", "prefer": "respond-async"}, 412,
         ("PUT", "/v1/products/ink", INK), 202),
        ("POST", "/v1/products", PEN, {}, 409, ("DELETE", "/v1/products/pen", None), 201),
    ],
)  # fmt: skip
async def test_what_the_state_refused_is_decided_again(
    stocked: Service, method: str, url: str, body: object, headers: dict[str, str], refused: int,
    change: tuple[str, str, object], then: int,
) -> None:  # fmt: skip
    for _ in range(2):
        answer = await stocked.send(method, url, body, KEY | headers)
        assert answer.status == refused
        assert "idempotency-replayed" not in answer.headers
    assert (await stocked.send(*change)).status < 300
    assert [(await stocked.send(method, url, body, KEY | headers)).status for _ in range(2)] == [then, then]


@pytest.mark.parametrize(
    ("method", "url", "body", "headers", "problem"),
    [
        ("POST", "/v1/reviews", b"{", {}, "malformed-json"),
        ("POST", "/v1/reviews", b"{}", {"content-type": "text/plain"}, "unsupported-media-type"),
        ("POST", "/v1/reviews", {"stars": 1}, {}, "invalid-document"),
        ("POST", "/v1/orders", {"quantity": 0}, {}, "invalid-document"),
        ("PATCH", "/v1/products/pen", {"price": "much"}, {}, "invalid-document"),
        ("PUT", "/v1/products/pen", PEN, {"if-match": "1"}, "bad-request"),
        ("PUT", "/v1/carts/a", {"items": 1}, {"if-match": "*"}, "condition-not-supported"),
    ],
)
async def test_what_the_request_alone_decides_is_refused_alike(
    stocked: Service, method: str, url: str, body: object, headers: dict[str, str], problem: str
) -> None:
    def without_request_id(answer: Answer) -> dict[str, object]:
        return {name: value for name, value in answer.json.items() if name != "requestId"}

    answers = [await stocked.send(method, url, body, KEY | headers) for _ in range(2)]
    assert [answer.problem for answer in answers] == [problem, problem]
    assert without_request_id(answers[0]) == without_request_id(answers[1])


async def test_a_refused_request_leaves_its_key_to_the_corrected_one(stocked: Service) -> None:
    assert (await stocked.send("POST", "/v1/reviews", {"productId": "ink"}, KEY)).status == 422
    assert (await stocked.send("POST", "/v1/reviews", {"productId": "pen"}, KEY)).status == 201
    assert (await stocked.send("POST", "/v1/reviews", {"productId": "ink"}, KEY)).problem == "idempotency-mismatch"


async def test_a_record_is_kept_for_a_day(stocked: Service) -> None:
    first = await stocked.send("POST", "/v1/orders", ORDER, KEY)
    stocked.clock.now += 24 * 3600 + 1
    second = await stocked.send("POST", "/v1/orders", ORDER, KEY)
    assert first.json["id"] != second.json["id"]


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ('"8e03978e"', "8e03978e"),
        ("8e03978e", "8e03978e"),
        ('"a b"', "a b"),
        ('"a\\"b\\\\c"', 'a"b\\c'),
        ("a" * 255, "a" * 255),
        ("a" * 256, None),
        ('"' + "a" * 256 + '"', None),
        ('""', None),
        ("", None),
        ('"a', None),
        ('"a";x=1', None),
        ("a b", None),
        ('"a\\x"', None),
        ("a\x7f", None),
        ("ä", None),
    ],
)
def test_how_a_key_reads(field: str, key: str | None) -> None:
    if key is None:
        with pytest.raises(Problem) as caught:
            parse_key(field)
        assert caught.value.status == 400
    else:
        assert parse_key(field) == key
