"""Accepted writes on their way into the store: effects once, operations recorded, client mistakes ended, order kept."""

import pytest

from fairlead_workload.model.effects import Action
from fairlead_workload.stores.base import INBOX, Expect, Mutation, Unit


@pytest.fixture
def opened(lab):
    return lab.open()


async def store_product(lab, id_="p1"):
    await lab.real_store.commit(Unit((Mutation("products", (id_,), {"id": id_}),)))


async def test_a_creation_is_stored_with_its_operation_and_inbox_entry(opened):
    lab = opened
    id_ = await lab.create("a")
    await lab.settle()
    document = await lab.document_of("a")
    operation = await lab.operation(id_)
    assert document["status"] == "PENDING"
    assert operation == {
        "status": "Succeeded",
        "error": None,
        "version": await lab.version_of("a"),
        "created_at": lab.clock.now,
        "path": "orders/a",
        "dead_letter": False,
    }
    assert await lab.record(INBOX, id_) is not None


async def test_commands_of_one_document_in_one_batch_are_applied_in_order(opened):
    lab = opened
    await lab.send(
        lab.command(Action.CREATE, "a", {"quantity": 1}),
        lab.command(Action.PATCH, "a", {"quantity": 2}),
        lab.command(Action.REPLACE, "a", {"quantity": 3}),
        lab.command(Action.DELETE, "a"),
        lab.command(Action.CREATE, "a", {"quantity": 5}),
    )
    await lab.settle()
    assert (await lab.document_of("a"))["quantity"] == 5
    assert lab.worker.stats.succeeded.total() == 5


MISTAKES = {
    "exists": (lambda lab: lab.command(Action.CREATE, "a", {"quantity": 2}), "already-exists"),
    "merged document invalid": (lambda lab: lab.command(Action.PATCH, "a", {"quantity": 0}), "invalid-document"),
    "another version": (lambda lab: lab.command(Action.PATCH, "a", {"quantity": 2}, expect=7), "precondition-failed"),
    "missing reference": (
        lambda lab: lab.command(Action.PATCH, "a", {"productId": "nowhere"}),
        "reference-not-found",
    ),
    "absent, when one had to be there": (
        lambda lab: lab.command(Action.REPLACE, "b", {"quantity": 2}, expect=Expect.PRESENT),
        "precondition-failed",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
async def test_a_clients_mistake_ends_the_operation_without_retry_or_dead_letter(opened, case):
    lab = opened
    build, slug = MISTAKES[case]
    await lab.create("a")
    await lab.settle()
    before = await lab.version_of("a")
    message = build(lab)
    await lab.send(message)
    await lab.settle()
    operation = await lab.operation(message.id)
    assert operation["status"] == "Failed"
    assert operation["error"]["type"].endswith(slug)
    assert await lab.version_of("a") == before
    assert await lab.letters() == []
    assert not lab.worker.stats.retried
    assert [kind for _, kind in lab.worker.stats.failed] == ["client_error"]


async def test_a_missing_reference_is_named(opened):
    lab = opened
    id_ = await lab.create("a", productId="nowhere")
    await lab.settle()
    assert (await lab.operation(id_))["error"]["errors"][0]["pointer"] == "/productId"


async def test_a_reference_that_is_there_is_accepted(opened):
    lab = opened
    await store_product(lab)
    id_ = await lab.create("a", productId="p1")
    await lab.settle()
    assert (await lab.operation(id_))["status"] == "Succeeded"


async def test_an_update_of_an_absent_document_waits_a_minute_for_its_creation(opened):
    lab = opened
    early = lab.command(Action.PATCH, "a", {"quantity": 9})
    await lab.send(early)
    assert await lab.round() == 1
    assert await lab.operation(early.id) is None
    await lab.create("a")
    lab.clock.now += 2
    await lab.settle()
    assert (await lab.operation(early.id))["status"] == "Succeeded"
    assert (await lab.document_of("a"))["quantity"] == 9


async def test_after_a_minute_the_absent_document_is_not_found(opened):
    lab = opened
    late = lab.command(Action.DELETE, "a")
    await lab.send(late)
    await lab.settle()
    assert (await lab.operation(late.id))["error"]["status"] == 404


async def test_a_command_delivered_twice_has_its_effect_once(opened):
    lab = opened
    message = lab.command(Action.CREATE, "a", {"quantity": 1})
    await lab.send(message)
    await lab.settle()
    version = await lab.version_of("a")
    await lab.send(message)
    await lab.settle()
    assert await lab.version_of("a") == version
    assert (await lab.operation(message.id))["status"] == "Succeeded"
    assert lab.worker.stats.duplicates["orders.create"] == 1


async def test_the_cache_never_serves_what_was_before(opened):
    lab = opened
    await lab.create("a")
    await lab.settle()
    cache = lab.bindings.caches["orders"]
    first = await cache.read("orders/a")
    await lab.send(lab.command(Action.PATCH, "a", {"quantity": 4}))
    await lab.settle()
    second = await cache.read("orders/a")
    assert second.entry.version == first.entry.version + 1


UNDECODABLE = {
    "no JSON": (b"{", "Undecodable", "decode"),
    "no UTF-8": (
        b'{"id":"x\xff","source":"/lab/shop","specversion":"1.0","type":"orders.create"}',
        "Undecodable",
        "decode",
    ),
    "no event": (b'{"id": "x"}', "Undecodable", "decode"),
    "a command without a key": (
        b'{"id":"x","source":"/lab/shop","specversion":"1.0","type":"orders.create","data":{}}',
        "Undecodable",
        "decode",
    ),
    "a command for no resource": (
        b'{"id":"x","source":"/lab/shop","specversion":"1.0","type":"parcels.create","data":{"key":["a"],"at":1,"body":{}}}',
        "Rejected",
        "unknown-type",
    ),
    "an unknown type": (
        b'{"id":"x","source":"/lab/shop","specversion":"1.0","type":"orders.eaten"}',
        "Rejected",
        "unknown-type",
    ),
}


@pytest.mark.parametrize("case", UNDECODABLE)
async def test_what_cannot_be_understood_is_a_dead_letter_at_once_with_its_bytes(opened, case):
    lab = opened
    from fairlead_workload.queues.base import Message

    body, class_, code = UNDECODABLE[case]
    await lab.send(Message("x", "k", body))
    assert await lab.round() == 1
    (letter,) = await lab.letters()
    assert (letter.failure.error_class, letter.failure.error_code) == (class_, code)
    assert letter.message.body == body
    assert letter.failure.worker_version
