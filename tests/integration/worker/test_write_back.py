"""Write-back: what was answered reaches the store, once, in order, under its version or a later one. The cache shows it
until then, and no longer.
"""

import asyncio
import json
from dataclasses import replace

import pytest
from tests.wrapped import WrappedStore

from fairlead_workload.caches.base import State
from fairlead_workload.errors import Refused, Unavailable
from fairlead_workload.model.effects import Action
from fairlead_workload.stores.base import Mutation, Unit


def add_drafts(lab):
    drafts = {
        "name": "drafts",
        "key": {"partition": "id"},
        "cache": {"strategy": "WriteBack"},
        "references": [{"field": "parent", "resource": "drafts"}],
        "schema": {"type": "object", "properties": {name: {"type": "string"} for name in ("id", "text", "parent")}},
    }
    lab.resources = [drafts]
    lab.queue_spec = {"type": "SQLite", "order": "Key"}


@pytest.fixture
def opened(lab):
    add_drafts(lab)
    return lab.open()


async def stage(lab, action, version, text=None, **more):
    """What the API does: show the write under its version, publish the whole document, and keep it in the cache."""
    body = None if text is None else {"id": "a", "text": text} | more
    shown = None if body is None else lab.compiled["drafts"].encode(body)
    cache = lab.bindings.caches["drafts"]
    assert await cache.stage("drafts/a", version, shown, f'"{version}"', after=version - 1)
    message = lab.command(action, "a", body, resource="drafts", version=version)
    await lab.send(message)
    await cache.keep("drafts/a", version, seconds=3600)
    return message


async def state(lab):
    (entry,) = await lab.cache.get(["drafts/a"])
    return entry and (entry.state, entry.version)


async def read(lab):
    """What a reader gets: the version and the text."""
    entry = (await lab.bindings.caches["drafts"].read("drafts/a")).entry
    return None if entry.body is None else (entry.etag, json.loads(entry.body)["text"])


async def stored(lab):
    (record,) = await lab.real_store.get("drafts", [("a",)])
    return None if record is None else (record.version, record.document["text"])


async def test_staged_writes_reach_the_store_under_their_versions(opened):
    lab = opened
    await stage(lab, Action.CREATE, 1000, "one")
    await stage(lab, Action.REPLACE, 1001, "two")
    assert await state(lab) == (State.DIRTY, 1001)
    await lab.settle()
    assert await stored(lab) == (1001, "two")
    assert await state(lab) == (State.PRESENT, 1001)


async def test_a_staged_deletion_leaves_the_document_absent(opened):
    lab = opened
    await stage(lab, Action.CREATE, 1000, "one")
    await stage(lab, Action.DELETE, 1001)
    await lab.settle()
    assert await stored(lab) is None
    assert (await state(lab))[0] is State.ABSENT


# The store has its version already.


async def test_two_writes_that_were_answered_with_one_version_both_reach_the_store(opened):
    lab = opened
    await lab.real_store.commit(_unit(1000, "old"))
    await stage(lab, Action.REPLACE, 1001, "first")
    await lab.cache.close()  # lost
    await stage(lab, Action.REPLACE, 1001, "second")
    await lab.settle()
    assert await stored(lab) == (1002, "second")
    assert await read(lab) == ('"1002"', "second"), "the first one had this ETag"
    assert lab.worker.stats.succeeded == {"drafts.replace": 2}


async def test_a_write_is_stored_after_what_was_stored_meanwhile(opened):
    lab = opened
    late = await stage(lab, Action.REPLACE, 1000, "late")
    await lab.real_store.commit(_unit(1005, "early"))
    await lab.settle()
    assert await stored(lab) == (1006, "late")
    assert await read(lab) == ('"1006"', "late")
    assert await lab.letters() == []
    assert await lab.operation(late.id) is None


async def test_a_write_is_stored_after_what_is_stored_while_it_is_decided(opened):
    lab = opened
    await lab.real_store.commit(_unit(1000, "old"))
    await stage(lab, Action.REPLACE, 1001, "late")
    waits = [_unit(1001, "early"), _unit(1002, "too")]

    async def around(name, call):
        if name == "commit" and waits:
            await lab.real_store.commit(waits.pop(0))
        return await call()

    lab.bindings = replace(lab.bindings, store=WrappedStore(lab.real_store, around))
    lab.worker = lab.new_worker()
    await lab.settle()
    assert await stored(lab) == (1003, "late")
    assert await read(lab) == ('"1003"', "late")


@pytest.mark.parametrize("text", [None, "again"])
async def test_a_write_is_stored_after_a_deletion_that_was_stored_meanwhile(opened, text):
    lab = opened
    await lab.real_store.commit(_unit(1000, "old"))
    await stage(lab, Action.DELETE if text is None else Action.REPLACE, 1001, text)
    await lab.real_store.commit(_unit(1001, None))
    await lab.settle()
    assert await stored(lab) == (None if text is None else (1002, text))
    assert await read(lab) == (None if text is None else ('"1002"', text))


async def test_a_handler_that_is_faster_does_not_take_a_write_away(lab):
    add_drafts(lab)
    lab.worker_spec = {
        "handlers": [{"event": "drafts.created", "steps": [{"name": "a", "set": {"text": "'handled'"}}]}]
    }
    lab.open()
    await stage(lab, Action.CREATE, 1000, "one")
    await lab.worker.handle(await lab.queue.receive(1, wait_seconds=0))
    await lab.worker.publish_outbox()
    await lab.worker.handle(await lab.queue.receive(1, wait_seconds=0))
    assert await stored(lab) == (1001, "handled")
    await lab.cache.close()  # lost: the next write was decided before the handler's
    await stage(lab, Action.REPLACE, 1001, "two")
    await lab.settle()
    assert await stored(lab) == (1002, "two")
    assert await read(lab) == ('"1002"', "two")


async def test_a_newer_write_stays_shown_when_an_older_one_is_stored_under_a_later_version(opened):
    lab = opened
    await stage(lab, Action.CREATE, 1000, "one")
    (first,) = await lab.real_queue.receive(1, wait_seconds=0)
    await lab.real_store.commit(_unit(1003, "early"))
    await stage(lab, Action.REPLACE, 2000, "two")
    await lab.worker.handle([first])
    assert await stored(lab) == (1004, "one")
    assert await read(lab) == ('"2000"', "two")
    await lab.settle()
    assert await stored(lab) == (2000, "two")


async def test_a_write_whose_commit_gets_no_reply_is_stored_once(opened):
    lab = opened
    await lab.real_store.commit(_unit(1005, "early"))
    await stage(lab, Action.REPLACE, 1001, "late")
    lose_replies(lab, 1)
    await lab.settle()
    assert await stored(lab) == (1006, "late")
    assert await read(lab) == ('"1006"', "late")
    assert lab.worker.stats.duplicates["drafts.replace"] == 1


@pytest.mark.parametrize("deletes", [False, True])
async def test_a_redriven_write_gives_way_to_what_was_written_since(opened, deletes):
    lab = opened
    await lab.real_store.commit(_unit(1000, "old"))
    await stage(lab, Action.DELETE, 1001) if deletes else await stage(lab, Action.REPLACE, 1001, "dead")
    refuse_commits(lab, 1)
    await lab.settle()
    (letter,) = await lab.letters()
    await stage(lab, Action.REPLACE, 1001, "since")
    await lab.settle()
    await lab.real_queue.redrive([letter])
    await lab.settle()
    assert await stored(lab) == (1001, "since")
    assert await read(lab) == ('"1001"', "since")
    assert await lab.letters() == []


async def test_a_redriven_write_is_stored_when_nothing_was_written_since(opened):
    lab = opened
    await stage(lab, Action.CREATE, 1000, "one")
    refuse_commits(lab, 1)
    await lab.settle()
    assert await read(lab) is None
    (letter,) = await lab.letters()
    await lab.real_queue.redrive([letter])
    await lab.settle()
    assert await stored(lab) == (1000, "one")
    assert await read(lab) == ('"1000"', "one")


# It does not reach the store.


async def test_a_dead_letter_is_not_shown_any_more(opened):
    lab = opened
    await lab.real_store.commit(_unit(1000, "old"))
    await stage(lab, Action.REPLACE, 1001, "dead")
    refuse_commits(lab, 1)
    await lab.settle()
    assert len(await lab.letters()) == 1
    assert await read(lab) == ('"1000"', "old")


async def test_what_was_written_after_a_dead_letter_stays_shown(opened):
    lab = opened
    await stage(lab, Action.CREATE, 1000, "dead")
    await stage(lab, Action.REPLACE, 1001, "later")
    refuse_commits(lab, 1)
    await lab.worker.handle(await lab.queue.receive(1, wait_seconds=0))
    assert len(await lab.letters()) == 1
    assert await read(lab) == ('"1001"', "later")
    await lab.settle()
    assert await stored(lab) == (1001, "later")


@pytest.mark.parametrize("spoil", ["hops", "key", "type"])
async def test_a_write_that_cannot_be_read_is_not_shown_any_more(opened, spoil):
    lab = opened
    await stage(lab, Action.CREATE, 1000, "one")
    (held,) = await lab.real_queue.receive(1, wait_seconds=0)
    event = json.loads(held.message.body)
    if spoil == "hops":
        event["hops"] = 9
    elif spoil == "key":
        event["data"]["key"] = ["a", "b"]
    else:
        event["type"] = "gone.create"
    spoilt = replace(held, message=replace(held.message, body=json.dumps(event).encode()))
    await lab.worker.handle([spoilt])
    assert len(await lab.letters()) == 1
    assert await state(lab) == (State.INVALID, 999)


async def test_a_dead_letter_is_moved_when_no_cache_shows_it_any_more(opened):
    lab = opened
    await lab.real_store.commit(_unit(1000, "old"))
    down = set()
    other = lab.share_cache(failing(down))["drafts"]
    await stage(lab, Action.REPLACE, 1001, "dead")
    refuse_commits(lab, 1)
    down.add("discard")
    await lab.round()
    assert await lab.letters() == []
    assert (await other.read("drafts/a")).entry.version == 1001
    down.clear()
    await lab.settle()
    assert len(await lab.letters()) == 1
    assert (await other.read("drafts/a")).entry.version == 1000
    assert lab.worker.stats.dead_lettered == {("drafts.replace", "Rejected"): 1}


async def test_a_dead_letter_whose_worker_died_is_not_shown_any_more(opened):
    lab = opened
    await stage(lab, Action.CREATE, 1000, "dead")
    refuse_commits(lab, 1)
    lab.crashes.before = 1  # the inbox knows, the message was not moved
    handling = asyncio.create_task(lab.round())
    await lab.crashes.crashed.wait()
    handling.cancel()
    lab.bindings = replace(lab.bindings, queue=lab.real_queue)
    lab.worker = lab.new_worker()
    lab.clock.now += 61
    await lab.worker.handle(await lab.real_queue.receive(1, wait_seconds=0))
    assert len(await lab.letters()) == 1
    assert await read(lab) is None


# The cache confirms it.


async def test_a_write_is_acknowledged_when_the_cache_has_confirmed_it(opened):
    lab = opened
    down = set()
    other = lab.share_cache(failing(down))["drafts"]
    await stage(lab, Action.CREATE, 1000, "one")
    down.add("settle")
    for _ in range(10):
        await lab.round()
        lab.clock.now += 2
    assert (await lab.real_queue.depth()).ready == 1
    assert not lab.worker.stats.outage, "it is not the datastore that fails"
    down.clear()
    await lab.settle()
    entry = (await other.read("drafts/a")).entry
    assert (entry.state, entry.version) == (State.PRESENT, 1000)
    assert lab.worker.stats.succeeded == {"drafts.create": 1}


async def test_a_write_applied_before_a_death_is_settled_by_its_second_delivery(opened):
    lab = opened
    message = await stage(lab, Action.CREATE, 1000, "one")
    await lab.settle()
    await lab.bindings.caches["drafts"].stage("drafts/a", 1001, b"{}", '"1001"', after=1000)
    await lab.send(message)
    await lab.settle()
    assert await stored(lab) == (1000, "one")
    assert lab.worker.stats.duplicates["drafts.create"] == 1


async def test_a_staged_write_whose_reference_is_gone_is_set_aside(opened):
    lab = opened
    await stage(lab, Action.CREATE, 1000, "one", parent="nowhere")
    await lab.settle()
    (letter,) = await lab.letters()
    assert (letter.failure.error_class, letter.failure.error_code) == ("Rejected", "reference-not-found")


def _unit(version, text):
    document = None if text is None else {"id": "a", "text": text}
    return Unit((Mutation("drafts", ("a",), document, version=version),))


def failing(down):
    """Calls of the cache whose names are in `down` find no cache."""

    async def around(name, call):
        if name in down:
            raise Unavailable("cache", "connection refused")
        return await call()

    return around


def _with_commits(lab, around):
    lab.bindings = replace(lab.bindings, store=WrappedStore(lab.real_store, around))
    lab.worker = lab.new_worker()


def lose_replies(lab, times):
    """The worker's next commits succeed, and their replies are lost."""
    left = [times]

    async def around(name, call):
        result = await call()
        if name == "commit" and left[0]:
            left[0] -= 1
            raise Unavailable("datastore", "the reply is lost")
        return result

    _with_commits(lab, around)


def refuse_commits(lab, times):
    """The store refuses the worker's next commits for good."""
    left = [times]

    async def around(name, call):
        if name == "commit" and left[0]:
            left[0] -= 1
            raise Refused("datastore", "it does not fit")
        return await call()

    _with_commits(lab, around)
