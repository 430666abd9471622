"""The strategies, with every fetch, answer, draw and second decided by the test."""

import asyncio
from math import exp

import pytest

from fairlead_contract.api import CacheStrategy, ResourceCache
from fairlead_workload.caches.base import State
from fairlead_workload.caches.policy import Lookup, Policy, Status, policy_of
from fairlead_workload.caches.strategy import PENDING_SECONDS, TOMBSTONE_SECONDS
from fairlead_workload.errors import Unavailable

from .stage import KEY, Stage, body_of, set_stage, settle_down

READ_THROUGH = Policy(ttl_seconds=60, negative_ttl_seconds=5)
WRITE_THROUGH = Policy(strategy=CacheStrategy.WRITE_THROUGH, ttl_seconds=60, negative_ttl_seconds=5)
WRITE_BACK = Policy(strategy=CacheStrategy.WRITE_BACK, ttl_seconds=60, negative_ttl_seconds=5)
TWO_LAYERS = Policy(ttl_seconds=60, negative_ttl_seconds=5, local_ttl_seconds=2)


async def write(stage: Stage, version: int) -> None:
    stage.store.versions[KEY] = version
    await stage.documents.written(KEY, version, body_of(version), f'"{version}"')


def version_of(lookup: Lookup) -> int:
    return lookup.entry.version


# Reading through.


async def test_a_miss_is_fetched_stored_and_then_a_hit() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    first = await stage.documents.read(KEY)
    second = await stage.documents.read(KEY)
    assert (first.status, first.stored, first.entry.body) == (Status.MISS, True, body_of(5))
    assert (second.status, second.entry) == (Status.HIT, first.entry)
    assert stage.documents.peek(KEY) == first.entry
    assert stage.store.fetches == [(KEY, False)]
    assert (stage.documents.misses, stage.documents.hits) == (1, 2)


async def test_an_entry_is_fetched_again_after_its_time() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    await stage.documents.read(KEY)
    stage.clock.now += 60
    assert stage.documents.peek(KEY) is None
    assert (await stage.documents.read(KEY)).status is Status.MISS


@pytest.mark.parametrize(("draw", "expected"), [(0.0, 54.0), (0.5, 60.0), (0.999999, 66.0)])
async def test_times_to_live_vary_by_a_tenth(draw: float, expected: float) -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    stage.random.append(draw)
    entry = (await stage.documents.read(KEY)).entry
    assert entry.expires_at - entry.stored_at == pytest.approx(expected, abs=0.001)


async def test_of_a_hundred_readers_one_fetches() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    stage.store.held = True
    readers = [asyncio.create_task(stage.documents.read(KEY)) for _ in range(100)]
    await settle_down()
    await stage.store.release()
    lookups = await asyncio.gather(*readers)
    assert len(stage.store.fetches) == 1
    assert {version_of(lookup) for lookup in lookups} == {5}
    assert [lookup.collapsed for lookup in lookups] == [False] + [True] * 99
    assert stage.documents.collapsed == 99


async def test_different_keys_do_not_wait_for_each_other() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.held = True
    readers = [asyncio.create_task(stage.documents.read(f"orders/{number}")) for number in range(3)]
    await settle_down()
    assert len(stage.store.fetches) == 3
    await stage.store.release()
    await asyncio.gather(*readers)


async def test_a_reader_who_leaves_does_not_take_the_fetch_with_him() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    stage.store.held = True
    leader = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    follower = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    await stage.store.release()
    assert version_of(await follower) == 5
    assert len(stage.store.fetches) == 1


async def test_a_fetch_that_nobody_waits_for_still_fills_the_cache() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    stage.store.held = True
    reader = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    reader.cancel()
    await stage.store.release()
    assert stage.documents.peek(KEY) is not None


async def test_an_error_is_shared_and_not_remembered() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    stage.store.held = True
    stage.store.error = Unavailable("datastore", "timed out")
    readers = [asyncio.create_task(stage.documents.read(KEY)) for _ in range(10)]
    await settle_down()
    await stage.store.release()
    outcomes = await asyncio.gather(*readers, return_exceptions=True)
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert len(stage.store.fetches) == 1
    stage.store.error = None
    stage.store.held = False
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
    assert stage.store.fetches[-1] == (KEY, True), "a replica may not have what was just written"


async def test_write_through_keeps_what_is_written() -> None:
    stage = set_stage(WRITE_THROUGH)
    await write(stage, 6)
    lookup = await stage.documents.read(KEY)
    assert (version_of(lookup), lookup.status, lookup.entry.body) == (6, Status.HIT, body_of(6))
    assert stage.store.fetches == []


@pytest.mark.parametrize("policy", [READ_THROUGH, WRITE_THROUGH], ids=["read-through", "write-through"])
async def test_what_is_deleted_is_not_served(policy: Policy) -> None:
    stage = set_stage(policy)
    await write(stage, 5)
    await stage.documents.read(KEY)
    del stage.store.versions[KEY]
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
    stage.store.versions[KEY] = 5
    stage.store.held = True
    early = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    stage.store.held = False
    await write(stage, 6)
    late = await stage.documents.read(KEY)
    await stage.store.release()
    assert version_of(late) == 6, "who begins after the write does not join the fetch from before it"
    assert (version_of(await early), (await early).stored) == (5, False)
    assert version_of(await stage.documents.read(KEY)) == 6


async def test_a_fetch_from_before_a_write_is_not_stored_even_when_the_tombstone_has_expired() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    stage.store.held = True
    early = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    await write(stage, 6)
    stage.clock.now += TOMBSTONE_SECONDS + 1
    await stage.store.release()
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
    stage.store.versions[KEY] = 5
    await stage.documents.read(KEY)
    stage.store.held = True
    other = asyncio.create_task(stage.documents.read("orders/2"))
    await settle_down()
    await stage.documents.flush()
    await stage.store.release()
    assert not (await other).stored
    assert stage.memory.entries == 0


# Revalidation and bypass.


async def test_revalidation_reads_strongly_and_stores() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    await stage.documents.read(KEY)
    stage.store.versions[KEY] = 6  # written by someone of whom this cache has not heard
    assert version_of(await stage.documents.read(KEY)) == 5
    lookup = await stage.documents.read(KEY, revalidate=True)
    assert (version_of(lookup), lookup.status, lookup.stored) == (6, Status.REQUEST, True)
    assert stage.store.fetches[-1] == (KEY, True)
    assert version_of(await stage.documents.read(KEY)) == 6


async def test_revalidation_does_not_join_an_earlier_fetch() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    stage.store.held = True
    early = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    stage.store.versions[KEY] = 6
    revalidation = asyncio.create_task(stage.documents.read(KEY, revalidate=True))
    await settle_down()
    await stage.store.release()
    assert (version_of(await early), version_of(await revalidation)) == (5, 6)
    assert version_of(await stage.documents.read(KEY)) == 6


async def test_revalidation_that_finds_a_deletion_ends_what_was_cached() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    await stage.documents.read(KEY)
    del stage.store.versions[KEY]
    assert (await stage.documents.read(KEY, revalidate=True)).entry.body is None
    assert (await stage.documents.read(KEY)).entry.body is None


@pytest.mark.parametrize(
    ("policy", "strong"),
    [(Policy(strategy=CacheStrategy.NONE), False), (Policy(strong=True), True)],
    ids=["no strategy", "strong reads"],
)
async def test_without_use_of_the_cache_everything_comes_from_the_store(policy: Policy, strong: bool) -> None:
    stage = set_stage(policy)
    stage.store.versions[KEY] = 5
    await stage.documents.pending(KEY)
    for _ in range(2):
        lookup = await stage.documents.read(KEY)
        assert (version_of(lookup), lookup.status, lookup.stored) == (5, Status.BYPASS, False)
    await write(stage, 6)
    await stage.documents.deleted(KEY, 7)
    assert not await stage.documents.stage(KEY, 8, b"{}", '"8"')
    assert stage.documents.peek(KEY) is None
    assert stage.memory.entries == 0
    assert stage.store.fetches == [(KEY, strong)] * 2


# Early refresh.


def draw_for(left: float, fetch_seconds: float) -> float:
    """The draw at which an entry with this much time left is just due."""
    return 1 - exp(-left / fetch_seconds)


@pytest.mark.parametrize(("nudge", "refreshes"), [(+1e-6, 1), (-1e-6, 0)], ids=["due", "not due"])
async def test_a_popular_entry_is_refreshed_early_by_the_draw(nudge: float, refreshes: int) -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    stage.store.seconds = 2
    entry = (await stage.documents.read(KEY)).entry
    assert entry.fetch_seconds == 2
    stage.clock.now = entry.expires_at - 3
    stage.random.append(draw_for(3, 2) + nudge)
    assert (await stage.documents.read(KEY)).status is Status.HIT
    await settle_down()
    assert stage.documents.refreshes == refreshes
    assert len(stage.store.fetches) == 1 + refreshes


async def test_only_one_refreshes_and_the_others_are_served() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    stage.store.seconds = 2
    old = (await stage.documents.read(KEY)).entry
    stage.clock.now = old.expires_at - 3
    stage.store.held = True
    for _ in range(10):
        stage.random.append(0.999)
        assert (await stage.documents.read(KEY)).entry == old
        await settle_down()
    assert stage.documents.refreshes == 1
    stage.random.clear()
    await stage.store.release()
    new = stage.documents.peek(KEY)
    assert new is not None
    assert new.expires_at > old.expires_at


async def test_peek_leaves_what_may_be_due_to_read() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    stage.store.seconds = 2
    entry = (await stage.documents.read(KEY)).entry
    stage.clock.now = entry.expires_at - 20.5
    assert stage.documents.peek(KEY) == entry
    stage.clock.now = entry.expires_at - 20
    assert stage.documents.peek(KEY) is None


async def test_a_refresh_that_fails_disturbs_nobody() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    stage.store.seconds = 2
    entry = (await stage.documents.read(KEY)).entry
    stage.clock.now = entry.expires_at - 3
    stage.store.error = Unavailable("datastore", "timed out")
    stage.random.append(0.999)
    assert (await stage.documents.read(KEY)).entry == entry
    await settle_down()
    assert stage.documents.refreshes == 1
    assert (await stage.documents.read(KEY)).entry == entry


async def test_a_write_during_a_refresh_wins() -> None:
    stage = set_stage(WRITE_THROUGH)
    stage.store.versions[KEY] = 5
    stage.store.seconds = 2
    entry = (await stage.documents.read(KEY)).entry
    stage.clock.now = entry.expires_at - 3
    stage.store.held = True
    stage.random.append(0.999)
    await stage.documents.read(KEY)
    await settle_down()
    await write(stage, 6)
    await stage.store.release()
    assert version_of(await stage.documents.read(KEY)) == 6


# Accepted writes.


async def test_the_absence_of_an_accepted_document_is_not_cached() -> None:
    stage = set_stage(READ_THROUGH)
    await stage.documents.read(KEY)  # an absence somebody asked for before
    await stage.documents.pending(KEY)
    lookup = await stage.documents.read(KEY)
    assert (lookup.entry.body, lookup.stored) == (None, False)
    stage.store.versions[KEY] = 900  # applied; the invalidation has not arrived
    assert version_of(await stage.documents.read(KEY)) == 900


async def test_while_a_write_is_pending_documents_are_cached_briefly() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.versions[KEY] = 5
    await stage.documents.pending(KEY)
    entry = (await stage.documents.read(KEY)).entry
    assert entry.expires_at - entry.stored_at == pytest.approx(1.0)
    assert stage.store.fetches == [(KEY, True)]


async def test_pending_ends_when_the_write_is_heard_of() -> None:
    stage = set_stage(READ_THROUGH)
    await stage.documents.pending(KEY)
    await write(stage, 6)
    entry = (await stage.documents.read(KEY)).entry
    assert entry.expires_at - entry.stored_at == pytest.approx(60)


async def test_pending_ends_after_its_time() -> None:
    stage = set_stage(READ_THROUGH)
    await stage.documents.pending(KEY)
    stage.clock.now += PENDING_SECONDS
    assert (await stage.documents.read(KEY)).stored
    assert (await stage.documents.read(KEY)).status is Status.HIT


async def test_pending_is_known_to_others_who_share_the_cache() -> None:
    stage = set_stage(READ_THROUGH, far=True)
    await stage.documents.pending(KEY)
    entry = stage.memory.peek(KEY)
    assert entry is not None
    assert (entry.state, entry.version) == (State.INVALID, 1)


# Write-back.


async def test_a_staged_write_is_served_until_the_store_has_it() -> None:
    stage = set_stage(WRITE_BACK)
    stage.store.versions[KEY] = 5
    await stage.documents.read(KEY)
    assert await stage.documents.stage(KEY, 6, body_of(6), '"6"')
    stage.clock.now += 1e6
    for revalidate in (False, True):
        lookup = await stage.documents.read(KEY, revalidate=revalidate)
        assert (version_of(lookup), lookup.status, lookup.entry.body) == (6, Status.HIT, body_of(6))
    stage.store.versions[KEY] = 6
    assert await stage.documents.settle(KEY, 6)
    entry = stage.documents.peek(KEY)
    assert entry is not None
    assert (entry.state, entry.version) == (State.PRESENT, 6)
    assert entry.expires_at == stage.clock.now + 60


async def test_a_staged_deletion_reads_as_absent() -> None:
    stage = set_stage(WRITE_BACK)
    stage.store.versions[KEY] = 5
    await stage.documents.read(KEY)
    assert await stage.documents.stage(KEY, 6, None, "")
    lookup = await stage.documents.read(KEY)
    assert (lookup.entry.body, lookup.status) == (None, Status.HIT)
    del stage.store.versions[KEY]
    await stage.documents.settle(KEY, 6, absent=True)
    entry = stage.documents.peek(KEY)
    assert entry is not None
    assert (entry.state, entry.expires_at) == (State.ABSENT, stage.clock.now + 5)


async def test_a_write_that_could_not_be_published_is_taken_back() -> None:
    stage = set_stage(WRITE_BACK)
    stage.store.versions[KEY] = 5
    await stage.documents.stage(KEY, 6, body_of(6), '"6"')
    await stage.documents.discard(KEY, 6)
    assert version_of(await stage.documents.read(KEY)) == 5


async def test_only_ones_own_write_is_taken_back() -> None:
    stage = set_stage(WRITE_BACK)
    await stage.documents.stage(KEY, 6, body_of(6), '"6"')
    await stage.documents.stage(KEY, 7, body_of(7), '"7"')
    await stage.documents.discard(KEY, 6)
    assert version_of(await stage.documents.read(KEY)) == 7
    await stage.documents.settle(KEY, 6)
    entry = stage.documents.peek(KEY)
    assert entry is not None
    assert (entry.state, entry.version) == (State.DIRTY, 7)


async def test_an_older_write_is_not_staged_over_a_newer_one() -> None:
    stage = set_stage(WRITE_BACK)
    await stage.documents.stage(KEY, 7, body_of(7), '"7"')
    assert not await stage.documents.stage(KEY, 6, body_of(6), '"6"')
    assert version_of(await stage.documents.read(KEY)) == 7


async def test_settling_what_the_cache_has_lost_ends_older_entries() -> None:
    stage = set_stage(WRITE_BACK)
    await stage.documents.stage(KEY, 6, body_of(6), '"6"')
    await stage.memory.close()  # the cache lost everything
    stage.store.versions[KEY] = 5
    assert version_of(await stage.documents.read(KEY)) == 5
    stage.store.versions[KEY] = 6
    await stage.documents.settle(KEY, 6)
    assert version_of(await stage.documents.read(KEY)) == 6


async def test_nothing_is_staged_while_the_cache_is_down() -> None:
    stage = set_stage(WRITE_BACK, far=True)
    stage.far.down = True
    assert not await stage.documents.stage(KEY, 6, body_of(6), '"6"')
    assert not await stage.documents.settle(KEY, 6)
    await stage.documents.discard(KEY, 6)


async def test_a_write_whose_staging_got_no_answer_is_taken_back() -> None:
    stage = set_stage(WRITE_BACK, far=True)
    stage.far.held = True
    staging = asyncio.create_task(stage.documents.stage(KEY, 6, body_of(6), '"6"'))
    await settle_down()
    stage.far.gates.pop().set_result(None)  # it arrives
    await settle_down()
    stage.far.down = True
    stage.far.gates.pop().set_result(None)  # the answer does not
    await asyncio.sleep(0)
    stage.far.down, stage.far.held = False, False
    await stage.far.release()
    assert not await staging
    entry = stage.memory.peek(KEY)
    assert entry is not None
    assert (entry.state, entry.version) == (State.INVALID, 5)


# The cache is down.


async def test_without_the_cache_reads_and_writes_go_on() -> None:
    stage = set_stage(WRITE_THROUGH, far=True)
    stage.store.versions[KEY] = 5
    stage.far.down = True
    lookup = await stage.documents.read(KEY)
    assert (version_of(lookup), lookup.status, lookup.stored) == (5, Status.BYPASS, False)
    assert stage.documents.degraded
    await write(stage, 6)
    await stage.documents.deleted("orders/2", 3)
    await stage.documents.pending("orders/3")
    await stage.documents.flush()
    assert stage.documents.errors == 5
    stage.far.down = False
    await stage.documents.read(KEY)
    assert not stage.documents.degraded


async def test_without_the_cache_the_store_is_asked_by_few_at_a_time() -> None:
    stage = set_stage(READ_THROUGH, far=True, degraded_concurrency=3)
    stage.far.down = True
    stage.store.held = True
    readers = [asyncio.create_task(stage.documents.read(f"orders/{number}")) for number in range(10)]
    await settle_down()
    assert stage.store.running == 3
    while not all(reader.done() for reader in readers):
        await stage.store.release()
    assert len(stage.store.fetches) == 10
    assert stage.store.most_running == 3


async def test_a_write_the_cache_has_not_heard_of_is_not_hidden_by_what_it_still_has() -> None:
    stage = set_stage(READ_THROUGH, far=True)
    await write(stage, 5)
    await stage.documents.read(KEY)
    stage.far.down = True
    await write(stage, 6)
    stage.far.down = False
    lookup = await stage.documents.read(KEY)
    assert (version_of(lookup), lookup.status) == (6, Status.STALE)
    healed = stage.memory.peek(KEY)
    assert healed is not None
    assert healed.version == 6


async def test_a_recent_write_is_read_strongly_while_the_cache_is_down() -> None:
    stage = set_stage(READ_THROUGH, far=True)
    await write(stage, 5)
    stage.far.down = True
    await stage.documents.read(KEY)
    await stage.documents.read("orders/2")
    stage.clock.now += TOMBSTONE_SECONDS
    await stage.documents.read(KEY)
    assert stage.store.fetches == [(KEY, True), ("orders/2", False), (KEY, False)]


# A layer of its own before a shared cache.


async def test_the_local_layer_answers_without_asking_for_its_short_time() -> None:
    stage = set_stage(TWO_LAYERS, far=True)
    stage.store.versions[KEY] = 5
    await stage.documents.read(KEY)
    stage.far.calls.clear()
    assert stage.documents.peek(KEY) is not None
    assert (await stage.documents.read(KEY)).status is Status.HIT
    assert stage.far.calls == []
    stage.clock.now += 2
    assert stage.documents.peek(KEY) is None
    assert (await stage.documents.read(KEY)).status is Status.HIT
    assert stage.far.calls == ["get"]
    assert len(stage.store.fetches) == 1


async def test_the_local_layer_never_outlives_the_shared_entry() -> None:
    stage = set_stage(TWO_LAYERS, far=True)
    stage.store.versions[KEY] = 5
    await stage.documents.read(KEY)
    stage.clock.now += 59
    await stage.documents.read(KEY)
    stage.clock.now += 1
    assert stage.documents.peek(KEY) is None


async def test_age_is_counted_from_the_fetch_in_both_layers() -> None:
    stage = set_stage(TWO_LAYERS, far=True)
    stage.store.versions[KEY] = 5
    fetched = (await stage.documents.read(KEY)).entry
    stage.clock.now += 30
    await stage.documents.read(KEY)
    entry = stage.documents.peek(KEY)
    assert entry is not None
    assert entry.stored_at == fetched.stored_at


async def test_a_staged_write_is_not_kept_locally() -> None:
    policy = Policy(strategy=CacheStrategy.WRITE_BACK, local_ttl_seconds=2)
    stage = set_stage(policy, far=True)
    await stage.documents.stage(KEY, 6, body_of(6), '"6"')
    assert version_of(await stage.documents.read(KEY)) == 6
    assert stage.documents.peek(KEY) is None


async def test_an_answer_of_the_shared_cache_from_before_a_write_is_not_kept_locally() -> None:
    stage = set_stage(TWO_LAYERS, far=True)
    await write(stage, 5)
    await stage.documents.read(KEY)
    stage.clock.now += 2  # the local layer has forgotten it
    stage.far.held = True
    early = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    stage.far.gates.pop().set_result(None)  # read there, the answer is on its way
    await settle_down()
    answer = stage.far.gates.pop()
    stage.far.held = False
    await write(stage, 6)
    stage.clock.now += 2  # the local tombstone has expired, too
    answer.set_result(None)
    assert version_of(await early) == 5
    assert version_of(await stage.documents.read(KEY)) == 6


async def test_a_write_ends_the_local_copy() -> None:
    stage = set_stage(TWO_LAYERS, far=True)
    await write(stage, 5)
    await stage.documents.read(KEY)
    assert stage.documents.peek(KEY) is not None
    await write(stage, 6)
    assert stage.documents.peek(KEY) is None
    assert version_of(await stage.documents.read(KEY)) == 6


async def test_the_local_layer_is_left_out_before_an_in_process_cache() -> None:
    stage = set_stage(TWO_LAYERS)
    stage.store.versions[KEY] = 5
    await stage.documents.read(KEY)
    stage.clock.now += 30
    assert stage.documents.peek(KEY) == stage.memory.peek(KEY)


async def test_an_early_refresh_goes_by_the_shared_entry() -> None:
    stage = set_stage(TWO_LAYERS, far=True)
    stage.store.versions[KEY] = 5
    stage.store.seconds = 1
    entry = (await stage.documents.read(KEY)).entry
    stage.clock.now += 1.5  # nearly expired locally, fresh in the shared cache
    stage.random.extend([0.999] * 4)
    await stage.documents.read(KEY)
    await settle_down()
    assert stage.documents.refreshes == 0
    stage.random.clear()
    stage.clock.now = entry.expires_at - 2
    stage.random.extend([0.5, 0.999])  # jitter of the local copy, then the draw
    assert (await stage.documents.read(KEY)).status is Status.HIT
    await settle_down()
    assert stage.documents.refreshes == 1


# The rest.


async def test_closing_abandons_what_is_under_way() -> None:
    stage = set_stage(READ_THROUGH)
    stage.store.held = True
    reader = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    await stage.documents.close()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert stage.store.running == 0


def test_the_policy_is_what_the_resource_declares() -> None:
    declared = ResourceCache.model_validate(
        {"strategy": "WriteThrough", "ttl": "5m", "negativeTtl": "0s", "local": {"ttl": "250ms", "maxEntries": 7}}
    )
    assert policy_of(declared, strong=True) == Policy(CacheStrategy.WRITE_THROUGH, 300.0, 0.0, 0.25, 7, strong=True)
    assert not policy_of(declared, strong=True).caches
    assert policy_of(declared, strong=False).caches
    assert not policy_of(ResourceCache(), strong=False).caches
