"""What is particular to the in-process cache: its bounds. What every cache promises is in the conformance suite."""

import pytest
from msgspec import structs

from fairlead_workload.caches.base import Entry, Peekable, State
from fairlead_workload.caches.memory import MemoryCache


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def present(version: int, *, body: bytes = b"{}", expires_at: float = 2000.0) -> Entry:
    return Entry(State.PRESENT, version, body, f'"{version}"', 1000.0, expires_at)


def staged(version: int, *, expires_at: float = 1060.0) -> Entry:
    return Entry(State.STAGED, version, b"{}", f'"{version}"', 1000.0, expires_at)


async def write_back(cache: MemoryCache, key: str, version: int) -> None:
    """Stage a write and keep it."""
    await cache.stage(key, staged(version), after=version - 1)
    await cache.keep(key, version, ttl_seconds=3600)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_least_recently_used_entry_goes_first(clock: Clock) -> None:
    cache = MemoryCache(2, clock=clock)
    cache.put_now("a", present(1))
    cache.put_now("b", present(1))
    cache.peek("a")
    cache.put_now("c", present(1))
    assert [cache.peek(key) is not None for key in "abc"] == [True, False, True]
    assert cache.evictions == 1


def test_a_put_counts_as_a_use(clock: Clock) -> None:
    cache = MemoryCache(2, clock=clock)
    cache.put_now("a", present(1))
    cache.put_now("b", present(1))
    cache.put_now("a", present(2))
    cache.put_now("c", present(1))
    assert cache.peek("b") is None
    assert cache.peek("a") == present(2)


async def test_what_is_dirty_is_never_evicted(clock: Clock) -> None:
    cache = MemoryCache(1, clock=clock)
    for number in range(5):
        await write_back(cache, f"dirty{number}", 7)
        await cache.stage(f"staged{number}", staged(7), after=6)
        cache.put_now(f"clean{number}", present(1))
    assert cache.dirty == 10
    assert cache.entries == 11
    assert cache.peek("dirty0") == structs.replace(staged(7), state=State.DIRTY, expires_at=1000.0 + 3600)
    assert cache.peek("staged0") == staged(7)
    assert cache.peek("clean4") is not None


async def test_staged_writes_that_nobody_ends_leave_no_memory_behind(clock: Clock) -> None:
    cache = MemoryCache(10, clock=clock)
    await write_back(cache, "kept", 7)
    for number in range(5):
        await cache.stage(f"staged{number}", staged(7, expires_at=clock.now + 60), after=6)
        clock.now += 25
    assert cache.dirty == 4


def test_bytes_bound_it_as_well_as_entries(clock: Clock) -> None:
    cache = MemoryCache(1000, max_bytes=10_000, clock=clock)
    for number in range(20):
        cache.put_now(str(number), present(1, body=b"x" * 2000))
        assert cache.bytes <= 10_000
    assert 3 <= cache.entries <= 5
    assert cache.peek("19") is not None
    assert cache.peek("0") is None


async def test_the_count_of_bytes_returns_to_zero(clock: Clock) -> None:
    cache = MemoryCache(1000, clock=clock)
    cache.put_now("a", present(1, body=b"x" * 2000))
    cache.put_now("a", present(2, body=b"x" * 10))
    cache.invalidate_now("a", 3, ttl_seconds=5)
    await write_back(cache, "b", 3)
    cache.put_now("c", present(1, expires_at=1001.0))
    clock.now += 10
    assert [cache.peek(key) for key in ("a", "c")] == [None, None]
    assert cache.bytes == 0


def test_what_is_larger_than_the_cache_leaves_a_tombstone_instead_of_older_data(clock: Clock) -> None:
    cache = MemoryCache(10, max_bytes=2000, clock=clock)
    cache.put_now("a", present(1))
    assert not cache.put_now("a", present(2, body=b"x" * 5000))
    entry = cache.peek("a")
    assert entry is not None
    assert (entry.state, entry.version, entry.body) == (State.INVALID, 2, None)


def test_it_can_be_peeked_into() -> None:
    assert isinstance(MemoryCache(1), Peekable)


async def test_closing_forgets_everything(clock: Clock) -> None:
    cache = MemoryCache(10, clock=clock)
    cache.put_now("a", present(1))
    await write_back(cache, "b", 1)
    await cache.stage("c", staged(1), after=0)
    await cache.close()
    assert (cache.entries, cache.bytes) == (0, 0)
