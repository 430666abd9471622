"""What every cache promises (`caches/base.py`), the races included. A new adapter adds its row and passes unchanged."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from fairlead_workload.caches.base import Cache, Entry, Peekable, State

from .cache_capabilities import CACHES, CacheRow, Opened

KEY = "orders/1"


@pytest.fixture(params=CACHES, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> CacheRow:
    return request.param


@pytest.fixture
async def opened(row: CacheRow) -> AsyncIterator[Opened]:
    async with row.open() as opened:
        yield opened


@pytest.fixture
def cache(opened: Opened) -> Cache:
    return opened.cache


@pytest.fixture
def make(opened: Opened) -> "Maker":
    return Maker(opened)


class Maker:
    """Entries that are fresh for an hour unless a test sets something else."""

    def __init__(self, opened: Opened) -> None:
        self._now = opened.now

    def present(self, version: int, *, body: bytes = b'{"a":1}', ttl_seconds: float = 3600) -> Entry:
        now = self._now()
        return Entry(State.PRESENT, version, body, f'"{version}"', now, now + ttl_seconds, 0.25)

    def absent(self, version: int = 0, *, ttl_seconds: float = 3600) -> Entry:
        now = self._now()
        return Entry(State.ABSENT, version, None, "", now, now + ttl_seconds)

    def staged(self, version: int, *, body: bytes | None = b'{"a":2}', ttl_seconds: float = 3600) -> Entry:
        now = self._now()
        return Entry(State.STAGED, version, body, f'"{version}"' if body else "", now, now + ttl_seconds)


async def stage(cache: Cache, entry: Entry, *, after: int | None = None, key: str = KEY) -> bool:
    """Stage a write that was decided on the version before it, unless said otherwise."""
    return await cache.stage(key, entry, after=entry.version - 1 if after is None else after)


async def keep(cache: Cache, entry: Entry) -> None:
    """Stage a write and keep it."""
    assert await stage(cache, entry)
    await cache.keep(KEY, entry.version, ttl_seconds=3600)


async def look(cache: Cache, key: str = KEY) -> Entry | None:
    (entry,) = await cache.get([key])
    return entry


async def state_of(cache: Cache, key: str = KEY) -> tuple[State, int] | None:
    entry = await look(cache, key)
    return entry and (entry.state, entry.version)


# What is put can be got.


async def test_an_entry_comes_back_with_every_field(cache: Cache, make: Maker) -> None:
    entry = make.present(1_763_800_000_000_000, body='{"name":"Köln \\u0000"}'.encode())
    assert await cache.put(KEY, entry)
    got = await look(cache)
    assert got is not None
    assert structs.replace(got, stored_at=0, expires_at=0) == structs.replace(entry, stored_at=0, expires_at=0)
    assert got.stored_at == pytest.approx(entry.stored_at, abs=0.01)
    assert got.expires_at == pytest.approx(entry.expires_at, abs=0.01)


@pytest.mark.parametrize("body", [b"", b"\x00\xff\r\n", b"x" * 1_048_576], ids=["empty", "any bytes", "one mebibyte"])
async def test_a_body_is_bytes_and_nothing_else(cache: Cache, make: Maker, body: bytes) -> None:
    await cache.put(KEY, make.present(1, body=body))
    got = await look(cache)
    assert got is not None
    assert got.body == body


async def test_an_absence_has_no_body(cache: Cache, make: Maker) -> None:
    assert await cache.put(KEY, make.absent())
    got = await look(cache)
    assert got is not None
    assert (got.state, got.version, got.body, got.etag) == (State.ABSENT, 0, None, "")


async def test_get_keeps_order_and_repeats(cache: Cache, make: Maker) -> None:
    await cache.put("orders/a", make.present(1))
    await cache.put("orders/b", make.present(2))
    got = await cache.get(["orders/b", "orders/none", "orders/a", "orders/b"])
    assert [entry and entry.version for entry in got] == [2, None, 1, 2]


async def test_getting_nothing_gets_nothing(cache: Cache) -> None:
    assert await cache.get([]) == []


@pytest.mark.parametrize("key", ["orders/ü/日本", "orders/" + "k" * 255, "orders/a b*?[]{}", "orders/%2F//"])
async def test_keys_are_any_text(cache: Cache, make: Maker, key: str) -> None:
    await cache.put(key, make.present(1))
    assert await state_of(cache, key) == (State.PRESENT, 1)
    assert await look(cache, key + "x") is None


# Never an older one over a newer one. Each row: what is there, what is put, whether it is stored.

PUTS = {
    "newer over older": ("present", 5, "present", 6, True),
    "the same version again": ("present", 5, "present", 5, True),
    "older over newer": ("present", 6, "present", 5, False),
    "a document over a read absence": ("absent", 0, "present", 1, True),
    "a read absence over a document": ("present", 5, "absent", 0, False),
    "a read absence over a read absence": ("absent", 0, "absent", 0, False),
    "a read absence over a tombstone": ("invalid", 5, "absent", 0, False),
    "a read absence over a kept write": ("dirty", 5, "absent", 0, False),
    "a known deletion over what it deleted": ("present", 5, "absent", 6, True),
    "a document over the deletion that followed it": ("absent", 6, "present", 5, False),
    "a slow read after an invalidation": ("invalid", 6, "present", 5, False),
    "the document the tombstone speaks of": ("invalid", 6, "present", 6, True),
    "a newer document over a tombstone": ("invalid", 6, "present", 7, True),
    "what the store has over a newer kept write": ("dirty", 7, "present", 6, False),
    "the same version over a kept write": ("dirty", 7, "present", 7, False),
    "what the store has since over a kept write": ("dirty", 7, "present", 8, True),
    "the same version over a staged write": ("staged", 7, "present", 7, False),
}


async def arrange(opened: Opened, make: Maker, state: str, version: int) -> None:
    if state == "invalid":
        await opened.cache.invalidate(KEY, version, ttl_seconds=3600)
    elif state == "staged":
        assert await stage(opened.cache, make.staged(version))
    elif state == "dirty":
        await keep(opened.cache, make.staged(version))
    else:
        assert await opened.cache.put(KEY, getattr(make, state)(version))


@pytest.mark.parametrize("case", PUTS.values(), ids=PUTS.keys())
async def test_put(opened: Opened, make: Maker, case: tuple[str, int, str, int, bool]) -> None:
    there, version, state, new_version, expected = case
    await arrange(opened, make, there, version)
    assert await opened.cache.put(KEY, getattr(make, state)(new_version)) is expected
    kept = (State(state), new_version) if expected else (State(there), version)
    assert await state_of(opened.cache) == kept


INVALIDATIONS = {
    "older document": ("present", 5, 6, (State.INVALID, 6)),
    "document of the same version, written through": ("present", 6, 6, (State.PRESENT, 6)),
    "newer document": ("present", 7, 6, (State.PRESENT, 7)),
    "read absence": ("absent", 0, 6, (State.INVALID, 6)),
    "known deletion that is newer": ("absent", 7, 6, (State.ABSENT, 7)),
    "older tombstone": ("invalid", 5, 6, (State.INVALID, 6)),
    "newer tombstone": ("invalid", 7, 6, (State.INVALID, 7)),
    "older staged write": ("staged", 5, 6, (State.INVALID, 6)),
    "staged write of the same version": ("staged", 6, 6, (State.STAGED, 6)),
    "newer staged write": ("staged", 7, 6, (State.STAGED, 7)),
    "older kept write": ("dirty", 5, 6, (State.INVALID, 6)),
    "kept write of the same version": ("dirty", 6, 6, (State.DIRTY, 6)),
    "newer kept write": ("dirty", 7, 6, (State.DIRTY, 7)),
}


@pytest.mark.parametrize("case", INVALIDATIONS.values(), ids=INVALIDATIONS.keys())
async def test_invalidate(opened: Opened, make: Maker, case: tuple[str, int, int, tuple[State, int]]) -> None:
    there, version, invalidated, expected = case
    await arrange(opened, make, there, version)
    await opened.cache.invalidate(KEY, invalidated, ttl_seconds=3600)
    assert await state_of(opened.cache) == expected


async def test_an_invalidation_of_nothing_leaves_a_tombstone_for_who_comes_late(cache: Cache, make: Maker) -> None:
    await cache.invalidate(KEY, 6, ttl_seconds=3600)
    assert await state_of(cache) == (State.INVALID, 6)
    assert not await cache.put(KEY, make.present(5))
    assert not await cache.put(KEY, make.absent())


async def test_a_tombstone_has_no_body(cache: Cache, make: Maker) -> None:
    await cache.put(KEY, make.present(5))
    await cache.invalidate(KEY, 6, ttl_seconds=3600)
    got = await look(cache)
    assert got is not None
    assert (got.body, got.etag) == (None, "")


async def test_a_slow_reader_loses_against_a_deletion_and_a_creation_after_it(cache: Cache, make: Maker) -> None:
    await cache.put(KEY, make.present(5))
    await cache.invalidate(KEY, 6, ttl_seconds=3600)  # deleted
    assert not await cache.put(KEY, make.present(5))
    await cache.invalidate(KEY, 900, ttl_seconds=3600)  # created again
    assert not await cache.put(KEY, make.present(5))
    assert not await cache.put(KEY, make.absent())
    assert await cache.put(KEY, make.present(900))


async def test_of_many_puts_at_once_the_newest_stays(cache: Cache, make: Maker) -> None:
    versions = [(number * 37) % 101 + 1 for number in range(100)]
    await asyncio.gather(*(cache.put(KEY, make.present(version)) for version in versions))
    assert await state_of(cache) == (State.PRESENT, max(versions))


async def test_puts_and_invalidations_at_once_leave_nothing_older(cache: Cache, make: Maker) -> None:
    puts = [cache.put(KEY, make.present(version)) for version in range(1, 40)]
    invalidations = [cache.invalidate(KEY, version, ttl_seconds=3600) for version in (50, 10, 30)]
    await asyncio.gather(*puts[:20], *invalidations, *puts[20:])
    assert await state_of(cache) == (State.INVALID, 50)


# Expiry.


async def test_an_expired_document_is_gone(row: CacheRow, opened: Opened, make: Maker) -> None:
    await opened.cache.put(KEY, make.present(5, ttl_seconds=row.short_seconds))
    assert await state_of(opened.cache) == (State.PRESENT, 5)
    await opened.advance(row.short_seconds * 1.1)
    assert await look(opened.cache) is None


async def test_what_has_expired_keeps_nothing_out(row: CacheRow, opened: Opened, make: Maker) -> None:
    await opened.cache.put(KEY, make.present(5, ttl_seconds=row.short_seconds))
    await opened.advance(row.short_seconds * 1.1)
    assert await opened.cache.put(KEY, make.absent())


async def test_a_tombstone_expires(row: CacheRow, opened: Opened, make: Maker) -> None:
    await opened.cache.invalidate(KEY, 6, ttl_seconds=row.short_seconds)
    await opened.advance(row.short_seconds * 1.1)
    assert await look(opened.cache) is None
    assert await opened.cache.put(KEY, make.absent())


async def test_a_tombstone_of_the_same_version_lasts_for_the_longer_time(
    row: CacheRow, opened: Opened, make: Maker
) -> None:
    await opened.cache.invalidate(KEY, 6, ttl_seconds=row.short_seconds * 2)
    await opened.cache.invalidate(KEY, 6, ttl_seconds=row.short_seconds)
    await opened.advance(row.short_seconds * 1.1)
    assert await state_of(opened.cache) == (State.INVALID, 6)
    await opened.cache.invalidate(KEY, 6, ttl_seconds=row.short_seconds * 2)
    await opened.advance(row.short_seconds * 1.1)
    assert await state_of(opened.cache) == (State.INVALID, 6)


async def test_a_staged_write_expires(row: CacheRow, opened: Opened, make: Maker) -> None:
    await opened.cache.put(KEY, make.present(4))
    await stage(opened.cache, make.staged(5, ttl_seconds=row.short_seconds))
    assert await state_of(opened.cache) == (State.STAGED, 5)
    await opened.advance(row.short_seconds * 1.1)
    assert await state_of(opened.cache) == (State.PRESENT, 4)
    await opened.cache.keep(KEY, 5, ttl_seconds=3600)
    await opened.cache.settle(KEY, 5, ttl_seconds=3600)
    assert await state_of(opened.cache) == (State.PRESENT, 4)


async def test_a_kept_write_has_a_time_of_its_own(row: CacheRow, opened: Opened, make: Maker) -> None:
    await opened.cache.put(KEY, make.present(4))
    await stage(opened.cache, make.staged(5, ttl_seconds=row.short_seconds))
    await opened.cache.keep(KEY, 5, ttl_seconds=row.short_seconds * 2)
    await opened.advance(row.short_seconds * 1.1)
    assert await state_of(opened.cache) == (State.DIRTY, 5)
    await opened.advance(row.short_seconds * 1.1)
    assert await look(opened.cache) is None
    await opened.cache.settle(KEY, 5, ttl_seconds=3600)
    await opened.cache.discard(KEY, 5)
    assert await look(opened.cache) is None


# Write-back.

# Each row: what is there, the version that the write was decided on, whether it is staged.
STAGED = {
    "on nothing": (None, 0, 5, True),
    "on a document": ("present", 5, 5, True),
    "on a tombstone": ("invalid", 5, 5, True),
    "on a read absence": ("absent", 0, 0, True),
    "on a kept write": ("dirty", 5, 5, True),
    "on what is newer than what is there": ("present", 5, 6, True),
    "on a document that has changed": ("present", 6, 5, False),
    "on what was invalidated since": ("invalid", 6, 5, False),
    "on what somebody else has staged over": ("staged", 6, 5, False),
    "on what somebody else has written back": ("dirty", 6, 5, False),
}


@pytest.mark.parametrize("case", STAGED.values(), ids=STAGED.keys())
async def test_stage(opened: Opened, make: Maker, case: tuple[str | None, int, int, bool]) -> None:
    there, version, after, expected = case
    if there is not None:
        await arrange(opened, make, there, version)
    before = await state_of(opened.cache)
    assert await stage(opened.cache, make.staged(9), after=after) is expected
    assert await state_of(opened.cache) == ((State.STAGED, 9) if expected else before)


@pytest.mark.parametrize("version", [4, 6], ids=["older", "newer"])
async def test_keeping_another_version_changes_nothing(cache: Cache, make: Maker, version: int) -> None:
    await stage(cache, make.staged(5))
    await cache.keep(KEY, version, ttl_seconds=3600)
    assert await state_of(cache) == (State.STAGED, 5)


async def test_keeping_what_is_settled_or_discarded_changes_nothing(cache: Cache, make: Maker) -> None:
    await stage(cache, make.staged(5))
    await cache.settle(KEY, 5, ttl_seconds=3600)
    await cache.keep(KEY, 5, ttl_seconds=3600)
    assert await state_of(cache) == (State.PRESENT, 5)
    await stage(cache, make.staged(6))
    await cache.discard(KEY, 6)
    await cache.keep(KEY, 6, ttl_seconds=3600)
    assert await state_of(cache) == (State.PRESENT, 5)


BELOW = ["present", "invalid", "dirty"]


@pytest.mark.parametrize("there", BELOW)
async def test_what_a_staged_write_lies_over_is_there_again_when_it_is_discarded(
    opened: Opened, make: Maker, there: str
) -> None:
    await arrange(opened, make, there, 5)
    before = await look(opened.cache)
    await stage(opened.cache, make.staged(6))
    await opened.cache.discard(KEY, 6)
    assert await look(opened.cache) == before


async def test_below_a_staged_write_things_go_on(cache: Cache, make: Maker) -> None:
    await keep(cache, make.staged(5))
    await stage(cache, make.staged(8))
    await cache.settle(KEY, 5, ttl_seconds=3600)
    assert await cache.put(KEY, make.present(6))
    assert not await cache.put(KEY, make.present(5))
    await cache.invalidate(KEY, 7, ttl_seconds=3600)
    assert await state_of(cache) == (State.STAGED, 8)
    await cache.discard(KEY, 8)
    assert await state_of(cache) == (State.INVALID, 7)


async def test_a_kept_write_takes_the_place_of_what_is_below(cache: Cache, make: Maker) -> None:
    await keep(cache, make.staged(5))
    await keep(cache, make.staged(6))
    await cache.settle(KEY, 6, ttl_seconds=3600)
    await cache.settle(KEY, 5, ttl_seconds=3600)
    assert await state_of(cache) == (State.PRESENT, 6)


async def test_what_is_newer_ends_a_staged_write(cache: Cache, make: Maker) -> None:
    await stage(cache, make.staged(5))
    assert await cache.put(KEY, make.present(6))
    assert await state_of(cache) == (State.PRESENT, 6)
    await cache.keep(KEY, 5, ttl_seconds=3600)
    assert await state_of(cache) == (State.PRESENT, 6)


@pytest.mark.parametrize("kept", [False, True], ids=["staged", "kept"])
@pytest.mark.parametrize(("body", "state"), [(b"{}", State.PRESENT), (None, State.ABSENT)], ids=["write", "deletion"])
async def test_settling_gives_an_expiry(
    row: CacheRow, opened: Opened, make: Maker, body: bytes | None, state: State, kept: bool
) -> None:
    await stage(opened.cache, make.staged(5, body=body))
    if kept:
        await opened.cache.keep(KEY, 5, ttl_seconds=3600)
    await opened.cache.settle(KEY, 5, ttl_seconds=row.short_seconds)
    got = await look(opened.cache)
    assert got is not None
    assert (got.state, got.version, got.body) == (state, 5, body)
    await opened.advance(row.short_seconds * 1.1)
    assert await look(opened.cache) is None


@pytest.mark.parametrize("version", [4, 6], ids=["older", "newer"])
async def test_settling_another_version_changes_nothing(cache: Cache, make: Maker, version: int) -> None:
    await keep(cache, make.staged(5))
    await cache.settle(KEY, version, ttl_seconds=3600)
    assert await state_of(cache) == (State.DIRTY, 5)


async def test_settling_what_is_not_staged_changes_nothing(cache: Cache, make: Maker) -> None:
    await cache.settle(KEY, 5, ttl_seconds=3600)
    assert await look(cache) is None
    entry = make.present(5)
    await cache.put(KEY, entry)
    await cache.settle(KEY, 5, ttl_seconds=7200)
    got = await look(cache)
    assert got is not None
    assert got.expires_at == pytest.approx(entry.expires_at, abs=0.01)


async def test_discarding_what_is_kept_leaves_only_a_tombstone(cache: Cache, make: Maker) -> None:
    await keep(cache, make.staged(5))
    await cache.discard(KEY, 5)
    assert await state_of(cache) == (State.INVALID, 4)
    assert not await cache.put(KEY, make.absent())
    assert not await cache.put(KEY, make.present(3))
    assert await cache.put(KEY, make.present(4))


@pytest.mark.parametrize("version", [4, 6], ids=["older", "newer"])
async def test_discarding_another_version_changes_nothing(cache: Cache, make: Maker, version: int) -> None:
    await keep(cache, make.staged(5))
    await cache.discard(KEY, version)
    assert await state_of(cache) == (State.DIRTY, 5)


async def test_a_late_discard_does_not_take_a_settled_write(cache: Cache, make: Maker) -> None:
    await keep(cache, make.staged(5))
    await cache.settle(KEY, 5, ttl_seconds=3600)
    await cache.discard(KEY, 5)
    assert await state_of(cache) == (State.PRESENT, 5)


async def test_a_settled_older_write_leaves_the_newer_one(cache: Cache, make: Maker) -> None:
    await keep(cache, make.staged(5))
    await keep(cache, make.staged(6, body=None))
    await cache.settle(KEY, 5, ttl_seconds=3600)
    await cache.invalidate(KEY, 5, ttl_seconds=3600)
    assert await state_of(cache) == (State.DIRTY, 6)


# Flush.


async def test_flushing_forgets_what_is_below_the_prefix_and_nothing_else(cache: Cache, make: Maker) -> None:
    for key in ("orders/1", "orders/2", "ordersold/1", "products/1"):
        await cache.put(key, make.present(1))
    await cache.invalidate("orders/3", 1, ttl_seconds=3600)
    await cache.flush("orders/")
    got = await cache.get(["orders/1", "orders/2", "orders/3", "ordersold/1", "products/1"])
    assert [entry is not None for entry in got] == [False, False, False, True, True]


async def test_flushing_takes_the_prefix_literally(cache: Cache, make: Maker) -> None:
    for key in ("a*/1", "ab/1", "a[b]/1", "a?/1"):
        await cache.put(key, make.present(1))
    for prefix in ("a*/", "a[b]/", "a?/"):
        await cache.flush(prefix)
    got = await cache.get(["a*/1", "ab/1", "a[b]/1", "a?/1"])
    assert [entry is not None for entry in got] == [False, True, False, False]


async def test_flushing_keeps_writes_on_their_way_to_the_store(cache: Cache, make: Maker) -> None:
    await keep(cache, make.staged(5))
    await stage(cache, make.staged(5), key="orders/2")
    await cache.flush("orders/")
    assert await state_of(cache) == (State.DIRTY, 5)
    assert await state_of(cache, "orders/2") == (State.STAGED, 5)


# The rest.


async def test_an_open_cache_can_be_used(cache: Cache) -> None:
    await cache.check()


async def test_what_can_be_peeked_is_what_was_declared(row: CacheRow, cache: Cache) -> None:
    assert isinstance(cache, Peekable) is row.peekable


async def test_peek_says_what_get_says(row: CacheRow, opened: Opened, make: Maker) -> None:
    if not row.peekable:
        assert not hasattr(opened.cache, "peek")
        return
    assert isinstance(opened.cache, Peekable)
    await opened.cache.put("orders/present", make.present(1, ttl_seconds=row.short_seconds))
    await opened.cache.put("orders/absent", make.absent())
    await stage(opened.cache, make.staged(1), key="orders/staged")
    await stage(opened.cache, make.staged(1), key="orders/dirty")
    await opened.cache.keep("orders/dirty", 1, ttl_seconds=3600)
    await opened.cache.invalidate("orders/invalid", 1, ttl_seconds=3600)
    keys = [f"orders/{state}" for state in ("present", "absent", "staged", "dirty", "invalid", "none")]
    assert [opened.cache.peek(key) for key in keys] == await opened.cache.get(keys)
    await opened.advance(row.short_seconds * 1.1)
    assert opened.cache.peek("orders/present") is None


async def test_what_one_user_does_the_other_sees(row: CacheRow, opened: Opened, make: Maker) -> None:
    assert (opened.other is not None) is row.shared
    if opened.other is None:
        return
    await opened.cache.put(KEY, make.present(5))
    assert await state_of(opened.other) == (State.PRESENT, 5)
    await opened.other.invalidate(KEY, 6, ttl_seconds=3600)
    assert not await opened.cache.put(KEY, make.present(5))
    assert await state_of(opened.cache) == (State.INVALID, 6)
