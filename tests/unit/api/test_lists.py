"""Lists: filters, order, pages."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.model.specs import resource

from fairlead_workload.api.reads.queries import QueryParser
from fairlead_workload.stores.base import Document

from .stage import Service, one_service


def order(number: int) -> Document:
    return {
        "id": f"018f0000-0000-7000-8000-00000000000{number}",
        "customerId": "c1" if number < 5 else "c é&",
        "productId": "pen",
        "quantity": number,
        "createdAt": f"2026-01-0{number // 2 + 1}T00:00:00.000000Z",
    }


def reading(number: int) -> Document:
    return {
        "sensor": number % 2,
        "at": f"2026-01-0{number + 1}T00:00:00.000000Z",
        "valid": number < 3,
        "grade": number / 2,
    }


@pytest.fixture
async def filled(service: Service) -> Service:
    await service.keep("orders", *map(order, range(7)))
    await service.keep("products", *({"id": f"p{number}", "name": "Pen", "price": number} for number in range(7)))
    await service.keep("readings", *map(reading, range(7)))
    return service


@pytest.mark.parametrize(
    ("url", "numbers"),
    [
        ("/v1/orders?customerId=c1", [0, 1, 2, 3, 4]),
        ("/v1/orders?customerId=c1&order=desc", [4, 3, 2, 1, 0]),
        ("/v1/orders?customerId=c1&order=asc&limit=2", [0, 1]),
        ("/v1/orders?customerId=c1&createdAt.gte=2026-01-02T00:00:00Z", [2, 3, 4]),
        ("/v1/orders?customerId=c1&createdAt.gte=2026-01-02T01:00:00%2B01:00", [2, 3, 4]),
        ("/v1/orders?customerId=c1&createdAt.gte=2026-01-02T01:00:00+01:00", [2, 3, 4]),
        ("/v1/orders?customerId=c1&createdAt.gt=2026-01-02T00:00:00Z", [4]),
        ("/v1/orders?customerId=c1&createdAt.lt=2026-01-02T00:00:00Z", [0, 1]),
        ("/v1/orders?customerId=c1&createdAt.gt=2026-01-01T00:00:00Z&createdAt.lte=2026-01-02T00:00:00Z", [2, 3]),
        ("/v1/orders?customerId=c1&createdAt=2026-01-02T00:00:00Z", [2, 3]),
        ("/v1/orders?customerId=c%20%C3%A9%26", [5, 6]),
        ("/v1/orders?customerId=nobody", []),
        ("/v1/orders?id=018f0000-0000-7000-8000-000000000003", [3]),
    ],
)
async def test_what_the_indexes_of_orders_serve(filled: Service, url: str, numbers: list[int]) -> None:
    answer = await filled.send("GET", url)
    assert answer.status == 200
    assert [item["quantity"] for item in answer.json["items"]] == numbers


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("sensor=1", [2, 4, 6]),
        ("sensor=1&at.gt=2026-01-02T00:00:00Z", [4, 6]),
        ("sensor=1&at=2026-01-04T00:00:00Z", [4]),
        ("valid=true", [1, 3, 2]),
        ("valid=false&order=desc&limit=2", [6, 4]),
        ("grade=1", [3]),
        ("grade=1.5", [4]),
        ("grade=15e-1", [4]),
    ],
)
async def test_values_are_typed_by_the_schema(filled: Service, query: str, days: list[int]) -> None:
    answer = await filled.send("GET", f"/v1/readings?{query}")
    assert [int(item["at"][8:10]) for item in answer.json["items"]] == days


@pytest.mark.parametrize(
    "query",
    [
        "",
        "quantity=1",
        "nothing=1",
        "customerId=c1&quantity=1",
        "createdAt=2026-01-01T00:00:00Z",
        "createdAt.gt=2026-01-01T00:00:00Z",
        "customerId.gt=c1",
        "customerId=c1&createdAt.ne=2026-01-01T00:00:00Z",
        "customerId=c1&createdAt.=2026-01-01T00:00:00Z",
        "customerId=c1&customerId=c2",
        "customerId=c1&createdAt.gt=yesterday",
        "customerId=c1&createdAt.gt=2026-01-01",
        "customerId=c1&limit=0",
        "customerId=c1&limit=201",
        "customerId=c1&limit=1.0",
        "customerId=c1&limit=%2B5",
        "customerId=c1&limit=",
        "customerId=c1&order=up",
        "customerId=c1&cursor=",
        "customerId=c1&cursor=abc",
        "customerId=%FF",
        "customerId=a%00",
        "&".join(f"p{n}=1" for n in range(40)),
    ],
)
async def test_other_queries_are_refused_with_the_indexes(filled: Service, query: str) -> None:
    answer = await filled.send("GET", f"/v1/orders?{query}")
    assert (answer.status, answer.problem) == (400, "invalid-query")
    if "cursor" not in query:
        assert {index["name"] for index in answer.json["indexes"]} == {"primary", "byCustomer"}


@pytest.mark.parametrize(
    "query",
    [
        "sensor=1.0",
        "sensor=one",
        "sensor=01",
        "sensor=9223372036854775808",
        "valid=1",
        "valid=True",
        "grade=NaN",
        "grade=1e999",
    ],
)
async def test_values_of_another_type_are_refused(filled: Service, query: str) -> None:
    answer = await filled.send("GET", f"/v1/readings?{query}")
    assert (answer.status, answer.problem) == (400, "invalid-query")
    assert answer.json["errors"][0]["parameter"] == query.partition("=")[0]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(
    "base",
    [
        "/v1/products?",
        "/v1/orders?customerId=c1&",
        "/v1/readings?sensor=0&",
        "/v1/readings?sensor=1&at.gt=2026-01-02T00:00:00Z&",
        "/v1/readings?valid=false&",
        "/v1/readings?valid=true&",
        "/v1/readings?grade=1.5&",
    ],
)
async def test_pages_follow_one_another_without_gap_or_repetition(filled: Service, base: str, order: str) -> None:
    whole = (await filled.send("GET", f"{base}order={order}")).json
    assert whole["next"] is None
    url, seen = f"{base}order={order}&limit=2", []
    while url:
        answer = await filled.send("GET", url)
        assert answer.status == 200
        seen += answer.json["items"]
        link = answer.headers.get("link", "")
        assert bool(link) == (answer.json["next"] is not None)
        url = link.partition(">")[0][1:]
    assert seen == whole["items"]


async def test_a_link_keeps_the_query(filled: Service) -> None:
    answer = await filled.send("GET", "/v1/orders?customerId=c+%C3%A9%26&limit=1")
    link = answer.headers["link"]
    assert link.startswith("</v1/orders?customerId=c+%C3%A9%26&limit=1&cursor=")
    assert link.endswith('>; rel="next"')


async def cursor_of(service: Service, url: str) -> str:
    return str((await service.send("GET", url)).json["next"])


@pytest.mark.parametrize(
    "other",
    [
        "/v1/orders?customerId=c2",
        "/v1/orders?customerId=c1&order=desc",
        "/v1/orders?customerId=c1&createdAt.gt=2026-01-01T00:00:00Z",
        "/v1/orders?id=x",
    ],
)
async def test_a_cursor_belongs_to_its_query(filled: Service, other: str) -> None:
    cursor = await cursor_of(filled, "/v1/orders?customerId=c1&limit=2")
    assert (await filled.send("GET", f"/v1/orders?customerId=c1&limit=1&cursor={cursor}")).status == 200
    answer = await filled.send("GET", f"{other}&cursor={cursor}")
    assert (answer.status, answer.problem) == (400, "invalid-query")


@pytest.mark.parametrize(
    "values",
    [b"[]", b'["x"]', b"[1,2]", b'[null,"x"]', b'[["x"],"x"]', b'["x","y","z"]', b'{"a":1}', b"x", b'["\\u0000","x"]'],
)
async def test_a_cursor_with_other_values_is_refused(filled: Service, values: bytes) -> None:
    cursor = await cursor_of(filled, "/v1/orders?customerId=c1&limit=2")
    mark = urlsafe_b64decode(cursor + "==")[:8]
    forged = urlsafe_b64encode(mark + values).rstrip(b"=").decode()
    assert (await filled.send("GET", f"/v1/orders?customerId=c1&cursor={forged}")).status == 400


@one_service
@given(position=st.integers(0, 200), replacement=st.characters(max_codepoint=0x7E, min_codepoint=0x21))
async def test_a_tampered_cursor_is_never_a_server_error(filled: Service, position: int, replacement: str) -> None:
    cursor = await cursor_of(filled, "/v1/orders?customerId=c1&limit=2")
    position %= len(cursor)
    tampered = cursor[:position] + replacement + cursor[position + 1 :]
    for character in "%&+#":
        tampered = tampered.replace(character, f"%{ord(character):02X}")
    answer = await filled.send("GET", f"/v1/orders?customerId=c1&cursor={tampered}")
    assert answer.status in (200, 400)


@one_service
@given(query=st.text(st.characters(max_codepoint=0xFF), max_size=80))
async def test_no_query_is_a_server_error(filled: Service, query: str) -> None:
    answer: Any = await filled.send("GET", f"/v1/readings?{query.replace('?', '')}")
    assert answer.status in (200, 400)


@pytest.mark.parametrize(("names", "found"), [(["plain", "sorted"], "plain"), (["sorted", "plain"], "sorted")])
@pytest.mark.parametrize("query", [b"customer=x", b"customer=x&due.gt=2026-01-31T09:05:00Z"])
def test_of_several_indexes_the_first_that_serves_is_used(names: list[str], found: str, query: bytes) -> None:
    indexes = {
        "plain": {"name": "plain", "partition": "customer"},
        "sorted": {"name": "sorted", "partition": "customer", "sort": "due"},
    }
    index = QueryParser(resource(indexes=[indexes[name] for name in names])).parse(query).index
    assert index is not None
    assert index.name == ("sorted" if b"due" in query else found)
