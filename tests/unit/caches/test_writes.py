"""Accepted writes and write-back: what a reader gets between the answer and the store."""

import asyncio

import pytest

from fairlead_workload.caches.base import State
from fairlead_workload.caches.policy import Status
from fairlead_workload.caches.strategy import PENDING_SECONDS

from .stage import (
    KEY,
    READ_THROUGH,
    WRITE_BACK,
    body_of,
    set_stage,
    settle_down,
    version_of,
    write,
)

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


async def test_a_staged_write_is_served_until_the_store_has_it() -> None:
    stage = set_stage(WRITE_BACK)
    stage.origin.versions[KEY] = 5
    await stage.documents.read(KEY)
    assert await stage.documents.stage(KEY, 6, body_of(6), '"6"')
    stage.clock.now += 1e6
    for revalidate in (False, True):
        lookup = await stage.documents.read(KEY, revalidate=revalidate)
        assert (version_of(lookup), lookup.status, lookup.entry.body) == (6, Status.HIT, body_of(6))
    stage.origin.versions[KEY] = 6
    assert await stage.documents.settle(KEY, 6)
    entry = stage.documents.peek(KEY)
    assert entry is not None
    assert (entry.state, entry.version) == (State.PRESENT, 6)
    assert entry.expires_at == stage.clock.now + 60


async def test_a_staged_deletion_reads_as_absent() -> None:
    stage = set_stage(WRITE_BACK)
    stage.origin.versions[KEY] = 5
    await stage.documents.read(KEY)
    assert await stage.documents.stage(KEY, 6, None, "")
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
    stage.origin.versions[KEY] = 5
    assert version_of(await stage.documents.read(KEY)) == 5
    stage.origin.versions[KEY] = 6
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
