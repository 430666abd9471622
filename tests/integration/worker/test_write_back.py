"""Write-back: staged versions reach the store as they are, once, in order; the cache is notified."""

import pytest

from fairlead_workload.caches.base import State
from fairlead_workload.model.effects import Action
from fairlead_workload.stores.base import Mutation, Unit


@pytest.fixture
def opened(lab):
    drafts = {
        "name": "drafts",
        "key": {"partition": "id"},
        "cache": {"strategy": "WriteBack"},
        "references": [{"field": "parent", "resource": "drafts"}],
        "schema": {"type": "object", "properties": {name: {"type": "string"} for name in ("id", "text", "parent")}},
    }
    lab.resources = [drafts]
    lab.queue_spec = {"type": "SQLite", "order": "Key"}
    return lab.open()


async def stage(lab, action, version, text=None, **more):
    """What the API does: show the write under its version, then publish the whole document."""
    body = None if text is None else {"id": "a", "text": text} | more
    shown = None if body is None else lab.compiled["drafts"].encode(body)
    assert await lab.bindings.caches["drafts"].stage("drafts/a", version, shown, f'"{version}"')
    message = lab.command(action, "a", body, resource="drafts", version=version)
    await lab.send(message)
    return message


async def state(lab):
    (entry,) = await lab.cache.get(["drafts/a"])
    return entry.state, entry.version


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


async def test_a_write_that_was_overtaken_changes_nothing_and_is_no_failure(opened):
    lab = opened
    late = await stage(lab, Action.REPLACE, 1000, "old")
    (held,) = await lab.real_queue.receive(1, wait_seconds=0)
    await lab.real_store.commit(_unit(1005, "new"))
    await lab.worker.handle([held])
    assert await stored(lab) == (1005, "new")
    assert await lab.letters() == []
    assert await lab.operation(late.id) is None


async def test_a_write_applied_before_a_death_is_settled_by_its_second_delivery(opened):
    lab = opened
    message = await stage(lab, Action.CREATE, 1000, "one")
    await lab.settle()
    await lab.bindings.caches["drafts"].stage("drafts/a", 1001, b"{}", '"1001"')
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
    return Unit((Mutation("drafts", ("a",), {"id": "a", "text": text}, version=version),))
