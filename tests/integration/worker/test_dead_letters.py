"""Dead letters: found, sent back at a rate, removed."""

import pytest
from tests.wrapped import WrappedQueue

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
    return [letter.message.key for letter in await dead_letters.matching(queue, match, most=most)]


async def test_letters_are_found_in_the_order_of_their_failure(failed):
    assert await keys(failed.real_queue, LetterFilter(event_type="orders.created")) == [
        "orders/a",
        "orders/b",
        "orders/c",
    ]
    assert await keys(failed.real_queue, LetterFilter(error_code="decode")) == ["k"]
    assert await keys(failed.real_queue, LetterFilter(error_code="schema"), most=2) == ["orders/a", "orders/b"]


class Unordered(WrappedQueue):
    """A queue that gives dead letters the other way round, and counts how often it gives all."""

    def __init__(self, inner):
        super().__init__(inner)
        self.scans = self.given = 0

    async def scan(self, match):
        self.scans += 1
        for letter in reversed([letter async for letter in super().scan(match)]):
            self.given += 1
            yield letter


@pytest.mark.parametrize("kept", [1, 100])
async def test_letters_are_shown_in_order_whatever_the_queue_gives(failed, monkeypatch, kept):
    monkeypatch.setattr(dead_letters, "KEPT", kept)
    for letter in await failed.letters():
        await failed.real_queue.redrive([letter])
        failed.clock.now += 10
        await failed.settle()
    expected = [letter.id for letter in await failed.letters()]
    for most in (None, 3, 1):
        found = await dead_letters.matching(Unordered(failed.real_queue), ALL, most=most)
        assert [letter.id for letter in found] == expected[:most]


WORK = {
    "list": lambda queue, clock: dead_letters.matching(queue, ALL, most=2),
    "count": lambda queue, clock: dead_letters.count(queue, ALL),
    "redrive": lambda queue, clock: dead_letters.redrive(queue, ALL, clock=clock, rate_per_second=1e9),
    "purge": lambda queue, clock: dead_letters.purge(queue, ALL, clock=clock),
    "absent": lambda queue, clock: dead_letters.absent(queue, LetterFilter(ids=("1", "x"))),
}


@pytest.mark.parametrize("work", WORK)
async def test_all_work_goes_through_the_letters_once(failed, work):
    queue = Unordered(failed.real_queue)
    await WORK[work](queue, failed.clock)
    assert (queue.scans, queue.given) == (1, 1 if work == "absent" else 4)


async def test_a_bounded_redrive_looks_at_no_more_letters(failed):
    queue = Unordered(failed.real_queue)
    result = await dead_letters.redrive(queue, ALL, clock=failed.clock, rate_per_second=1e9, most=2)
    assert (result, queue.scans, queue.given) == (MoveResult(matched=2, moved=2), 1, 2)


async def test_a_bound_of_zero_takes_nothing(failed):
    assert await dead_letters.purge(failed.real_queue, ALL, clock=failed.clock, most=0) == MoveResult()


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
