"""What every store promises (`stores/base.py`) of our records, of the outbox, of units as a whole, and of sweeping.

A new adapter adds its row and passes unchanged. A case that needs a capability is collected for the rows that have it.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

import pytest
from msgspec import structs

from fairlead_workload.errors import ConflictKind
from fairlead_workload.stores.base import (
    Expect,
    OutboxEvent,
    OutboxRow,
    OutboxSize,
    OutboxSource,
    RecordWrite,
    Store,
    Sweeper,
    Unit,
)

from .store_capabilities import STORES, Clock, StoreRow, open_row, params
from .store_cases import ABSENT, ANY, COUNTERS, ORDERS, PRESENT, conflict, delete, put, read, write


@runtime_checkable
class Outbox(Store, OutboxSource, Protocol):
    """A store with an outbox."""


@runtime_checkable
class Swept(Store, Sweeper, Protocol):
    """A store that is swept."""


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


@pytest.fixture(params=params(row for row in STORES if row.outbox))
async def outbox(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Outbox]:
    async with open_row(request, request.param, [ORDERS, COUNTERS], clock) as store:
        yield store  # type: ignore[misc]  # declared by its row


@pytest.fixture(params=params(row for row in STORES if row.sweeper))
async def swept(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Swept]:
    async with open_row(request, request.param, [ORDERS, COUNTERS], clock) as store:
        yield store  # type: ignore[misc]  # declared by its row


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


async def test_of_several_conflicts_records_come_first_then_requirements(store: Store) -> None:
    await store.commit(Unit((put("exists"),), records=(RecordWrite("inbox", "taken", b"1"),)))
    unit = Unit(
        (put("exists", ABSENT),), (("orders", ("none",)),), (RecordWrite("inbox", "taken", b"2", expect=ABSENT),)
    )
    assert (await conflict(store, unit)).kind is ConflictKind.RECORD
    assert (await conflict(store, structs.replace(unit, records=()))).kind is ConflictKind.REFERENCE


# Records


@pytest.mark.parametrize(
    ("there", "expect", "holds"),
    [
        ("absent", ANY, True),
        ("absent", ABSENT, True),
        ("absent", PRESENT, False),
        ("absent", "its revision", False),
        ("expired", ANY, True),
        ("expired", ABSENT, True),
        ("expired", PRESENT, False),
        ("expired", "its revision", False),
        ("present", ANY, True),
        ("present", ABSENT, False),
        ("present", PRESENT, True),
        ("present", "its revision", True),
        ("present", "another revision", False),
    ],
)
@pytest.mark.parametrize("value", [b"new", None])
async def test_conditions_of_records(
    store: Store, clock: Clock, there: str, expect: Expect | str, holds: bool, value: bytes | None
) -> None:
    revision = int(clock.now * 1_000_000)
    if there != "absent":
        committed = await store.commit(Unit(records=(RecordWrite("s", "r", b"old", clock.now + 10),)))
        (revision,) = committed.revisions
    if there == "expired":
        clock.now += 10
    condition = {"its revision": revision, "another revision": revision + 1}.get(expect) or Expect(expect)
    unit = Unit(records=(RecordWrite("s", "other", b"x"), RecordWrite("s", "r", value, expect=condition)))
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
    start = int(clock.now * 1_000_000)
    for n in range(3):
        committed = await store.commit(Unit(records=(RecordWrite("s", "r", bytes([n, 0, 255]), clock.now + 5.5),)))
        assert committed.revisions == (start + n,)
    await store.commit(Unit(records=(RecordWrite("t", "r", b""),)))
    first, missing, second = await store.records([("t", "r"), ("t", "x"), ("s", "r")])
    assert first is not None
    assert second is not None
    assert (first.space, first.id, first.value, first.revision, first.expires_at) == ("t", "r", b"", start, None)
    assert (second.space, second.value, second.revision, second.expires_at) == (
        "s",
        b"\2\0\xff",
        start + 2,
        clock.now + 5.5,
    )
    assert missing is None
    clock.now += 5.5
    assert await store.records([("s", "r")]) == [None]


async def test_who_held_an_expired_record_cannot_write_over_its_new_owner(store: Store, clock: Clock) -> None:
    lease = RecordWrite("lease", "relay", b"first", clock.now + 10, ABSENT)
    (revision,) = (await store.commit(Unit(records=(lease,)))).revisions
    clock.now += 10
    await store.commit(Unit(records=(structs.replace(lease, value=b"second", expires_at=clock.now + 10),)))
    found = await conflict(store, Unit(records=(RecordWrite("lease", "relay", b"first", expect=revision),)))
    assert found.kind is ConflictKind.RECORD


async def test_who_held_a_swept_record_cannot_write_over_its_new_owner(swept: Swept, clock: Clock) -> None:
    lease = RecordWrite("lease", "relay", b"first", clock.now + 10, ABSENT)
    (revision,) = (await swept.commit(Unit(records=(lease,)))).revisions
    clock.now += 10
    assert await swept.sweep(now=clock.now, tombstones_before=0.0) == 1
    await swept.commit(Unit(records=(structs.replace(lease, value=b"second", expires_at=clock.now + 10),)))
    found = await conflict(swept, Unit(records=(RecordWrite("lease", "relay", b"first", expect=revision),)))
    assert found.kind is ConflictKind.RECORD


async def test_a_removed_record_never_comes_back_with_a_revision_that_it_had(store: Store, clock: Clock) -> None:
    seen: list[int] = []
    for value in (b"first", b"second", None, b"third"):
        (revision,) = (await store.commit(Unit(records=(RecordWrite("s", "r", value),)))).revisions
        seen.append(revision)
        clock.now += 0.001
    assert seen[2] == 0
    assert len({*seen}) == 4
    assert seen[3] > seen[1]


# Outbox


async def test_events_come_with_the_versions_of_their_mutations_until_published(outbox: Outbox) -> None:
    first = await outbox.commit(
        Unit(
            (put("a"), put("b")),
            outbox=(
                OutboxEvent("1", "b", b"b", 1),
                OutboxEvent("2", "a", b"a", 0),
                OutboxEvent("3", "c", b"x", None, version=7),
            ),
        )
    )
    second = await outbox.commit(Unit((delete("a"),), outbox=(OutboxEvent("4", "a", b"a"),)))
    rows = await outbox.unpublished(10)
    assert {(row.event.id, row.event.key, row.event.body, row.version) for row in rows} == {
        ("1", "b", b"b", first.versions[1]),
        ("2", "a", b"a", first.versions[0]),
        ("3", "c", b"x", 7),
        ("4", "a", b"a", second.versions[0]),
    }
    await outbox.published([row for row in rows if row.event.key == "a"])
    assert {row.event.id for row in await outbox.unpublished(10)} == {"1", "3"}
    assert [await outbox.outbox_size(limit) for limit in (1, 10)] == [OutboxSize(1, 0), OutboxSize(2, 0)]


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


async def test_a_handle_is_never_used_twice(outbox: Outbox) -> None:
    seen: list[OutboxRow] = []
    for n in range(3):
        await outbox.commit(Unit((put("a", n=n),), outbox=(OutboxEvent(str(n), "a", b""),)))
        await outbox.published(seen)
        (row,) = await outbox.unpublished(10)
        seen.append(row)
        await outbox.published([row])


async def test_events_of_keys_that_are_held_are_left_out(outbox: Outbox) -> None:
    for key in ("a", "b", "\u00e4", "c"):
        await outbox.commit(Unit((put(key),), outbox=(OutboxEvent(key, key, b""),)))
    assert {row.event.key for row in await outbox.unpublished(10, held={"a", "\u00e4"})} == {"b", "c"}
    assert len(await outbox.unpublished(1, held={"a", "\u00e4"})) == 1


async def test_refused_events_are_kept_apart_until_they_go_back_or_are_discarded(outbox: Outbox, clock: Clock) -> None:
    for id_ in "abc":
        await outbox.commit(Unit((put(id_),), outbox=(OutboxEvent(id_, id_, id_.encode()),)))
    rows = {row.event.id: row for row in await outbox.unpublished(10)}
    await outbox.refuse([(rows["a"], "too large"), (rows["c"], "not text")])
    assert [row.event.id for row in await outbox.unpublished(10)] == ["b"]
    assert await outbox.outbox_size(10) == OutboxSize(1, 2)
    events = await outbox.refused(10)
    assert [(each.event, each.version, each.reason, each.refused_at) for each in events] == [
        (rows["a"].event, rows["a"].version, "too large", clock.now),
        (rows["c"].event, rows["c"].version, "not text", clock.now),
    ]
    a, c = (each.number for each in events)
    assert [each.number for each in await outbox.refused(1)] == [a]
    assert [each.number for each in await outbox.refused(10, after=a)] == [c]
    assert await outbox.unrefuse([a, 10**9]) == [a]
    assert {(row.event, row.version) for row in await outbox.unpublished(10)} == {
        (rows["a"].event, rows["a"].version),
        (rows["b"].event, rows["b"].version),
    }
    assert await outbox.discard_refused([c, a]) == [c]
    assert await outbox.refused(10) == []
    assert await outbox.outbox_size(10) == OutboxSize(2, 0)


async def test_refusing_what_is_not_there_any_more_keeps_nothing(outbox: Outbox) -> None:
    await outbox.commit(Unit((put("a"),), outbox=(OutboxEvent("1", "a", b""),)))
    (row,) = await outbox.unpublished(10)
    await outbox.published([row])
    await outbox.refuse([(row, "too large")])
    assert await outbox.refused(10) == []


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


async def test_what_a_store_has_is_what_was_declared(row: StoreRow, store: Store) -> None:
    assert (isinstance(store, Outbox), isinstance(store, Swept)) == (row.outbox, row.sweeper)
