"""GET of one document, through the ASGI interface."""

import pytest

from .stage import Service, outage

PEN = {"id": "pen", "name": "Pen", "price": 2.5}


@pytest.fixture
async def stocked(service: Service) -> Service:
    await service.keep("products", PEN)
    return service


async def test_a_document_comes_with_its_etag_and_how_it_was_found(stocked: Service) -> None:
    answer = await stocked.send("GET", "/v1/products/pen")
    assert (answer.status, answer.json) == (200, PEN)
    assert answer.headers["etag"] == '"1000"'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["cache-status"] == "fairlead; fwd=uri-miss; stored"
    assert answer.headers["age"] == "0"


async def test_the_second_get_is_a_hit_that_grows_older(stocked: Service) -> None:
    await stocked.send("GET", "/v1/products/pen")
    stocked.clock.now += 7
    answer = await stocked.send("GET", "/v1/products/pen")
    assert answer.headers["cache-status"] == "fairlead; hit; ttl=53"
    assert answer.headers["age"] == "7"
    assert len(stocked.store.reads) == 1


async def test_exactly_two_messages_are_sent(stocked: Service) -> None:
    for url in ("/v1/products/pen", "/v1/products/pen", "/v1/products/none", "/nowhere"):
        answer = await stocked.send("GET", url)
        assert [message["type"] for message in answer.messages] == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize("warm", [False, True])
async def test_head_is_get_without_the_body(stocked: Service, warm: bool) -> None:
    if warm:
        await stocked.send("GET", "/v1/products/pen")
    head = await stocked.send("HEAD", "/v1/products/pen")
    get = await stocked.send("GET", "/v1/products/pen")
    different = {"cache-status", "x-request-id"}
    assert head.body == b""
    assert head.status == get.status
    assert {k: v for k, v in head.headers.items() if k not in different} == {
        k: v for k, v in get.headers.items() if k not in different
    }


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ('"1000"', 304),
        ('W/"1000"', 304),
        ('"1", "1000"', 304),
        ('"1",W/"1000" , "3"', 304),
        ("*", 304),
        ('"1"', 200),
        ('"10000"', 200),
        ("1000", 200),
        ('"1', 200),
        ("", 200),
    ],
)
async def test_if_none_match(stocked: Service, field: str, status: int) -> None:
    for _ in range(2):  # a miss, then a hit
        answer = await stocked.send("GET", "/v1/products/pen", headers={"if-none-match": field})
        assert answer.status == status
        assert answer.headers["etag"] == '"1000"'
        if status == 304:
            assert answer.body == b""
            assert "content-length" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-match": '"1000"'}, 200),
        ({"if-match": '"1", "1000"'}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": '"1"'}, 412),
        ({"if-match": 'W/"1000"'}, 412),
        ({"if-match": '"abc"'}, 412),
        ({"if-match": "1000"}, 400),
        ({"if-match": ""}, 400),
        ({"if-match": '"1000"', "if-none-match": '"1000"'}, 304),
        ({"if-match": '"1"', "if-none-match": '"1000"'}, 412),
        ({"if-match": '"1"', "if-none-match": '"1"'}, 412),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_if_match(stocked: Service, method: str, headers: dict[str, str], status: int) -> None:
    for _ in range(2):
        assert (await stocked.send(method, "/v1/products/pen", headers=headers)).status == status


async def test_if_match_is_compared_with_what_is_stored(stocked: Service) -> None:
    await stocked.send("GET", "/v1/products/pen")
    await stocked.keep("products", {**PEN, "price": 3}, version=1001)
    assert (await stocked.send("GET", "/v1/products/pen", headers={"if-match": '"1000"'})).status == 412
    fresh = await stocked.send("GET", "/v1/products/pen", headers={"if-match": '"1001"'})
    assert (fresh.status, fresh.json["price"]) == (200, 3)
    assert stocked.store.reads[-2:] == [("products", ("pen",), True)] * 2


@pytest.mark.parametrize("field", ["*", '"1"'])
async def test_a_condition_on_an_absent_document_is_404(service: Service, field: str) -> None:
    for name in ("if-match", "if-none-match"):
        assert (await service.send("GET", "/v1/products/none", headers={name: field})).status == 404


@pytest.mark.parametrize(("field", "status"), [("*", 200), ('"1"', 412), ("1", 400)])
async def test_if_match_where_there_is_no_etag(service: Service, field: str, status: int) -> None:
    accepted = await service.send("DELETE", "/v1/orders/018f2f6a-7c4b-7000-8000-000000000000")
    for url in ("/v1/products", accepted.headers["location"]):
        assert (await service.send("GET", url, headers={"if-match": field})).status == status


async def test_no_cache_asks_the_store_again(stocked: Service) -> None:
    await stocked.send("GET", "/v1/products/pen")
    await stocked.keep("products", {**PEN, "price": 3}, version=1001)
    assert (await stocked.send("GET", "/v1/products/pen")).headers["etag"] == '"1000"'
    fresh = await stocked.send("GET", "/v1/products/pen", headers={"cache-control": "no-cache"})
    assert fresh.headers["etag"] == '"1001"'
    assert fresh.headers["cache-status"].startswith("fairlead; fwd=request")
    assert (await stocked.send("GET", "/v1/products/pen")).headers["etag"] == '"1001"'


async def test_strong_reads_never_use_the_cache(service: Service) -> None:
    await service.keep("ledger", {"id": "a", "sum": 1})
    for _ in range(2):
        answer = await service.send("GET", "/v1/ledger/a")
        assert answer.headers["cache-status"] == "fairlead; fwd=bypass"
    assert service.store.reads == [("ledger", ("a",), True)] * 2


async def test_an_absent_document_is_a_problem_that_is_cached_briefly(service: Service) -> None:
    first = await service.send("GET", "/v1/products/none")
    second = await service.send("GET", "/v1/products/none")
    assert (first.status, first.problem) == (404, "not-found")
    assert first.json["instance"] == "/v1/products/none"
    assert first.json["requestId"] == first.headers["x-request-id"]
    assert first.headers["cache-control"] == "no-store"
    assert second.headers["cache-status"].startswith("fairlead; hit")
    assert len(service.store.reads) == 1


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("APPLICATION/JSON", 200),
        ("text/html, application/*;q=0.2", 200),
        ("text/html,*/*;q=0.1", 200),
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("application/json;q=0, */*", 406),
        ("*/*;q=0", 406),
        ("", 200),
    ],
)
async def test_accept(stocked: Service, accept: str, status: int) -> None:
    for _ in range(2):
        assert (await stocked.send("GET", "/v1/products/pen", headers={"accept": accept})).status == status


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("/v1/products/a%2Fb", "a/b"),
        ("/v1/products/a%20b", "a b"),
        ("/v1/products/caf%C3%A9", "café"),
        ("/v1/products/%70en", "pen"),
        ("/v1/%70roducts/pen", "pen"),
        ("/v1/products/a%252Fb", "a%2Fb"),
        ("/v1/products/a+b", "a+b"),
        ("/v1/products/~tilde", "~tilde"),
    ],
)
async def test_a_key_is_decoded_once(service: Service, url: str, key: str) -> None:
    await service.keep("products", {**PEN, "id": key})
    for _ in range(2):
        answer = await service.send("GET", url)
        assert (answer.status, answer.json["id"]) == (200, key)
    assert len(service.store.reads) == 1  # however it is spelled, it is one entry of the cache


async def test_a_server_without_raw_path_is_served_too(stocked: Service) -> None:
    answer = await stocked.send("GET", "/v1/products/pen", scope={"raw_path": None})
    assert answer.status == 200


@pytest.mark.parametrize(
    ("url", "status", "problem"),
    [
        ("/v1/products/", 404, "not-found"),
        ("/v1/products/pen/", 404, "not-found"),
        ("/v1/products//pen", 404, "not-found"),
        ("/v1/nothing", 404, "not-found"),
        ("/v2/products/pen", 404, "not-found"),
        ("/v1", 404, "not-found"),
        ("/", 404, "not-found"),
        ("*", 404, "not-found"),
        ("/v1/readings/1", 404, "not-found"),
        ("/v1/products/%00", 400, "invalid-key"),
        ("/v1/products/%FF", 400, "invalid-key"),
        ("/v1/products/%zz", 400, "invalid-key"),
        ("/v1/products/100%", 400, "invalid-key"),
        ("/v1/products/..", 400, "invalid-key"),
        ("/v1/products/" + "a" * 256, 400, "invalid-key"),
        ("/v1/readings/1/2026-01-01T00:00:00Z", 404, "not-found"),
        ("/v1/readings/01/2026-01-01T00:00:00Z", 400, "invalid-key"),
        ("/v1/readings/9223372036854775808/2026-01-01T00:00:00Z", 400, "invalid-key"),
        ("/v1/readings/1/yesterday", 400, "invalid-key"),
    ],
)
async def test_urls_without_a_document(service: Service, url: str, status: int, problem: str) -> None:
    answer = await service.send("GET", url)
    assert (answer.status, answer.problem) == (status, problem)


async def test_a_date_time_in_a_key_is_one_instant_however_it_is_written(service: Service) -> None:
    await service.keep("readings", {"sensor": 1, "at": "2026-01-01T00:00:00.000000Z", "value": 2})
    for at in ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00%2B01:00", "2026-01-01T00:00:00.000000Z"):
        assert (await service.send("GET", f"/v1/readings/1/{at}")).status == 200


async def test_a_store_that_is_down_is_a_503_and_cached_documents_are_served(stocked: Service) -> None:
    await stocked.send("GET", "/v1/products/pen")
    async with outage(stocked.store, "datastore"):
        assert (await stocked.send("GET", "/v1/products/pen")).status == 200
        answer = await stocked.send("GET", "/v1/products/other")
        assert (answer.status, answer.problem) == (503, "unavailable")
        assert answer.json["dependency"] == "datastore"
        assert "refused" not in answer.body.decode()
        assert "retry-after" in answer.headers
