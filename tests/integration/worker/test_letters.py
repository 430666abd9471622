"""Dead letters: listed and shown for a person, sent back at a rate, removed."""

import pytest

from fairlead_workload.queues.base import LetterFilter, Message
from fairlead_workload.worker import letters
from fairlead_workload.worker.letters import Moved

BROKEN = {"name": "spoil", "set": {"quantity": "0"}}
ALL = LetterFilter()


@pytest.fixture
async def buried(lab):
    """Three orders whose handler cannot succeed, and a message that is no event."""
    lab.worker_spec = {"handlers": [{"event": "orders.created", "steps": [BROKEN]}]}
    lab.open()
    for id_ in "abc":
        await lab.create(id_)
    await lab.send(Message("junk", "k", b"\xff\x00"))
    await lab.settle()
    return lab


async def test_letters_are_listed_with_their_reason(buried):
    found = await letters.list_letters(buried.real_queue, LetterFilter(event_type="orders.created"))
    assert [letter["key"] for letter in found] == ["orders/a", "orders/b", "orders/c"]
    assert {(letter["errorClass"], letter["errorCode"]) for letter in found} == {("Rejected", "schema")}
    following = await letters.list_letters(
        buried.real_queue, LetterFilter(event_type="orders.created"), after=found[0]["id"], limit=1
    )
    assert [letter["key"] for letter in following] == ["orders/b"]


async def test_a_letter_is_shown_with_its_event_or_its_bytes(buried):
    found = await letters.list_letters(buried.real_queue, ALL)
    shown = [await letters.show_letter(buried.real_queue, letter["id"]) for letter in found]
    by_code = {letter["errorCode"]: letter for letter in shown}
    assert by_code["schema"]["event"]["type"] == "orders.created"
    assert by_code["decode"]["base64"] == "/wA="
    assert await letters.show_letter(buried.real_queue, "999") is None


async def test_a_dry_run_counts_and_moves_nothing(buried):
    assert await letters.redrive(buried.real_queue, ALL, dry_run=True) == Moved(matched=4)
    assert await letters.purge(buried.real_queue, ALL, dry_run=True) == Moved(matched=4)
    assert len(await buried.letters()) == 4


async def test_a_redrive_keeps_its_rate_and_its_bound(buried):
    pauses, steps = [], []

    async def sleep(seconds):
        pauses.append(seconds)

    result = await letters.redrive(
        buried.real_queue, ALL, rate_per_second=4, max_events=3, report=steps.append, sleep=sleep
    )
    assert result == Moved(matched=3, moved=3)
    assert pauses == [0.25, 0.25]
    assert [step.moved for step in steps] == [1, 2, 3]


async def test_what_is_redriven_is_handled_again(buried):
    lab = buried
    await lab.close()
    lab.worker_spec = {"handlers": [{"event": "orders.created", "steps": [{"name": "ok", "set": {"status": "'OK'"}}]}]}
    lab.open()
    await letters.redrive(lab.real_queue, LetterFilter(key="orders/a"), rate_per_second=1000)
    await lab.settle()
    assert (await lab.document_of("a"))["status"] == "OK"
    assert (await lab.document_of("b"))["status"] == "PENDING"
    assert [letter.message.key for letter in await lab.letters()].count("orders/a") == 0


async def test_what_fails_again_is_a_letter_again_with_a_higher_count(buried):
    lab = buried
    await letters.redrive(lab.real_queue, LetterFilter(key="orders/a"), rate_per_second=1000)
    await lab.settle()
    (again,) = [letter for letter in await lab.letters() if letter.message.key == "orders/a"]
    assert again.redrives == 1


async def test_purged_letters_are_gone(buried):
    assert await letters.purge(buried.real_queue, LetterFilter(error_code="schema")) == Moved(matched=3, moved=3)
    (left,) = await buried.letters()
    assert left.message.id == "junk"
