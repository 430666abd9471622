"""A cache that is down, and a layer of its own before a shared cache."""

import asyncio

import pytest

from fairlead_contract.spec.api import CacheStrategy
from fairlead_workload.caches.base import State
from fairlead_workload.caches.freshness import TOMBSTONE_SECONDS
from fairlead_workload.caches.policy import Policy, Status

from .stage import (
    KEY,
    READ_THROUGH,
    TWO_LAYERS,
    WRITE_THROUGH,
    set_stage,
    settle_down,
    show,
    version_of,
    write,
)

# The cache is down.


async def test_without_the_cache_reads_and_writes_go_on() -> None:
    stage = set_stage(WRITE_THROUGH, far=True)
    stage.origin.versions[KEY] = 5
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
    stage.origin.held = True
    readers = [asyncio.create_task(stage.documents.read(f"orders/{number}")) for number in range(10)]
    await settle_down()
    assert stage.origin.running == 3
    while not all(reader.done() for reader in readers):
        await stage.origin.release()
    assert len(stage.origin.fetches) == 10
    assert stage.origin.most_running == 3


async def test_a_write_the_cache_was_not_notified_of_is_not_hidden_by_what_it_still_has() -> None:
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
    assert stage.origin.fetches == [(KEY, True), ("orders/2", False), (KEY, False)]


# What the cache has not confirmed.


async def test_a_write_says_whether_the_cache_has_confirmed_it() -> None:
    stage = set_stage(WRITE_THROUGH, far=True)
    assert await write(stage, 5)
    assert await stage.documents.deleted("orders/2", 3)
    stage.far.down = True
    assert not await write(stage, 6)
    assert not await stage.documents.deleted("orders/2", 4)
    assert not await stage.documents.invalidate(KEY, 6)
    assert not await stage.documents.maybe_written(KEY, 7)
    stage.far.down = False
    assert await stage.documents.invalidate(KEY, 6), "what was not confirmed is repeated"


async def test_without_a_cache_nothing_has_to_be_confirmed() -> None:
    stage = set_stage(Policy(strategy=CacheStrategy.NONE))
    assert await write(stage, 5)
    assert await stage.documents.settle(KEY, 5)
    assert await stage.documents.discard(KEY, 5)
    assert await stage.documents.maybe_written(KEY, 6)


@pytest.mark.parametrize("policy", [READ_THROUGH, WRITE_THROUGH], ids=["read-through", "write-through"])
async def test_other_processes_see_a_write_when_the_cache_is_back(policy: Policy) -> None:
    stage = set_stage(policy, far=True)
    other = stage.another(policy)
    await write(stage, 5)
    await stage.documents.read(KEY)
    stage.far.down = True
    await write(stage, 6)
    await stage.documents.deleted("orders/2", 3)
    assert version_of(await other.read(KEY)) == 5, "the cache does not know of it"
    await stage.repeat()
    stage.far.down = False
    await stage.repeat()
    assert version_of(await other.read(KEY)) == 6
    tombstone = stage.memory.peek("orders/2")
    assert tombstone is not None
    assert (tombstone.state, tombstone.version) == (State.INVALID, 3)
    assert stage.pauses == []


async def test_of_several_writes_of_a_document_the_newest_is_repeated() -> None:
    stage = set_stage(READ_THROUGH, far=True)
    stage.far.down = True
    await write(stage, 6)
    await write(stage, 7)
    await settle_down()
    stage.far.down = False
    stage.far.calls.clear()
    await stage.repeat()
    assert stage.far.calls == ["invalidate"]
    tombstone = stage.memory.peek(KEY)
    assert tombstone is not None
    assert tombstone.version == 7


async def test_what_was_confirmed_meanwhile_is_not_repeated() -> None:
    stage = set_stage(READ_THROUGH, far=True)
    stage.far.down = True
    await write(stage, 6)
    await settle_down()
    stage.far.down = False
    await write(stage, 7)
    await stage.documents.read(KEY)
    stage.far.calls.clear()
    await stage.repeat()
    assert stage.far.calls == []
    assert (await stage.documents.read(KEY)).status is Status.HIT


async def test_nothing_is_repeated_for_longer_than_something_older_can_be_cached() -> None:
    stage = set_stage(READ_THROUGH, far=True)
    stage.far.down = True
    await write(stage, 6)
    await settle_down()
    stage.clock.now += stage.documents.stale_seconds
    stage.far.calls.clear()
    await stage.repeat()
    assert (stage.far.calls, stage.pauses) == ([], [])


async def test_closing_ends_the_repetitions() -> None:
    stage = set_stage(READ_THROUGH, far=True)
    stage.far.down = True
    await write(stage, 6)
    await settle_down()
    (pause,) = stage.pauses
    await stage.documents.close()
    assert pause.cancelled()
    await write(stage, 7)
    await settle_down()
    assert len(stage.pauses) == 1


# A commit of unknown outcome.


async def test_after_a_commit_of_unknown_outcome_reads_ask_the_store() -> None:
    stage = set_stage(WRITE_THROUGH, far=True)
    await write(stage, 5)
    stage.origin.versions[KEY] = 6  # it was committed; the answer got lost
    await stage.documents.maybe_written(KEY, 6)
    assert version_of(await stage.documents.read(KEY)) == 6


async def test_a_commit_that_follows_one_of_unknown_outcome_under_its_version_is_seen() -> None:
    stage = set_stage(READ_THROUGH, far=True)
    await write(stage, 5)
    await stage.documents.maybe_written(KEY, 6)  # it was not committed
    stage.origin.held = True
    early = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    stage.origin.versions[KEY] = 6  # but the next attempt was
    await stage.documents.invalidate(KEY, 6)
    late = asyncio.create_task(stage.documents.read(KEY))
    await settle_down()
    await stage.origin.release()
    assert (version_of(await early), version_of(await late)) == (5, 6)


# A layer of its own before a shared cache.


async def test_the_local_layer_answers_without_asking_for_its_short_time() -> None:
    stage = set_stage(TWO_LAYERS, far=True)
    stage.origin.versions[KEY] = 5
    await stage.documents.read(KEY)
    stage.far.calls.clear()
    assert stage.documents.peek(KEY) is not None
    assert (await stage.documents.read(KEY)).status is Status.HIT
    assert stage.far.calls == []
    stage.clock.now += 2
    assert stage.documents.peek(KEY) is None
    assert (await stage.documents.read(KEY)).status is Status.HIT
    assert stage.far.calls == ["get"]
    assert len(stage.origin.fetches) == 1


async def test_the_local_layer_never_outlives_the_shared_entry() -> None:
    stage = set_stage(TWO_LAYERS, far=True)
    stage.origin.versions[KEY] = 5
    await stage.documents.read(KEY)
    stage.clock.now += 59
    await stage.documents.read(KEY)
    stage.clock.now += 1
    assert stage.documents.peek(KEY) is None


async def test_age_is_counted_from_the_fetch_in_both_layers() -> None:
    stage = set_stage(TWO_LAYERS, far=True)
    stage.origin.versions[KEY] = 5
    fetched = (await stage.documents.read(KEY)).entry
    stage.clock.now += 30
    await stage.documents.read(KEY)
    entry = stage.documents.peek(KEY)
    assert entry is not None
    assert entry.stored_at == fetched.stored_at


async def test_a_staged_write_is_not_kept_locally() -> None:
    policy = Policy(strategy=CacheStrategy.WRITE_BACK, local_ttl_seconds=2)
    stage = set_stage(policy, far=True)
    await show(stage.documents, 6)
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
    stage.origin.versions[KEY] = 5
    await stage.documents.read(KEY)
    stage.clock.now += 30
    assert stage.documents.peek(KEY) == stage.memory.peek(KEY)


async def test_an_early_refresh_goes_by_the_shared_entry() -> None:
    stage = set_stage(TWO_LAYERS, far=True)
    stage.origin.versions[KEY] = 5
    stage.origin.seconds = 1
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
