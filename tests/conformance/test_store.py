"""What every store promises (`stores/base.py`): documents, versions, units, records, outbox and sweeping.

A new adapter adds its row and passes unchanged. A case that needs a capability is collected for the rows that have it.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Protocol

import pytest

from fairlead_contract.api import Resource
from fairlead_workload.errors import Conflict, ConflictKind, Refused
from fairlead_workload.stores.base import (
    Expect,
    Mutation,
    OutboxEvent,
    OutboxSource,
    RecordWrite,
    Store,
    Sweeper,
    Unit,
)

from .store_capabilities import STORES, Clock, StoreRow

ORDERS = Resource.model_validate(
    {
        "name": "orders",
        "key": {"partition": "id"},
        "schema": {
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "customerId": {"type": "string"},
                "quantity": {"type": "integer"},
                "price": {"type": "number"},
                "paid": {"type": "boolean"},
                "lines": {"type": "array"},
                "address": {"type": "object"},
            },
        },
    }
)
COUNTERS = Resource.model_validate(
    {
        "name": "counters",
        "key": {"partition": "number"},
        "schema": {"type": "object", "properties": {"number": {"type": "integer"}}},
    }
)


class Outbox(Store, OutboxSource, Protocol):
    """A store with an outbox."""


class Swept(Store, Sweeper, Protocol):
    """A store that is swept."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=STORES, ids=lambda row: row.name)
async def store(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Store]:
    async with request.param.open([ORDERS, COUNTERS], clock) as store:
        yield store


@pytest.fixture(params=[row for row in STORES if row.outbox], ids=lambda row: row.name)
async def outbox(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Outbox]:
    row: StoreRow = request.param
    async with row.open([ORDERS, COUNTERS], clock) as store:
        yield store  # type: ignore[misc]  # declared by its row


@pytest.fixture(params=[row for row in STORES if row.sweeper], ids=lambda row: row.name)
async def swept(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Swept]:
    row: StoreRow = request.param
    async with row.open([ORDERS, COUNTERS], clock) as store:
        yield store  # type: ignore[misc]  # declared by its row


def put(id_: str, expect: Expect | int = Expect.ANY, version: int | None = None, **values: Any) -> Mutation:
    return Mutation("orders", (id_,), {"id": id_, **values}, expect, version)


def delete(id_: str, expect: Expect | int = Expect.ANY, version: int | None = None) -> Mutation:
    return Mutation("orders", (id_,), None, expect, version)


async def write(store: Store, *mutations: Mutation) -> int:
    """Commit; the version of the last mutation."""
    committed = await store.commit(Unit(mutations))
    return committed.versions[-1]


async def read(store: Store, id_: str) -> dict[str, Any] | None:
    (record,) = await store.get("orders", [(id_,)])
    return record and record.document


async def conflict(store: Store, unit: Unit) -> Conflict:
    with pytest.raises(Conflict) as caught:
        await store.commit(unit)
    return caught.value


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
        {"customerId": "a\u0000b", "note": "Grüße, 世界 🚀 \" ' \\ ; --"},
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

ABSENT, PRESENT, ANY = Expect.ABSENT, Expect.PRESENT, Expect.ANY


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


FAILING: list[tuple[str, Unit]] = [
    ("a mutation", Unit((put("exists", ABSENT),))),
    ("a later mutation", Unit((put("free"), put("exists", ABSENT)))),
    ("a requirement", Unit(requires=(("orders", ("none",)),))),
    ("a record", Unit(records=(RecordWrite("inbox", "taken", b"", expect=ABSENT),))),
    (
        "a later record",
        Unit(records=(RecordWrite("s", "free", b""), RecordWrite("inbox", "taken", b"", expect=ABSENT))),
    ),
]


@pytest.mark.parametrize("failing", [unit for _, unit in FAILING], ids=[name for name, _ in FAILING])
async def test_a_unit_with_one_part_in_conflict_leaves_nothing(outbox: Outbox, failing: Unit) -> None:
    await outbox.commit(Unit((put("exists"),), records=(RecordWrite("inbox", "taken", b"1"),)))
    unit = Unit(
        (put("new", n=1), *failing.mutations),
        failing.requires,
        (RecordWrite("s", "new", b"v"), *failing.records),
        (OutboxEvent("e", "new", b"body"),),
    )
    await conflict(outbox, unit)
    assert [await read(outbox, id_) for id_ in ("new", "free")] == [None, None]
    assert await outbox.records([("s", "new"), ("s", "free")]) == [None, None]
    assert await outbox.unpublished(10) == []


async def test_parts_of_one_unit_see_the_parts_before(store: Store) -> None:
    committed = await store.commit(
        Unit(
            (put("a", n=1), put("a", PRESENT, n=2), delete("a", PRESENT), put("a", ABSENT, n=3)),
            records=(
                RecordWrite("s", "r", b"1", expect=ABSENT),
                RecordWrite("s", "r", b"2", expect=1),
                RecordWrite("s", "r", b"3", expect=2),
            ),
        )
    )
    assert list(committed.versions) == sorted(set(committed.versions))
    assert await read(store, "a") == {"id": "a", "n": 3}
    (record,) = await store.records([("s", "r")])
    assert record is not None
    assert (record.value, record.revision) == (b"3", 3)


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


# Records


@pytest.mark.parametrize(
    ("there", "expect", "holds"),
    [
        ("absent", ANY, True),
        ("absent", ABSENT, True),
        ("absent", PRESENT, False),
        ("absent", 1, False),
        ("expired", ANY, True),
        ("expired", ABSENT, True),
        ("expired", PRESENT, False),
        ("expired", 1, False),
        ("present", ANY, True),
        ("present", ABSENT, False),
        ("present", PRESENT, True),
        ("present", 1, True),
        ("present", 2, False),
    ],
)
@pytest.mark.parametrize("value", [b"new", None])
async def test_conditions_of_records(
    store: Store, clock: Clock, there: str, expect: Expect | int, holds: bool, value: bytes | None
) -> None:
    if there != "absent":
        await store.commit(Unit(records=(RecordWrite("s", "r", b"old", clock.now + 10),)))
    if there == "expired":
        clock.now += 10
    unit = Unit(records=(RecordWrite("s", "other", b"x"), RecordWrite("s", "r", value, expect=expect)))
    if holds:
        await store.commit(unit)
        (record,) = await store.records([("s", "r")])
        assert (record and record.value) == value
        return
    found = await conflict(store, unit)
    assert (found.kind, found.subject, found.position) == (ConflictKind.RECORD, "s/r", 1)
    (record, other) = await store.records([("s", "r"), ("s", "other")])
    assert (record and record.value) == (b"old" if there == "present" else None)
    assert other is None


async def test_records_have_spaces_revisions_and_expiry(store: Store, clock: Clock) -> None:
    for n in range(3):
        await store.commit(Unit(records=(RecordWrite("s", "r", bytes([n, 0, 255]), clock.now + 5.5),)))
    await store.commit(Unit(records=(RecordWrite("t", "r", b""),)))
    first, missing, second = await store.records([("t", "r"), ("t", "x"), ("s", "r")])
    assert first is not None
    assert second is not None
    assert (first.space, first.id, first.value, first.revision, first.expires_at) == ("t", "r", b"", 1, None)
    assert (second.space, second.value, second.revision, second.expires_at) == ("s", b"\2\0\xff", 3, clock.now + 5.5)
    assert missing is None
    clock.now += 5.5
    assert await store.records([("s", "r")]) == [None]


async def test_who_held_an_expired_record_cannot_write_over_its_new_owner(store: Store, clock: Clock) -> None:
    lease = RecordWrite("lease", "relay", b"first", clock.now + 10, ABSENT)
    await store.commit(Unit(records=(lease,)))
    clock.now += 10
    await store.commit(Unit(records=(replace(lease, value=b"second", expires_at=clock.now + 10),)))
    found = await conflict(store, Unit(records=(RecordWrite("lease", "relay", b"first", expect=1),)))
    assert found.kind is ConflictKind.RECORD


# Outbox


async def test_events_come_with_the_versions_of_their_mutations_until_published(outbox: Outbox) -> None:
    first = await outbox.commit(
        Unit(
            (put("a"), put("b")),
            outbox=(OutboxEvent("1", "b", b"b", 1), OutboxEvent("2", "a", b"a", 0), OutboxEvent("3", "a", b"x", None)),
        )
    )
    second = await outbox.commit(Unit((delete("a"),), outbox=(OutboxEvent("4", "a", b"a"),)))
    rows = await outbox.unpublished(10)
    assert {(row.event.id, row.event.key, row.event.body, row.version) for row in rows} == {
        ("1", "b", b"b", first.versions[1]),
        ("2", "a", b"a", first.versions[0]),
        ("3", "a", b"x", 0),
        ("4", "a", b"a", second.versions[0]),
    }
    await outbox.published([row.position for row in rows if row.event.key == "a"])
    assert [row.event.id for row in await outbox.unpublished(10)] == ["1"]


async def test_events_of_a_key_come_in_order_of_version(outbox: Outbox) -> None:
    async def write_all(key: str) -> None:
        for n in range(10):
            await outbox.commit(Unit((put(key, n=n),), outbox=(OutboxEvent(f"{key}{n}", key, b""),)))

    await asyncio.gather(write_all("a"), write_all("b"))
    rows = await outbox.unpublished(7)
    assert len(rows) == 7
    rows = await outbox.unpublished(100)
    for key in ("a", "b"):
        versions = [row.version for row in rows if row.event.key == key]
        assert len(versions) == 10
        assert versions == sorted(set(versions))


async def test_a_position_is_never_used_twice(outbox: Outbox) -> None:
    seen: set[int] = set()
    for n in range(3):
        await outbox.commit(Unit((put("a", n=n),), outbox=(OutboxEvent(str(n), "a", b""),)))
        (row,) = await outbox.unpublished(10)
        assert row.position not in seen
        seen.add(row.position)
        await outbox.published([row.position])


async def test_whoever_waits_for_the_outbox_is_woken_by_commits_that_write_to_it(outbox: Outbox) -> None:
    woken = asyncio.Event()
    outbox.on_outbox(woken.set)
    await write(outbox, put("a"))
    await asyncio.sleep(0)
    assert not woken.is_set()
    await outbox.commit(Unit((put("a"),), outbox=(OutboxEvent("1", "a", b""),)))
    await asyncio.wait_for(woken.wait(), 5)
    assert len(await outbox.unpublished(10)) == 1


# Sweeping


async def test_sweeping_takes_expired_records_and_old_tombstones_and_nothing_else(swept: Swept, clock: Clock) -> None:
    await write(swept, put("kept"), put("old"), put("young"))
    await write(swept, delete("old"))
    records = (RecordWrite("s", "dies", b"", clock.now + 1), RecordWrite("s", "lives", b"", clock.now + 500))
    await swept.commit(Unit(records=(*records, RecordWrite("s", "stays", b""))))
    clock.now += 100
    version = await write(swept, delete("young"))
    assert await swept.sweep(now=clock.now, tombstones_before=clock.now - 50) == 2
    assert await swept.sweep(now=clock.now, tombstones_before=clock.now - 50) == 0
    found = await swept.records([("s", "dies"), ("s", "lives"), ("s", "stays")])
    assert [record is not None for record in found] == [False, True, True]
    assert await read(swept, "kept") == {"id": "kept"}
    clock.now = 1_000_000_000
    assert await write(swept, put("young")) > version


async def test_sweeping_stops_at_its_limit(swept: Swept, clock: Clock) -> None:
    await swept.commit(Unit(records=tuple(RecordWrite("s", str(n), b"", clock.now) for n in range(5))))
    await swept.commit(Unit(tuple(put(str(n)) for n in range(5))))
    await swept.commit(Unit(tuple(delete(str(n)) for n in range(5))))
    clock.now += 1
    counts = [await swept.sweep(now=clock.now, tombstones_before=clock.now, limit=4) for _ in range(4)]
    assert sum(counts) == 10
    assert max(counts) == 4


async def test_a_document_whose_tombstone_was_swept_never_repeats_a_version(swept: Swept, clock: Clock) -> None:
    await write(swept, put("a", version=int(clock.now * 1_000_000) + 10_000_000))
    version = await write(swept, delete("a"))
    clock.now += 1
    assert await swept.sweep(now=clock.now, tombstones_before=clock.now) == 1
    assert await write(swept, put("a")) > version


async def test_a_store_that_works_passes_its_check(store: Store) -> None:
    await store.check()


def test_every_capability_is_declared_by_some_store() -> None:
    assert all(any(getattr(row, name) for row in STORES) for name in ("outbox", "sweeper"))
