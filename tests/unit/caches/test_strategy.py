"""The strategies, with every fetch, answer, draw and second decided by the test."""

import asyncio
from math import exp

import pytest

from fairlead_contract.spec.api import CacheStrategy, ResourceCache
from fairlead_workload.caches.base import State
from fairlead_workload.caches.freshness import TOMBSTONE_SECONDS
from fairlead_workload.caches.policy import Policy, Status, policy_of
from fairlead_workload.errors import Unavailable

from .stage import (
    KEY,
    READ_THROUGH,
    WRITE_THROUGH,
    body_of,
    set_stage,
    settle_down,
    show,
    version_of,
    write,
)

# Reading through.


async def test_a_miss_is_fetched_stored_and_then_a_hit() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    first = await stage.documents.read(KEY)
    second = await stage.documents.read(KEY)
    assert (first.status, first.stored, first.entry.body) == (Status.MISS, True, body_of(5))
    assert (second.status, second.entry) == (Status.HIT, first.entry)
    assert stage.documents.peek(KEY) == first.entry
    assert stage.origin.fetches == [(KEY, False)]
    assert (stage.documents.misses, stage.documents.hits) == (1, 2)


async def test_an_entry_is_fetched_again_after_its_time() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    await stage.documents.read(KEY)
    stage.clock.now += 60
    assert stage.documents.peek(KEY) is None
    assert (await stage.documents.read(KEY)).status is Status.MISS


@pytest.mark.parametrize(("draw", "expected"), [(0.0, 54.0), (0.5, 60.0), (0.999999, 66.0)])
async def test_times_to_live_vary_by_a_tenth(draw: float, expected: float) -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    stage.random.append(draw)
    entry = (await stage.documents.read(KEY)).entry
    assert entry.expires_at - entry.stored_at == pytest.approx(expected, abs=0.001)


async def test_of_a_hundred_readers_one_fetches() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    stage.origin.held = True
    readers = [asyncio.create_task(stage.documents.read(KEY)) for _ in range(100)]
    await settle_down()
    await stage.origin.release()
    lookups = await asyncio.gather(*readers)
    assert len(stage.origin.fetches) == 1
    assert {version_of(lookup) for lookup in lookups} == {5}
    assert [lookup.collapsed for lookup in lookups] == [False] + [True] * 99
    assert stage.documents.collapsed == 99


async def test_different_keys_do_not_wait_for_each_other() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.held = True
    readers = [asyncio.create_task(stage.documents.read(f"orders/{number}")) for number in range(3)]
    await settle_down()
    assert len(stage.origin.fetches) == 3
    await stage.origin.release()
    await asyncio.gather(*readers)


async def test_a_reader_who_leaves_does_not_take_the_fetch_with_him() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    stage.origin.held = True
    leader = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    follower = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    await stage.origin.release()
    assert version_of(await follower) == 5
    assert len(stage.origin.fetches) == 1


async def test_a_fetch_that_nobody_waits_for_still_fills_the_cache() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    stage.origin.held = True
    reader = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    reader.cancel()
    await stage.origin.release()
    assert stage.documents.peek(KEY) is not None


async def test_an_error_is_shared_and_not_remembered() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    stage.origin.held = True
    stage.origin.error = Unavailable("datastore", "timed out")
    readers = [asyncio.create_task(stage.documents.read(KEY)) for _ in range(10)]
    await settle_down()
    await stage.origin.release()
    outcomes = await asyncio.gather(*readers, return_exceptions=True)
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert len(stage.origin.fetches) == 1
    stage.origin.error = None
    stage.origin.held = False
    assert version_of(await stage.documents.read(KEY)) == 5


# What is not there.


async def test_an_absence_is_cached_for_its_own_shorter_time() -> None:
    stage = set_stage(READ_THROUGH)
    first = await stage.documents.read(KEY)
    second = await stage.documents.read(KEY)
    assert (first.entry.state, first.entry.version, first.status) == (State.ABSENT, 0, Status.MISS)
    assert (second.entry.body, second.status) == (None, Status.HIT)
    assert stage.documents.negative_hits == 1
    stage.clock.now += 5
    assert (await stage.documents.read(KEY)).status is Status.MISS


@pytest.mark.parametrize("policy", [READ_THROUGH, WRITE_THROUGH], ids=["read-through", "write-through"])
async def test_an_absence_ends_with_the_creation(policy: Policy) -> None:
    stage = set_stage(policy)
    await stage.documents.read(KEY)
    await write(stage, 900)
    assert version_of(await stage.documents.read(KEY)) == 900


async def test_no_absence_is_cached_when_its_time_is_zero() -> None:
    stage = set_stage(Policy(negative_ttl_seconds=0))
    assert not (await stage.documents.read(KEY)).stored
    assert (await stage.documents.read(KEY)).status is Status.MISS


# Writes.


async def test_read_through_forgets_what_is_written() -> None:
    stage = set_stage(READ_THROUGH)
    await write(stage, 5)
    await stage.documents.read(KEY)
    await write(stage, 6)
    assert stage.documents.peek(KEY) is None
    lookup = await stage.documents.read(KEY)
    assert (version_of(lookup), lookup.status, lookup.stored) == (6, Status.STALE, True)
    assert stage.origin.fetches[-1] == (KEY, True), "a replica may not have what was just written"


async def test_write_through_keeps_what_is_written() -> None:
    stage = set_stage(WRITE_THROUGH)
    await write(stage, 6)
    lookup = await stage.documents.read(KEY)
    assert (version_of(lookup), lookup.status, lookup.entry.body) == (6, Status.HIT, body_of(6))
    assert stage.origin.fetches == []


@pytest.mark.parametrize("policy", [READ_THROUGH, WRITE_THROUGH], ids=["read-through", "write-through"])
async def test_what_is_deleted_is_not_served(policy: Policy) -> None:
    stage = set_stage(policy)
    await write(stage, 5)
    await stage.documents.read(KEY)
    del stage.origin.versions[KEY]
    await stage.documents.deleted(KEY, 6)
    assert (await stage.documents.read(KEY)).entry.body is None


async def test_deleting_nothing_changes_nothing() -> None:
    stage = set_stage(READ_THROUGH)
    await stage.documents.read(KEY)
    await stage.documents.deleted(KEY, 0)
    assert (await stage.documents.read(KEY)).status is Status.HIT


@pytest.mark.parametrize("policy", [READ_THROUGH, WRITE_THROUGH], ids=["read-through", "write-through"])
async def test_a_write_during_a_fetch_wins(policy: Policy) -> None:
    stage = set_stage(policy)
    stage.origin.versions[KEY] = 5
    stage.origin.held = True
    early = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    stage.origin.held = False
    await write(stage, 6)
    late = await stage.documents.read(KEY)
    await stage.origin.release()
    assert version_of(late) == 6, "who begins after the write does not join the fetch from before it"
    assert (version_of(await early), (await early).stored) == (5, False)
    assert version_of(await stage.documents.read(KEY)) == 6


async def test_a_fetch_from_before_a_write_is_not_stored_even_when_the_tombstone_has_expired() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    stage.origin.held = True
    early = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    await write(stage, 6)
    stage.clock.now += TOMBSTONE_SECONDS + 1
    await stage.origin.release()
    assert not (await early).stored
    assert stage.memory.peek(KEY) is None


async def test_a_relay_that_comes_late_takes_nothing_newer() -> None:
    stage = set_stage(WRITE_THROUGH)
    await write(stage, 6)
    await stage.documents.invalidate(KEY, 5)
    await stage.documents.invalidate(KEY, 6)
    assert (await stage.documents.read(KEY)).status is Status.HIT


async def test_flushing_forgets_everything_and_every_fetch_under_way() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    await stage.documents.read(KEY)
    stage.origin.held = True
    other = asyncio.create_task(stage.documents.read("orders/2"))
    await settle_down()
    await stage.documents.flush()
    await stage.origin.release()
    assert not (await other).stored
    assert stage.memory.entries == 0


# Revalidation and bypass.


async def test_revalidation_reads_strongly_and_stores() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    await stage.documents.read(KEY)
    stage.origin.versions[KEY] = 6  # written by another process, without a notification of this cache
    assert version_of(await stage.documents.read(KEY)) == 5
    lookup = await stage.documents.read(KEY, revalidate=True)
    assert (version_of(lookup), lookup.status, lookup.stored) == (6, Status.REQUEST, True)
    assert stage.origin.fetches[-1] == (KEY, True)
    assert version_of(await stage.documents.read(KEY)) == 6


async def test_revalidation_does_not_join_an_earlier_fetch() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    stage.origin.held = True
    early = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    stage.origin.versions[KEY] = 6
    revalidation = asyncio.create_task(stage.documents.read(KEY, revalidate=True))
    await settle_down()
    await stage.origin.release()
    assert (version_of(await early), version_of(await revalidation)) == (5, 6)
    assert version_of(await stage.documents.read(KEY)) == 6


async def test_revalidation_that_finds_a_deletion_ends_what_was_cached() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    await stage.documents.read(KEY)
    del stage.origin.versions[KEY]
    assert (await stage.documents.read(KEY, revalidate=True)).entry.body is None
    assert (await stage.documents.read(KEY)).entry.body is None


@pytest.mark.parametrize(
    ("policy", "strong"),
    [(Policy(strategy=CacheStrategy.NONE), False), (Policy(strong=True), True)],
    ids=["no strategy", "strong reads"],
)
async def test_without_use_of_the_cache_everything_comes_from_the_store(policy: Policy, strong: bool) -> None:
    stage = set_stage(policy)
    stage.origin.versions[KEY] = 5
    await stage.documents.pending(KEY)
    for _ in range(2):
        lookup = await stage.documents.read(KEY)
        assert (version_of(lookup), lookup.status, lookup.stored) == (5, Status.BYPASS, False)
    await write(stage, 6)
    await stage.documents.deleted(KEY, 7)
    assert not await show(stage.documents, 8)
    assert stage.documents.peek(KEY) is None
    assert stage.memory.entries == 0
    assert stage.origin.fetches == [(KEY, strong)] * 2


# Early refresh.


def draw_for(left: float, fetch_seconds: float) -> float:
    """The draw at which an entry with this much time left is just due."""
    return 1 - exp(-left / fetch_seconds)


@pytest.mark.parametrize(("nudge", "refreshes"), [(+1e-6, 1), (-1e-6, 0)], ids=["due", "not due"])
async def test_a_popular_entry_is_refreshed_early_by_the_draw(nudge: float, refreshes: int) -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    stage.origin.seconds = 2
    entry = (await stage.documents.read(KEY)).entry
    assert entry.fetch_seconds == 2
    stage.clock.now = entry.expires_at - 3
    stage.random.append(draw_for(3, 2) + nudge)
    assert (await stage.documents.read(KEY)).status is Status.HIT
    await settle_down()
    assert stage.documents.refreshes == refreshes
    assert len(stage.origin.fetches) == 1 + refreshes


async def test_only_one_refreshes_and_the_others_are_served() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    stage.origin.seconds = 2
    old = (await stage.documents.read(KEY)).entry
    stage.clock.now = old.expires_at - 3
    stage.origin.held = True
    for _ in range(10):
        stage.random.append(0.999)
        assert (await stage.documents.read(KEY)).entry == old
        await settle_down()
    assert stage.documents.refreshes == 1
    stage.random.clear()
    await stage.origin.release()
    new = stage.documents.peek(KEY)
    assert new is not None
    assert new.expires_at > old.expires_at


async def test_peek_leaves_what_may_be_due_to_read() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    stage.origin.seconds = 2
    entry = (await stage.documents.read(KEY)).entry
    stage.clock.now = entry.expires_at - 20.5
    assert stage.documents.peek(KEY) == entry
    stage.clock.now = entry.expires_at - 20
    assert stage.documents.peek(KEY) is None


async def test_a_refresh_that_fails_disturbs_nobody() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    stage.origin.seconds = 2
    entry = (await stage.documents.read(KEY)).entry
    stage.clock.now = entry.expires_at - 3
    stage.origin.error = Unavailable("datastore", "timed out")
    stage.random.append(0.999)
    assert (await stage.documents.read(KEY)).entry == entry
    await settle_down()
    assert stage.documents.refreshes == 1
    assert (await stage.documents.read(KEY)).entry == entry


async def test_a_write_during_a_refresh_wins() -> None:
    stage = set_stage(WRITE_THROUGH)
    stage.origin.versions[KEY] = 5
    stage.origin.seconds = 2
    entry = (await stage.documents.read(KEY)).entry
    stage.clock.now = entry.expires_at - 3
    stage.origin.held = True
    stage.random.append(0.999)
    await stage.documents.read(KEY)
    await settle_down()
    await write(stage, 6)
    await stage.origin.release()
    assert version_of(await stage.documents.read(KEY)) == 6


# The rest.


async def test_closing_abandons_what_is_under_way() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.held = True
    reader = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    await stage.documents.close()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert stage.origin.running == 0


def test_the_policy_is_what_the_resource_declares() -> None:
    declared = ResourceCache.model_validate(
        {"strategy": "WriteThrough", "ttl": "5m", "negativeTtl": "0s", "local": {"ttl": "250ms", "maxEntries": 7}}
    )
    assert policy_of(declared, strong=True) == Policy(CacheStrategy.WRITE_THROUGH, 300.0, 0.0, 0.25, 7, strong=True)
    assert not policy_of(declared, strong=True).caches
    assert policy_of(declared, strong=False).caches
    assert not policy_of(ResourceCache(), strong=False).caches


# A read replica of the store.


@pytest.mark.parametrize("policy", [Policy(strategy=CacheStrategy.NONE, lag_seconds=90), Policy(lag_seconds=90)])
async def test_what_this_process_wrote_is_read_strongly_for_as_long_as_the_replica_lags(policy) -> None:
    stage = set_stage(policy)
    stage.origin.versions[KEY] = 5
    await stage.documents.invalidate(KEY, 5)
    stage.clock.now += 89
    await stage.documents.read(KEY, revalidate=False)
    stage.clock.now += 90 + policy.ttl_seconds
    await stage.documents.read(KEY)
    assert stage.origin.fetches == [(KEY, True), (KEY, False)]


@pytest.mark.parametrize("note", ["maybe_written", "pending"])
async def test_a_write_whose_end_is_not_known_is_read_strongly_without_a_cache_too(note) -> None:
    stage = set_stage(Policy(strategy=CacheStrategy.NONE, lag_seconds=2))
    await (stage.documents.pending(KEY) if note == "pending" else stage.documents.maybe_written(KEY, 5))
    await stage.documents.read(KEY)
    assert stage.origin.fetches == [(KEY, True)]


async def test_without_a_replica_no_write_makes_reads_strong_that_go_past_the_cache() -> None:
    stage = set_stage(Policy(strategy=CacheStrategy.NONE))
    await stage.documents.invalidate(KEY, 5)
    await stage.documents.read(KEY)
    assert stage.origin.fetches == [(KEY, False)]
