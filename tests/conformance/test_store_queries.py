"""What every store promises of queries (`stores/base.py`): ranges, orders, pages, and who is in an index."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from fairlead_contract.spec.api import Resource
from fairlead_workload.errors import Refused
from fairlead_workload.stores.base import Mutation, Query, Range, Scalar, Store, Unit

from .store_capabilities import STORES, Clock, open_row, params

ORDERS = Resource.model_validate(
    {
        "name": "orders",
        "key": {"partition": "id"},
        "indexes": [
            {"name": "byCustomer", "partition": "customer", "sort": "at"},
            {"name": "byPrice", "partition": "customer", "sort": "price"},
            {"name": "byQuantity", "partition": "paid", "sort": "quantity"},
            {"name": "bycustomer", "partition": "customer"},
        ],
        "schema": {
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "customer": {"type": "string"},
                "at": {"type": "string"},
                "price": {"type": "number"},
                "quantity": {"type": "integer"},
                "paid": {"type": "boolean"},
            },
        },
    }
)
READINGS = Resource.model_validate(
    {
        "name": "sensor-readings",
        "key": {"partition": "sensor", "sort": "at"},
        "indexes": [{"name": "byUnit", "partition": "unit", "sort": "at"}],
        "schema": {
            "type": "object",
            "properties": {
                "sensor": {"type": "string"},
                "at": {"type": "integer"},
                "unit": {"type": ["string", "null"]},
            },
        },
    }
)


@pytest.fixture(params=params(STORES))
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    async with open_row(request, request.param, [ORDERS, READINGS], Clock()) as store:
        yield store


async def put(store: Store, *documents: dict[str, Any]) -> None:
    await store.commit(Unit(tuple(Mutation("orders", (one["id"],), one) for one in documents)))


async def read(store: Store, *, at: int, sensor: str = "s", unit: str | None = "C") -> None:
    document = {"sensor": sensor, "at": at, "unit": unit}
    await store.commit(Unit((Mutation("sensor-readings", (sensor, at), document),)))


async def ids(store: Store, query: Query) -> list[str]:
    page = await store.query("orders", query)
    assert page.next is None
    return [record.document["id"] for record in page.records]


def select(index: str | None, partition: Scalar | None, *, descending: bool = False, **bounds: Scalar) -> Query:
    return Query(index, partition, Range(**bounds) if bounds else None, descending=descending)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, "abcde"),
        ({"gt": "2"}, "cde"), ({"gte": "2"}, "bcde"), ({"lt": "3"}, "ab"), ({"lte": "3"}, "abcd"),
        ({"eq": "3"}, "cd"), ({"gt": "1", "lt": "4"}, "bcd"), ({"gte": "2", "lte": "2"}, "b"),
        ({"gt": "4"}, ""), ({"eq": "33"}, ""), ({"gt": "3", "lt": "2"}, ""), ({"lt": "10"}, "a"),
    ],
)  # fmt: skip
async def test_ranges_over_text(store: Store, bounds: dict[str, Scalar], expected: str) -> None:
    times = {"a": "1", "b": "2", "c": "3", "d": "3", "e": "4"}
    await put(
        store, *({"id": id_, "customer": "x", "at": at} for id_, at in times.items()), {"id": "z", "customer": "y"}
    )
    assert await ids(store, select("byCustomer", "x", **bounds)) == list(expected)
    assert await ids(store, select("byCustomer", "x", descending=True, **bounds)) == list(reversed(expected))


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, "abcde"),
        ({"gt": 2}, "de"), ({"gt": 1.5}, "bcde"), ({"gte": 2.0}, "bcde"), ({"lt": 10}, "abcd"), ({"eq": 2}, "bc"),
        ({"eq": 10.0}, "e"), ({"lt": 10**30}, "abcde"), ({"gt": -(10**30)}, "abcde"), ({"gt": 10**30}, ""),
        ({"eq": "2"}, ""), ({"gt": "2"}, ""),
    ],
)  # fmt: skip
async def test_ranges_over_numbers_compare_by_value(store: Store, bounds: dict[str, Scalar], expected: str) -> None:
    prices = {"a": -1.5, "b": 2, "c": 2.0, "d": 9.99, "e": 10}
    await put(store, *({"id": id_, "customer": "x", "price": price} for id_, price in prices.items()))
    assert await ids(store, select("byPrice", "x", **bounds)) == list(expected)


async def test_integers_and_booleans_as_properties_of_an_index(store: Store) -> None:
    await put(store, *({"id": str(n), "paid": n % 2 == 0, "quantity": 10 - n} for n in range(4)))
    await put(store, {"id": "float", "paid": True, "quantity": 9.0}, {"id": "text", "paid": True, "quantity": "9"})
    assert await ids(store, select("byQuantity", True)) == ["2", "float", "0"]
    assert await ids(store, select("byQuantity", False, gte=8.5)) == ["1"]
    assert await ids(store, select("byQuantity", 1)) == []
    assert await ids(store, select("byQuantity", "true")) == []


async def test_text_is_ordered_by_bytes(store: Store) -> None:
    texts = ["", "A", "Z", "a", "a!", "aa", "b", "\u00e4", "\ufffd", "\U0001f680"]
    await put(store, *({"id": f"{n}", "customer": "x", "at": text} for n, text in enumerate(texts)))
    assert await ids(store, select("byCustomer", "x")) == [str(n) for n in range(len(texts))]


async def test_a_document_without_the_properties_of_an_index_is_absent_from_it(store: Store) -> None:
    await put(
        store,
        {"id": "both", "customer": "x", "at": "1"},
        {"id": "partition only", "customer": "x"},
        {"id": "sort only", "at": "1"},
        {"id": "null", "customer": "x", "at": None},
        {"id": "other type", "customer": "x", "at": 1},
    )
    assert await ids(store, select("byCustomer", "x")) == ["both"]
    assert await ids(store, select("bycustomer", "x")) == ["both", "null", "other type", "partition only"]


async def test_an_index_follows_updates_and_deletes(store: Store) -> None:
    await put(store, {"id": "a", "customer": "x", "at": "1"}, {"id": "b", "customer": "x", "at": "2"})
    await put(store, {"id": "a", "customer": "y", "at": "1"})
    await store.commit(Unit((Mutation("orders", ("b",), None),)))
    assert await ids(store, select("byCustomer", "x")) == []
    assert await ids(store, select("byCustomer", "y")) == ["a"]
    assert await ids(store, Query()) == ["a"]


async def test_the_primary_key_counts_as_an_index(store: Store) -> None:
    await put(store, {"id": "b"}, {"id": "a"})
    assert await ids(store, Query(partition="a")) == ["a"]
    assert await ids(store, Query(partition="c")) == []
    assert await ids(store, Query()) == ["a", "b"]
    assert await ids(store, Query(descending=True)) == ["b", "a"]


async def test_a_partition_is_ordered_and_bounded_by_its_sort_key(store: Store) -> None:
    for at in (10, 9, -1, 100):
        await read(store, at=at)
    await read(store, sensor="t", at=50)
    page = await store.query("sensor-readings", Query(partition="s", sort=Range(gt=-1, lte=100), limit=2))
    assert [record.key for record in page.records] == [("s", 9), ("s", 10)]
    page = await store.query(
        "sensor-readings", Query(partition="s", sort=Range(gt=-1, lte=100), limit=2, after=page.next)
    )
    assert [record.key for record in page.records] == [("s", 100)]
    page = await store.query("sensor-readings", Query(limit=10))
    assert [record.key for record in page.records] == [("s", -1), ("s", 9), ("s", 10), ("s", 100), ("t", 50)]


async def test_null_beside_a_type_leaves_a_document_out_of_the_index(store: Store) -> None:
    await read(store, at=1, unit="C")
    await read(store, at=2, unit=None)
    page = await store.query("sensor-readings", Query("byUnit", "C"))
    assert [record.document for record in page.records] == [{"sensor": "s", "at": 1, "unit": "C"}]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 9])
@pytest.mark.parametrize("index", ["byCustomer", "bycustomer", "byPrice", None])
async def test_pages_have_everything_once_and_in_order_with_ties(
    store: Store, index: str | None, limit: int, descending: bool
) -> None:
    documents = [{"id": str(n), "customer": "x", "at": str(n // 3), "price": [1, 1.0, 2][n % 3]} for n in range(8)]
    await put(store, *documents)
    partition = "x" if index else None
    whole = (await store.query("orders", Query(index, partition, descending=descending))).records
    found, after = [], None
    while True:
        page = await store.query("orders", Query(index, partition, limit=limit, descending=descending, after=after))
        found += page.records
        after = page.next
        if after is None:
            break
        assert len(page.records) == limit
    assert found == whole
    assert len(found) == 8


async def test_inserts_and_deletes_between_pages_neither_repeat_nor_skip_what_was_there(store: Store) -> None:
    await put(store, *({"id": id_, "customer": "x", "at": "1"} for id_ in "bdfh"))
    page = await store.query("orders", Query("byCustomer", "x", limit=2))
    assert [record.document["id"] for record in page.records] == ["b", "d"]
    await put(
        store, *({"id": id_, "customer": "x", "at": "1"} for id_ in "acg"), {"id": "e", "customer": "x", "at": "0"}
    )
    await store.commit(Unit((Mutation("orders", ("d",), None),)))
    assert await ids(store, Query("byCustomer", "x", after=page.next)) == ["f", "g", "h"]


async def test_a_position_survives_being_written_as_json(store: Store) -> None:
    await put(store, *({"id": str(n), "paid": True, "quantity": n} for n in range(4)))
    page = await store.query("orders", Query("byQuantity", True, limit=2))
    assert page.next is not None
    assert all(type(value) in (str, int, float, bool) for value in page.next)


@pytest.mark.parametrize(
    "query",
    [
        Query("byNothing", "x"),
        Query("bycustomer", "x", Range(gt="1")),
        Query(partition="x", sort=Range(gt="1")),
        Query("byCustomer", "x", after=("1", "2", "3")),
        Query("byCustomer", "x", after=("1", 2)),
    ],
)
async def test_what_no_index_answers_is_refused(store: Store, query: Query) -> None:
    with pytest.raises(Refused):
        await store.query("orders", query)
