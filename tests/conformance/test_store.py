"""What every store promises (`stores/base.py`): documents, versions, conditions and units.

A new adapter adds its row and passes unchanged.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fairlead_workload.errors import Conflict, ConflictKind, Refused
from fairlead_workload.stores.base import (
    Expect,
    Mutation,
    RecordWrite,
    Store,
    Unit,
)

from .store_capabilities import STORES, Clock, StoreRow, open_row, params
from .store_cases import ABSENT, ANY, COUNTERS, ORDERS, PRESENT, conflict, delete, put, read, write


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=params(STORES))
def row(request: pytest.FixtureRequest) -> StoreRow:
    return request.param


@pytest.fixture
async def store(request: pytest.FixtureRequest, row: StoreRow, clock: Clock) -> AsyncIterator[Store]:
    async with open_row(request, row, [ORDERS, COUNTERS], clock) as store:
        yield store


# Documents


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"customerId": "", "quantity": 0, "price": 0.0, "paid": False, "lines": [], "address": {}},
        {"quantity": -(2**63), "price": 2**63 - 1},
        {"price": 1}, {"price": 1.0}, {"price": -0.5}, {"price": 5e-324}, {"price": 1.7976931348623157e308},
        {"price": 9007199254740993}, {"quantity": 1.0}, {"quantity": 1e17},
        {"paid": True}, {"customerId": None, "quantity": None, "lines": None},
        {"customerId": "a\u0001b", "note": "Grüße, 世界 🚀 \" ' \\ ; --"},
        {"lines": [1, 1.0, True, None, "x", {"a": []}], "address": {"a": {"b": None}}},
        {"customerId": 7, "quantity": "seven", "paid": 1, "price": True, "lines": {}, "address": []},
        {"undeclared": {"deep": [1.5]}, "ID": "not the key", "order": 1, "version": 2, "_version": 3, "Version": 4},
    ],
)  # fmt: skip
async def test_a_document_comes_back_exactly_as_it_was_written(store: Store, document: dict[str, Any]) -> None:
    await write(store, Mutation("orders", ("a",), {"id": "a", **document}))
    found = await read(store, "a")
    assert found is not None
    assert repr(sorted(found.items())) == repr(sorted({"id": "a", **document}.items()))  # 1, 1.0 and True differ


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("customerId", "a\u0000b"), ("note", "\u0000"), ("lines", [{"a": "\u0000"}]), ("address", {"\u0000": 1}),
        ("no\u0000te", 1),
    ],
)  # fmt: skip
async def test_the_character_nul_comes_back_or_is_refused_by_name(
    row: StoreRow, store: Store, name: str, value: Any
) -> None:
    if row.nul:
        await write(store, put("a", **{name: value}))
        assert await read(store, "a") == {"id": "a", name: value}
        return
    with pytest.raises(Refused) as caught:
        await write(store, put("b"), put("a", **{name: value}))
    assert repr(name) in str(caught.value)
    assert [await read(store, "a"), await read(store, "b")] == [None, None]


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "\\"])
async def test_text_that_looks_like_an_escape_is_text(store: Store, text: str) -> None:
    await write(store, put("a", customerId=text, note=text, lines=[text]))
    assert await read(store, "a") == {"id": "a", "customerId": text, "note": text, "lines": [text]}


async def test_get_answers_in_the_order_of_the_keys_and_repeats_what_is_asked_twice(store: Store) -> None:
    await write(store, put("a"), put("b"))
    found = await store.get("orders", [("b",), ("none",), ("a",), ("b",)], strong=True)
    assert [record.key if record else None for record in found] == [("b",), None, ("a",), ("b",)]


async def test_keys_are_compared_byte_by_byte(store: Store) -> None:
    await write(store, put("a", n=1), put("A", n=2), put("a ", n=3), put("\u00e4", n=4), put("a\u0308", n=5))
    assert [(await read(store, key) or {}).get("n") for key in ("a", "A", "a ", "\u00e4", "a\u0308")] == [1, 2, 3, 4, 5]


async def test_integer_keys_are_not_strings(store: Store) -> None:
    await store.commit(Unit((Mutation("counters", (-7,), {"number": -7}),)))
    found = await store.get("counters", [(-7,), ("-7",), (7,)])
    assert [record and record.document for record in found] == [{"number": -7}, None, None]


async def test_replacing_leaves_nothing_of_the_former_document(store: Store) -> None:
    await write(store, put("a", customerId="c", note="n", lines=[1]))
    await write(store, put("a", quantity=1))
    assert await read(store, "a") == {"id": "a", "quantity": 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quantity", 2**63), ("price", -(2**63) - 1), ("undeclared", 2**70), ("lines", [2**70]),
        ("price", float("inf")), ("quantity", float("nan")), ("lines", [float("inf")]), ("undeclared", float("nan")),
        ("customerId", "\ud800"), ("address", {"a": "\ud800"}), ("undeclared", {"\ud800": 1}),
    ],
)  # fmt: skip
async def test_what_no_store_can_hold_exactly_is_refused(store: Store, name: str, value: Any) -> None:
    with pytest.raises(Refused):
        await write(store, put("b"), put("a", **{name: value}))
    assert [await read(store, "a"), await read(store, "b")] == [None, None]


async def test_an_unknown_resource_is_refused(store: Store) -> None:
    with pytest.raises(Refused):
        await store.get("unknown", [("a",)])
    with pytest.raises(Refused):
        await store.commit(Unit((Mutation("unknown", ("a",), {}),)))


# Versions


async def test_a_new_document_has_the_clock_as_version_and_updates_add_one(store: Store, clock: Clock) -> None:
    first = await write(store, put("a"))
    assert first == int(clock.now * 1_000_000)
    clock.now += 100
    assert [await write(store, put("a", n=n)) for n in (1, 2)] == [first + 1, first + 2]
    (record,) = await store.get("orders", [("a",)])
    assert record is not None
    assert record.version == first + 2


async def test_deleting_adds_one_and_a_recreated_document_never_repeats_a_version(store: Store, clock: Clock) -> None:
    first = await write(store, put("a"))
    clock.now -= 3600  # the clock goes back
    assert await write(store, delete("a")) == first + 1
    assert await read(store, "a") is None
    assert await write(store, put("a")) >= first + 2


async def test_deleting_what_is_not_there_is_version_zero(store: Store) -> None:
    assert await write(store, delete("a")) == 0
    await write(store, put("a"))
    await write(store, delete("a"))
    assert await write(store, delete("a")) == 0


async def test_write_back_commits_under_its_version_unless_the_store_is_as_new(store: Store) -> None:
    assert await write(store, put("a", version=50, n=1)) == 50
    for version in (49, 50):
        found = await conflict(store, Unit((put("a", version=version, n=2),)))
        assert (found.kind, found.version) == (ConflictKind.VERSION, 50)
    assert await write(store, delete("a", version=60)) == 60
    assert (await conflict(store, Unit((put("a", version=55),)))).kind is ConflictKind.VERSION
    assert await read(store, "a") is None
    assert await write(store, put("a", version=61)) == 61


async def test_write_back_of_a_delete_is_remembered_where_nothing_was(store: Store) -> None:
    assert await write(store, delete("a", version=9)) == 9
    assert (await conflict(store, Unit((put("a", version=8),)))).kind is ConflictKind.VERSION


# Conditions


@pytest.mark.parametrize(
    ("there", "expect", "kind"),
    [
        (False, ANY, None),
        (True, ANY, None),
        (False, ABSENT, None),
        (True, ABSENT, ConflictKind.EXISTS),
        (False, PRESENT, ConflictKind.MISSING),
        (True, PRESENT, None),
        (False, 5, ConflictKind.MISSING),
        (True, 5, ConflictKind.VERSION),
    ],
)
@pytest.mark.parametrize("deletes", [False, True])
@pytest.mark.parametrize("deleted_before", [False, True])
async def test_preconditions(
    store: Store, there: bool, expect: Expect | int, kind: ConflictKind | None, deletes: bool, deleted_before: bool
) -> None:
    if deleted_before:
        await write(store, put("a"))
        await write(store, delete("a"))
    version = await write(store, put("a", n=0)) if there else None
    mutation = delete("a", expect) if deletes else put("a", expect, n=1)
    unit = Unit((put("other"), mutation))
    if kind is None:
        await store.commit(unit)
        assert await read(store, "a") == (None if deletes else {"id": "a", "n": 1})
        return
    found = await conflict(store, unit)
    assert (found.kind, found.subject, found.position) == (kind, "orders/a", 1)
    assert found.version == (version if kind is ConflictKind.VERSION else None)
    assert await read(store, "a") == ({"id": "a", "n": 0} if there else None)
    assert await read(store, "other") is None


async def test_the_expected_version_lets_exactly_one_update_through(store: Store) -> None:
    version = await write(store, put("a"))
    assert await write(store, put("a", expect=version, n=1)) == version + 1
    assert (await conflict(store, Unit((put("a", expect=version, n=2),)))).version == version + 1
    assert await write(store, delete("a", version + 1)) == version + 2


async def test_required_documents_must_be_there(store: Store) -> None:
    unit = Unit((put("a"),), requires=(("orders", ("p",)), ("counters", (1,))))
    assert (await conflict(store, unit)).position == 0
    await write(store, put("p"))
    found = await conflict(store, unit)
    assert (found.kind, found.subject, found.position) == (ConflictKind.REFERENCE, "counters/1", 1)
    await store.commit(Unit((Mutation("counters", (1,), {"number": 1}),)))
    await store.commit(unit)
    await write(store, delete("p"))
    assert (await conflict(store, unit)).position == 0


# Units


async def test_a_unit_says_what_each_of_its_parts_became(store: Store) -> None:
    await write(store, put("b"))
    committed = await store.commit(
        Unit(
            (put("a"), delete("b"), delete("none")),
            records=(RecordWrite("s", "one", b"1"), RecordWrite("s", "none", None), RecordWrite("t", "one", b"2")),
        )
    )
    (a,) = await store.get("orders", [("a",)])
    one, two = await store.records([("s", "one"), ("t", "one")])
    assert a is not None
    assert one is not None
    assert two is not None
    assert (committed.versions[0], committed.versions[2]) == (a.version, 0)
    assert committed.revisions == (one.revision, 0, two.revision)


async def test_units_of_one_moment_have_each_their_own_result(store: Store) -> None:
    results = await asyncio.gather(
        *(store.commit(Unit((put(f"{n % 3}", ABSENT, n=n),))) for n in range(9)), return_exceptions=True
    )
    assert [isinstance(result, Conflict) for result in results].count(False) == 3
    found = await store.get("orders", [("0",), ("1",), ("2",)])
    assert all(record is not None for record in found)


async def test_of_racing_creates_one_wins(store: Store) -> None:
    results = await asyncio.gather(*(write(store, put("a", ABSENT, n=n)) for n in range(20)), return_exceptions=True)
    winners = [n for n, result in enumerate(results) if isinstance(result, int)]
    assert len(winners) == 1
    assert await read(store, "a") == {"id": "a", "n": winners[0]}


async def test_no_increment_is_lost_with_version_checks(store: Store) -> None:
    await write(store, put("a", n=0))

    async def increment() -> None:
        while True:
            (record,) = await store.get("orders", [("a",)], strong=True)
            assert record is not None
            try:
                await write(store, put("a", record.version, n=record.document["n"] + 1))
            except Conflict:
                continue
            return

    await asyncio.gather(*(increment() for _ in range(20)))
    assert await read(store, "a") == {"id": "a", "n": 20}


async def test_a_finished_commit_is_seen_by_the_next_read(store: Store) -> None:
    async def write_then_read(n: int) -> bool:
        await write(store, put(str(n), n=n))
        return await read(store, str(n)) == {"id": str(n), "n": n}

    assert all(await asyncio.gather(*(write_then_read(n) for n in range(100))))


async def test_a_store_that_works_passes_its_check(store: Store) -> None:
    await store.check()
