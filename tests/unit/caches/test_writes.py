"""Accepted writes and write-back: what a reader gets between the answer and the store."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from fairlead_workload.caches.base import State
from fairlead_workload.caches.freshness import PENDING_SECONDS
from fairlead_workload.caches.policy import Status
from fairlead_workload.caches.strategy import STAGED_SECONDS

from .stage import (
    KEY,
    READ_THROUGH,
    WRITE_BACK,
    Stage,
    body_of,
    set_stage,
    settle_down,
    show,
    version_of,
    write,
)

T = TypeVar("T")
DAY = 86_400.0

# Accepted writes.


async def test_the_absence_of_an_accepted_document_is_not_cached() -> None:
    stage = set_stage(READ_THROUGH)
    await stage.documents.read(KEY)  # an absence somebody asked for before
    await stage.documents.pending(KEY)
    lookup = await stage.documents.read(KEY)
    assert (lookup.entry.body, lookup.stored) == (None, False)
    stage.origin.versions[KEY] = 900  # applied; the invalidation has not arrived
    assert version_of(await stage.documents.read(KEY)) == 900


async def test_while_a_write_is_pending_documents_are_cached_briefly() -> None:
    stage = set_stage(READ_THROUGH)
    stage.origin.versions[KEY] = 5
    await stage.documents.pending(KEY)
    entry = (await stage.documents.read(KEY)).entry
    assert entry.expires_at - entry.stored_at == pytest.approx(1.0)
    assert stage.origin.fetches == [(KEY, True)]


async def test_pending_ends_when_the_cache_is_notified_of_the_write() -> None:
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


async def test_a_staged_write_is_served_for_a_minute_unless_it_is_kept() -> None:
    stage = set_stage(WRITE_BACK)
    stage.origin.versions[KEY] = 5
    await stage.documents.read(KEY)
    assert await show(stage.documents, 6)
    for revalidate in (False, True):
        lookup = await stage.documents.read(KEY, revalidate=revalidate)
        assert (version_of(lookup), lookup.status, lookup.entry.body) == (6, Status.HIT, body_of(6))
    stage.clock.now += STAGED_SECONDS
    assert version_of(await stage.documents.read(KEY)) == 5


async def test_a_kept_write_is_served_until_the_store_has_it_or_its_time_is_over() -> None:
    stage = set_stage(WRITE_BACK)
    stage.origin.versions[KEY] = 5
    await stage.documents.read(KEY)
    assert await show(stage.documents, 6)
    await stage.documents.keep(KEY, 6, seconds=DAY)
    stage.clock.now += DAY - 1
    for revalidate in (False, True):
        lookup = await stage.documents.read(KEY, revalidate=revalidate)
        assert (version_of(lookup), lookup.status, lookup.entry.body) == (6, Status.HIT, body_of(6))
    stage.origin.versions[KEY] = 6
    assert await stage.documents.settle(KEY, 6)
    entry = stage.documents.peek(KEY)
    assert entry is not None
    assert (entry.state, entry.version) == (State.PRESENT, 6)
    assert entry.expires_at == stage.clock.now + 60
    assert await show(stage.documents, 7)
    await stage.documents.keep(KEY, 7, seconds=DAY)
    stage.clock.now += DAY
    assert version_of(await stage.documents.read(KEY)) == 6, "the queue has given it up"


async def test_a_staged_deletion_reads_as_absent() -> None:
    stage = set_stage(WRITE_BACK)
    stage.origin.versions[KEY] = 5
    await stage.documents.read(KEY)
    assert await show(stage.documents, 6, deletes=True)
    lookup = await stage.documents.read(KEY)
    assert (lookup.entry.body, lookup.status) == (None, Status.HIT)
    del stage.origin.versions[KEY]
    await stage.documents.settle(KEY, 6, absent=True)
    entry = stage.documents.peek(KEY)
    assert entry is not None
    assert (entry.state, entry.expires_at) == (State.ABSENT, stage.clock.now + 5)


async def test_a_write_that_could_not_be_published_is_taken_back() -> None:
    stage = set_stage(WRITE_BACK)
    stage.origin.versions[KEY] = 5
    await show(stage.documents, 6)
    await stage.documents.discard(KEY, 6)
    assert version_of(await stage.documents.read(KEY)) == 5


async def test_what_was_written_before_is_shown_again_when_a_write_is_taken_back() -> None:
    stage = set_stage(WRITE_BACK)
    stage.origin.versions[KEY] = 5
    await show(stage.documents, 6)
    await stage.documents.keep(KEY, 6, seconds=DAY)
    await show(stage.documents, 7)
    await stage.documents.discard(KEY, 7)
    stage.clock.now += DAY / 2
    assert version_of(await stage.documents.read(KEY)) == 6, "it was answered, and waits to reach the store"


async def test_only_ones_own_write_is_taken_back() -> None:
    stage = set_stage(WRITE_BACK)
    await show(stage.documents, 6)
    await stage.documents.keep(KEY, 6, seconds=DAY)
    await show(stage.documents, 7)
    await stage.documents.discard(KEY, 6)
    assert version_of(await stage.documents.read(KEY)) == 7
    await stage.documents.settle(KEY, 6)
    entry = stage.documents.peek(KEY)
    assert entry is not None
    assert (entry.state, entry.version) == (State.STAGED, 7)


async def test_a_write_is_not_staged_over_what_it_was_not_decided_on() -> None:
    stage = set_stage(WRITE_BACK)
    await show(stage.documents, 7)
    assert not await show(stage.documents, 9, after=6)
    assert version_of(await stage.documents.read(KEY)) == 7


async def test_settling_what_the_cache_has_lost_ends_older_entries() -> None:
    stage = set_stage(WRITE_BACK)
    await show(stage.documents, 6)
    await stage.memory.close()  # the cache lost everything
    stage.origin.versions[KEY] = 5
    assert version_of(await stage.documents.read(KEY)) == 5
    stage.origin.versions[KEY] = 6
    await stage.documents.settle(KEY, 6)
    assert version_of(await stage.documents.read(KEY)) == 6


async def test_a_reader_of_a_tombstone_knows_its_version() -> None:
    stage = set_stage(WRITE_BACK)
    stage.origin.versions[KEY] = 5
    await show(stage.documents, 9, after=5)
    await stage.documents.keep(KEY, 9, seconds=DAY)
    await stage.documents.discard(KEY, 9)  # as a dead letter
    lookup = await stage.documents.read(KEY)
    assert (version_of(lookup), lookup.newest) == (5, 8)
    assert await show(stage.documents, 9, after=lookup.newest)


async def test_nothing_is_staged_while_the_cache_is_down() -> None:
    stage = set_stage(WRITE_BACK, far=True)
    stage.far.down = True
    assert not await show(stage.documents, 6)
    assert not await stage.documents.settle(KEY, 6)
    assert not await stage.documents.discard(KEY, 6)


async def lose_the_answer(stage: Stage, call: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Begin a call that arrives at the cache, but whose answer does not come back."""
    stage.far.held = True
    calling = asyncio.create_task(call)
    await settle_down()
    stage.far.gates.pop().set_result(None)  # it arrives
    await settle_down()
    stage.far.down = True
    stage.far.gates.pop().set_result(None)  # the answer does not
    await asyncio.sleep(0)
    stage.far.held = False
    return calling


async def test_a_write_whose_staging_got_no_answer_is_taken_back() -> None:
    stage = set_stage(WRITE_BACK, far=True)
    staging = await lose_the_answer(stage, show(stage.documents, 6))
    stage.far.down = False
    await stage.far.release()
    assert not await staging
    assert stage.memory.peek(KEY) is None


async def test_a_write_whose_staging_got_no_answer_ends_by_itself_when_it_cannot_be_taken_back() -> None:
    stage = set_stage(WRITE_BACK, far=True)
    staging = await lose_the_answer(stage, show(stage.documents, 6))
    await stage.far.release()
    assert not await staging
    entry = stage.memory.peek(KEY)
    assert entry is not None
    assert (entry.state, entry.version) == (State.STAGED, 6)
    stage.clock.now += STAGED_SECONDS
    assert stage.memory.peek(KEY) is None


async def test_keeping_is_repeated_until_the_cache_answers() -> None:
    stage = set_stage(WRITE_BACK, far=True)
    await show(stage.documents, 6)
    stage.far.down = True
    await stage.documents.keep(KEY, 6, seconds=DAY)
    await settle_down()
    await stage.repeat()
    stage.far.down = False
    await stage.repeat()
    stage.clock.now += DAY / 2
    assert version_of(await stage.documents.read(KEY)) == 6
    assert stage.pauses == []


async def test_taking_back_is_repeated_until_the_cache_answers() -> None:
    stage = set_stage(WRITE_BACK, far=True)
    stage.origin.versions[KEY] = 5
    await show(stage.documents, 6)
    stage.far.down = True
    assert not await stage.documents.discard(KEY, 6)
    await settle_down()
    stage.far.down = False
    await stage.repeat()
    assert version_of(await stage.documents.read(KEY)) == 5
