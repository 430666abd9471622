"""Dead letters: found, sent back at a rate, removed."""

import pytest

from fairlead_workload.queues.base import LetterFilter, Message
from fairlead_workload.worker.failures import dlq as dead_letters
from fairlead_workload.worker.failures.dlq import MoveResult

BROKEN = {"name": "spoil", "set": {"quantity": "0"}}
ALL = LetterFilter()


@pytest.fixture
async def failed(lab):
    """Three orders whose handler cannot succeed, and a message that is no event."""
    lab.worker_spec = {"handlers": [{"event": "orders.created", "steps": [BROKEN]}]}
    lab.open()
    for id_ in "abc":
        await lab.create(id_)
    await lab.send(Message("junk", "k", b"\xff\x00"))
    await lab.settle()
    return lab


async def keys(queue, match, most=None):
    return [letter.message.key async for letter in dead_letters.matching(queue, match, most=most)]


async def test_letters_are_found_in_the_order_of_their_failure(failed):
    assert await keys(failed.real_queue, LetterFilter(event_type="orders.created")) == [
        "orders/a",
        "orders/b",
        "orders/c",
    ]
    assert await keys(failed.real_queue, LetterFilter(error_code="decode")) == ["k"]
    assert await keys(failed.real_queue, LetterFilter(error_code="schema"), most=2) == ["orders/a", "orders/b"]


async def test_letters_are_found_beyond_one_page(failed, monkeypatch):
    monkeypatch.setattr(dead_letters, "PAGE", 2)
    assert len(await keys(failed.real_queue, ALL)) == 4
    assert len(await keys(failed.real_queue, ALL, most=3)) == 3


async def test_counting_moves_nothing(failed):
    assert await dead_letters.count(failed.real_queue, ALL) == 4
    assert await dead_letters.count(failed.real_queue, ALL, most=2) == 2
    assert len(await failed.letters()) == 4


async def test_a_redrive_keeps_its_rate_and_its_bound(failed):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    result = await dead_letters.redrive(
        failed.real_queue, ALL, rate_per_second=4, most=3, clock=failed.clock, sleep=sleep
    )
    assert result == MoveResult(matched=3, moved=3)
    assert pauses == [0.25, 0.25]


async def test_what_is_redriven_is_handled_again(failed):
    lab = failed
    await lab.close()
    lab.worker_spec = {"handlers": [{"event": "orders.created", "steps": [{"name": "ok", "set": {"status": "'OK'"}}]}]}
    lab.open()
    await dead_letters.redrive(lab.real_queue, LetterFilter(keys=("orders/a",)), rate_per_second=1000, clock=lab.clock)
    await lab.settle()
    assert (await lab.document_of("a"))["status"] == "OK"
    assert (await lab.document_of("b"))["status"] == "PENDING"
    assert [letter.message.key for letter in await lab.letters()].count("orders/a") == 0


async def test_what_fails_again_is_a_letter_again_with_a_higher_count(failed):
    lab = failed
    await dead_letters.redrive(lab.real_queue, LetterFilter(keys=("orders/a",)), rate_per_second=1000, clock=lab.clock)
    await lab.settle()
    (again,) = [letter for letter in await lab.letters() if letter.message.key == "orders/a"]
    assert again.redrives == 1


async def test_what_fails_again_meanwhile_is_not_sent_in_circles(failed):
    lab, rounds = failed, 0

    async def handle_meanwhile(_seconds):
        nonlocal rounds
        rounds += 1
        lab.clock.now += 1
        await lab.settle()

    chosen = LetterFilter(error_code="schema")
    result = await dead_letters.redrive(lab.real_queue, chosen, clock=lab.clock, sleep=handle_meanwhile)
    await lab.settle()
    assert (result, rounds) == (MoveResult(matched=3, moved=3), 2)
    assert sorted(letter.redrives for letter in await lab.letters()) == [0, 1, 1, 1]


async def test_purged_letters_are_gone(failed):
    assert await dead_letters.purge(
        failed.real_queue, LetterFilter(error_code="schema"), clock=failed.clock
    ) == MoveResult(matched=3, moved=3)
    (left,) = await failed.letters()
    assert left.message.id == "junk"
