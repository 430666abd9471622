"""What every queue promises (`queues/base.py`): durable publish, leases, delays, order and dead letters.

A new adapter adds its row and passes unchanged. A case that needs a capability is collected for the rows that have it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol, TypeVar, runtime_checkable

import pytest
from tests.wrapped import WrappedQueue

from fairlead_contract.spec.bindings import Order
from fairlead_workload.errors import Unavailable
from fairlead_workload.queues.base import DeadLetter, DeadLetters, Delivery, Failure, LetterFilter, Message, Queue

from .queue_capabilities import NAME, QUEUES, VISIBILITY_SECONDS, Clock, QueueRow

T = TypeVar("T")
PATIENCE_SECONDS = 10.0  # how long a case waits for what must come; a working queue takes milliseconds


@runtime_checkable
class Letterbox(Queue, DeadLetters, Protocol):
    """A queue whose dead letters can be looked at."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=QUEUES, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> QueueRow:
    return request.param


@pytest.fixture
async def queue(row: QueueRow, clock: Clock) -> AsyncIterator[Queue]:
    async with row.open(Order.NONE, clock) as queue:
        yield queue


@pytest.fixture(params=[row for row in QUEUES if row.clock], ids=lambda row: row.name)
async def timed(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Queue]:
    row: QueueRow = request.param
    async with row.open(Order.NONE, clock) as queue:
        yield queue


@pytest.fixture(params=[row for row in QUEUES if row.deduplicates], ids=lambda row: row.name)
async def deduplicating(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Queue]:
    row: QueueRow = request.param
    async with row.open(Order.NONE, clock) as queue:
        yield queue


@pytest.fixture(params=[row for row in QUEUES if row.dead_letters], ids=lambda row: row.name)
async def letterbox(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Letterbox]:
    row: QueueRow = request.param
    async with row.open(Order.NONE, clock) as queue:
        yield queue  # type: ignore[misc]  # declared by its row


@pytest.fixture(params=[row for row in QUEUES if row.ordered and row.clock], ids=lambda row: row.name)
async def ordered(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Queue]:
    row: QueueRow = request.param
    async with row.open(Order.KEY, clock) as queue:
        yield queue


def message(id_: str, *, key: str = "k") -> Message:
    return Message(id_, key, b"\x00\xff" + id_.encode(), {"ce_type": "orders.create", "note": "ä"})


def failure(**changes: object) -> Failure:
    values = {
        "error_class": "Rejected", "error_code": "schema", "error_message": "no such property", "attempts": 3,
        "first_failed_at": 1_799_999_000.5, "last_failed_at": 1_800_000_000.25, "worker_version": "0.1.0",
        "traceparent": "00-1-2-01", "event_type": "orders.create", "operation": "op",
    }  # fmt: skip
    return Failure(**{**values, **changes})  # type: ignore[arg-type]


async def publish(queue: Queue, *ids: str, key: str = "k", delay_seconds: float = 0) -> None:
    results = await queue.publish([message(id_, key=key) for id_ in ids], delay_seconds=delay_seconds)
    assert results == [None] * len(ids)


async def take(queue: Queue, limit: int = 100) -> list[Delivery]:
    return await queue.receive(limit, wait_seconds=0)


async def taken(queue: Queue, limit: int = 100) -> list[str]:
    return [delivery.message.id for delivery in await take(queue, limit)]


# Publish and receive


async def test_a_message_arrives_as_it_was_published(queue: Queue, clock: Clock) -> None:
    await publish(queue, "1")
    (delivery,) = await take(queue)
    assert delivery.message == message("1")
    assert (delivery.deliveries, delivery.enqueued_at, delivery.redrives) == (1, clock.now, 0)


async def test_messages_come_oldest_first_up_to_the_limit(queue: Queue) -> None:
    await publish(queue, *map(str, range(10)))
    assert await taken(queue, 3) == ["0", "1", "2"]
    assert await taken(queue, 100) == [str(n) for n in range(3, 10)]
    assert await taken(queue) == []


async def test_many_publishers_and_receivers_lose_and_repeat_nothing(queue: Queue) -> None:
    async def produce(producer: int) -> None:
        for n in range(20):
            await publish(queue, f"{producer}/{n}")

    async def consume() -> list[str]:
        found = []
        while deliveries := await queue.receive(7, wait_seconds=0.2):
            found += [delivery.message.id for delivery in deliveries]
            await queue.ack(deliveries)
        return found

    consumers = [asyncio.create_task(consume()) for _ in range(3)]
    await asyncio.gather(*(produce(n) for n in range(8)))
    found = [id_ for ids in await asyncio.gather(*consumers) for id_ in ids]
    found += await taken(queue, 1000)
    assert sorted(found) == sorted(f"{producer}/{n}" for producer in range(8) for n in range(20))


async def test_what_is_acknowledged_is_gone(queue: Queue) -> None:
    await publish(queue, "1", "2", "3")
    deliveries = await take(queue)
    await queue.ack(deliveries[:2])
    await queue.ack(deliveries[:2])
    depth = await queue.depth()
    assert (depth.ready, depth.delayed, depth.leased) == (0, 0, 1)


async def test_a_bad_message_fails_alone(queue: Queue) -> None:
    results = await queue.publish([message("1"), Message("\ud800", "k", b""), message("2")])
    assert [result is None for result in results] == [True, False, True]
    assert await taken(queue) == ["1", "2"]


async def test_an_id_still_in_the_queue_is_not_added_twice(deduplicating: Queue) -> None:
    await publish(deduplicating, "1", "1")
    await publish(deduplicating, "1")
    deliveries = await take(deduplicating)
    assert [delivery.message.id for delivery in deliveries] == ["1"]
    await publish(deduplicating, "1")  # leased is still in the queue
    await deduplicating.ack(deliveries)
    assert await taken(deduplicating) == []
    await publish(deduplicating, "1")
    assert await taken(deduplicating) == ["1"]


# Leases and delays


async def test_a_lease_that_runs_out_is_delivered_again(timed: Queue, clock: Clock) -> None:
    await publish(timed, "1")
    await take(timed)
    clock.now += VISIBILITY_SECONDS - 1
    assert await taken(timed) == []
    clock.now += 1
    (again,) = await take(timed)
    assert (again.deliveries, again.message) == (2, message("1"))
    assert again.enqueued_at == clock.now - VISIBILITY_SECONDS


async def test_a_delivery_states_how_many_leases_in_a_row_were_not_ended(timed: Queue, clock: Clock) -> None:
    await publish(timed, "1")
    for lost in range(3):
        (delivery,) = await take(timed)
        assert delivery.lost == lost
        clock.now += VISIBILITY_SECONDS
    (delivery,) = await take(timed)
    await timed.retry(delivery, delay_seconds=0)
    (delivery,) = await take(timed)
    assert (delivery.lost, delivery.deliveries) == (0, 5)


async def test_a_renewed_lease_lasts(timed: Queue, clock: Clock) -> None:
    await publish(timed, "1", "2")
    first, _ = await take(timed)
    clock.now += VISIBILITY_SECONDS - 1
    await timed.extend([first])
    clock.now += VISIBILITY_SECONDS - 1
    assert await taken(timed) == ["2"]


async def test_who_held_an_earlier_lease_changes_nothing(timed: Queue, clock: Clock) -> None:
    await publish(timed, "1")
    (old,) = await take(timed)
    clock.now += VISIBILITY_SECONDS
    (new,) = await take(timed)
    await timed.ack([old])
    await timed.retry(old, delay_seconds=0)
    await timed.dead_letter(old, failure())
    clock.now += VISIBILITY_SECONDS - 1
    await timed.extend([old])
    depth = await timed.depth()
    assert (depth.ready, depth.delayed, depth.leased, depth.dead) == (0, 0, 1, 0)
    clock.now += 1
    assert await taken(timed) == ["1"], "the lease was extended by a former holder"
    await timed.ack([new])
    assert (await timed.depth()).leased == 1


async def test_a_delay_passes_before_the_first_delivery(timed: Queue, clock: Clock) -> None:
    await publish(timed, "late", delay_seconds=30)
    await publish(timed, "soon")
    assert await taken(timed) == ["soon"]
    clock.now += 29
    assert await taken(timed) == []
    clock.now += 1
    (delivery,) = await take(timed)
    assert (delivery.message.id, delivery.enqueued_at) == ("late", clock.now - 30)


async def test_a_retry_waits_for_its_delay(timed: Queue, clock: Clock) -> None:
    await publish(timed, "1", "2")
    first, second = await take(timed)
    await timed.retry(first, delay_seconds=5)
    await timed.retry(second, delay_seconds=0)
    assert await taken(timed) == ["2"]
    clock.now += 5
    (again,) = await take(timed)
    assert (again.message.id, again.deliveries) == ("1", 2)


async def test_depth_counts_what_waits(timed: Queue, clock: Clock) -> None:
    empty = await timed.depth()
    assert (empty.ready, empty.delayed, empty.leased, empty.dead, empty.oldest_seconds) == (0, 0, 0, 0, 0)
    await publish(timed, "1")
    clock.now += 10
    await publish(timed, "2", "3", "4")
    first, second = await take(timed, 2)
    await publish(timed, "5", delay_seconds=100)
    await timed.dead_letter(second, failure())
    depth = await timed.depth()
    assert (depth.ready, depth.delayed, depth.leased, depth.dead, depth.oldest_seconds) == (2, 1, 1, 1, 10)
    await timed.ack([first])
    assert (await timed.depth()).oldest_seconds == 0
    clock.now += VISIBILITY_SECONDS
    assert (await timed.depth()).ready == 2


# Endings that raise


ENDINGS = {
    "ack": lambda queue, one: queue.ack([one]),
    "retry": lambda queue, one: queue.retry(one, delay_seconds=0),
    "dead_letter": lambda queue, one: queue.dead_letter(one, failure()),
}


class Interrupted(WrappedQueue):
    """A queue whose next ending raises: before it has had its effect, or after."""

    def __init__(self, inner: Queue, *, has_effect: bool) -> None:
        super().__init__(inner, self._interrupt)  # type: ignore[arg-type]  # of its methods, the case uses the queue's
        self._has_effect = has_effect
        self.is_due = True

    async def _interrupt(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        if name not in ENDINGS or not self.is_due:
            return await call()
        self.is_due = False
        if self._has_effect:
            await call()
        raise Unavailable("queue", "no answer")


@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_ending_that_raised_leaves_the_message_to_be_delivered_again(
    timed: Queue, clock: Clock, ending: str
) -> None:
    await publish(timed, "1", "2")
    (first,) = await take(timed, 1)
    with pytest.raises(Unavailable):
        await ENDINGS[ending](Interrupted(timed, has_effect=False), first)
    clock.now += VISIBILITY_SECONDS
    (again,) = [one for one in await take(timed) if one.message.id == "1"]
    await ENDINGS[ending](timed, again)
    left = await taken(timed)
    assert left == (["1"] if ending == "retry" else [])


@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_ending_that_had_its_effect_although_it_raised_is_one(timed: Queue, clock: Clock, ending: str) -> None:
    await publish(timed, "1")
    (first,) = await take(timed)
    with pytest.raises(Unavailable):
        await ENDINGS[ending](Interrupted(timed, has_effect=True), first)
    await ENDINGS[ending](timed, first)  # as one who does not know does
    clock.now += VISIBILITY_SECONDS
    assert await taken(timed) == (["1"] if ending == "retry" else [])
    assert (await timed.depth()).dead == (ending == "dead_letter")


# Waiting


async def test_a_waiting_receiver_is_woken_by_a_publish(queue: Queue) -> None:
    waiting = asyncio.create_task(queue.receive(10, wait_seconds=PATIENCE_SECONDS))
    await asyncio.sleep(0)
    await publish(queue, "1")
    (delivery,) = await waiting
    assert delivery.message.id == "1"


async def test_a_waiting_receiver_is_woken_by_a_retry(queue: Queue) -> None:
    await publish(queue, "1")
    (delivery,) = await take(queue)
    waiting = asyncio.create_task(queue.receive(10, wait_seconds=PATIENCE_SECONDS))
    await asyncio.sleep(0)
    await queue.retry(delivery, delay_seconds=0)
    assert [again.deliveries for again in await waiting] == [2]


async def test_nothing_to_receive_is_an_empty_list(queue: Queue) -> None:
    assert await queue.receive(10, wait_seconds=0) == []
    assert await queue.receive(10, wait_seconds=0.01) == []


async def test_a_cancelled_receiver_keeps_nothing(queue: Queue) -> None:
    for n in range(20):
        waiting = asyncio.create_task(queue.receive(10, wait_seconds=PATIENCE_SECONDS))
        await asyncio.sleep(0)
        publishing = asyncio.create_task(publish(queue, str(n)))
        for _ in range(n):
            await asyncio.sleep(0)
        waiting.cancel()
        received = (await asyncio.gather(waiting, return_exceptions=True))[0]
        await publishing
        deliveries = received if isinstance(received, list) else await queue.receive(10, wait_seconds=PATIENCE_SECONDS)
        assert [delivery.message.id for delivery in deliveries] == [str(n)]
        await queue.ack(deliveries)


async def test_closing_ends_the_waiting_and_the_publishing(queue: Queue) -> None:
    waiting = asyncio.create_task(queue.receive(10, wait_seconds=PATIENCE_SECONDS))
    await asyncio.sleep(0)
    await queue.check()
    await queue.close()
    assert await asyncio.wait_for(waiting, PATIENCE_SECONDS / 2) == []
    assert await queue.receive(10, wait_seconds=PATIENCE_SECONDS) == []
    (result,) = await queue.publish([message("1")])
    assert isinstance(result, Unavailable)
    with pytest.raises(Unavailable):
        await queue.check()


# Retention


async def test_a_queue_says_how_long_it_may_deliver_a_message(queue: Queue) -> None:
    assert 0 < queue.retention_seconds < float("inf")


# Order by key


async def test_only_the_oldest_message_of_a_key_is_delivered(ordered: Queue) -> None:
    await publish(ordered, "a1", "a2", "a3", key="a")
    await publish(ordered, "b1", "b2", key="b")
    first = await take(ordered)
    assert [delivery.message.id for delivery in first] == ["a1", "b1"]
    assert await taken(ordered) == []
    await ordered.ack(first[:1])
    assert await taken(ordered) == ["a2"]


async def test_a_delayed_or_retried_message_holds_back_its_key(ordered: Queue, clock: Clock) -> None:
    await publish(ordered, "a1", key="a", delay_seconds=10)
    await publish(ordered, "a2", key="a")
    assert await taken(ordered) == []
    clock.now += 10
    (first,) = await take(ordered)
    await ordered.retry(first, delay_seconds=10)
    assert await taken(ordered) == []
    clock.now += 10
    (again,) = await take(ordered)
    assert again.message.id == "a1"
    clock.now += VISIBILITY_SECONDS  # the lease runs out
    (once_more,) = await take(ordered)
    assert once_more.message.id == "a1"
    await ordered.ack([once_more])
    assert await taken(ordered) == ["a2"]


async def test_a_waiting_receiver_is_woken_when_the_message_before_has_left(ordered: Queue) -> None:
    await publish(ordered, "a1", "a2", "a3", key="a")
    for leave in (lambda one: ordered.ack([one]), lambda one: ordered.dead_letter(one, failure())):
        (first,) = await take(ordered)
        waiting = asyncio.create_task(ordered.receive(10, wait_seconds=PATIENCE_SECONDS))
        await asyncio.sleep(0)
        await leave(first)
        (following,) = await waiting
        assert following.message.id > first.message.id
        await ordered.retry(following, delay_seconds=0)


async def test_after_a_dead_letter_the_key_goes_on(ordered: Queue) -> None:
    await publish(ordered, "a1", "a2", key="a")
    (first,) = await take(ordered)
    await ordered.dead_letter(first, failure())
    assert await taken(ordered) == ["a2"]


async def test_each_key_keeps_its_order_with_many_receivers(ordered: Queue) -> None:
    for n in range(60):
        await publish(ordered, f"{n % 4}-{n:03}", key=f"{n % 4}")
    seen: list[str] = []

    async def consume() -> None:
        while deliveries := await ordered.receive(3, wait_seconds=0.2):
            seen.extend(delivery.message.id for delivery in deliveries)
            await ordered.ack(deliveries)

    await asyncio.gather(*(consume() for _ in range(4)))
    assert len(seen) == 60
    assert sorted(seen) == sorted(seen, key=lambda id_: id_[0]), "messages of one key out of order"


# Dead letters


async def letters_of(letterbox: Letterbox, match: LetterFilter | None = None) -> list[DeadLetter]:
    """The letters that match, in order of their last failure."""
    found = [letter async for letter in letterbox.scan(match or LetterFilter())]
    return sorted(found, key=lambda letter: letter.failure.last_failed_at)


async def dead_letter(letterbox: Letterbox, id_: str, *, key: str = "k", **changes: object) -> DeadLetter:
    """Publish a message and make it a dead letter, which is returned."""
    before = {letter.id for letter in await letters_of(letterbox)}
    await publish(letterbox, id_, key=key)
    (delivery,) = await take(letterbox)
    await letterbox.dead_letter(delivery, failure(**changes))
    (letter,) = [letter for letter in await letters_of(letterbox) if letter.id not in before]
    return letter


async def test_a_dead_letter_has_its_bytes_and_everything_known_of_it(letterbox: Letterbox, clock: Clock) -> None:
    letter = await dead_letter(letterbox, "1")
    assert letter.message == message("1")
    assert letter.failure == failure()
    assert (letter.origin, letter.enqueued_at, letter.redrives) == (NAME, clock.now, 0)
    assert await taken(letterbox) == []


async def test_error_messages_are_cut(letterbox: Letterbox) -> None:
    letter = await dead_letter(letterbox, "1", error_message="x" * 5000)
    assert letter.failure.error_message == "x" * 1000


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (LetterFilter(), "abcd"),
        (LetterFilter(event_type="orders.update"), "b"),
        (LetterFilter(error_code="http-404"), "cd"),
        (LetterFilter(keys=("x",)), "ad"),
        (LetterFilter(keys=("x", "unknown")), "ad"),
        (LetterFilter(keys=()), ""),
        (LetterFilter(since=20, until=30), "bc"),
        (LetterFilter(since=40.5), ""),
        (LetterFilter(keys=("x",), error_code="http-404"), "d"),
        (LetterFilter(ids=()), ""),
        (LetterFilter(ids=("nothing", "-1", "\u0663")), ""),
    ],
)
async def test_filters_of_letters(letterbox: Letterbox, match: LetterFilter, expected: str) -> None:
    await dead_letter(letterbox, "a", key="x", last_failed_at=10.0)
    await dead_letter(letterbox, "b", event_type="orders.update", last_failed_at=20.0)
    await dead_letter(letterbox, "c", error_code="http-404", last_failed_at=30.0)
    await dead_letter(letterbox, "d", key="x", error_code="http-404", last_failed_at=40.0)
    letters = await letters_of(letterbox, match)
    assert [letter.message.id for letter in letters] == list(expected)
    known = tuple(letter.id for letter in letters)
    assert [letter.id for letter in await letters_of(letterbox, LetterFilter(ids=known))] == list(known)


@pytest.mark.parametrize("leave", ["redrive", "purge"])
async def test_a_scan_goes_on_although_the_former_letters_left(letterbox: Letterbox, leave: str) -> None:
    await publish(letterbox, *map(str, range(250)))
    while deliveries := await take(letterbox):
        for delivery in deliveries:
            await letterbox.dead_letter(delivery, failure())
    found = []
    async for letter in letterbox.scan(LetterFilter()):
        found.append(letter.message.id)
        assert await getattr(letterbox, leave)([letter]) == [letter]
    assert sorted(found, key=int) == [str(n) for n in range(250)]
    assert await letters_of(letterbox) == []


async def test_a_scan_that_is_closed_early_keeps_nothing(letterbox: Letterbox) -> None:
    for n in range(3):
        await dead_letter(letterbox, str(n))
    async with aclosing(letterbox.scan(LetterFilter())) as letters:
        async for _ in letters:
            break
    assert len(await letters_of(letterbox)) == 3


async def test_a_redriven_letter_returns_with_its_bytes_and_one_redrive_more(
    letterbox: Letterbox, clock: Clock
) -> None:
    letter = await dead_letter(letterbox, "1")
    published = clock.now
    for redrives in (1, 2):
        clock.now += 100
        assert await letterbox.redrive([letter]) == [letter]
        assert await letterbox.redrive([letter]) == []
        assert await letters_of(letterbox) == []
        (delivery,) = await take(letterbox)
        assert delivery.message == message("1")
        assert (delivery.redrives, delivery.enqueued_at) == (redrives, published)
        await letterbox.dead_letter(delivery, failure())
        (letter,) = await letters_of(letterbox)
        assert letter.redrives == redrives


async def test_a_redriven_letter_returns_beside_another_copy_of_its_message(letterbox: Letterbox) -> None:
    """A copy of the former attempt is acknowledged as a duplicate: the redriven one must not be taken for it."""
    letter = await dead_letter(letterbox, "1")
    await publish(letterbox, "1")
    assert await letterbox.redrive([letter]) == [letter]
    deliveries = await take(letterbox)
    deliveries += [] if len(deliveries) == 2 else await _after(letterbox, deliveries)
    assert sorted(delivery.redrives for delivery in deliveries) == [0, 1]


async def _after(letterbox: Letterbox, deliveries: list[Delivery]) -> list[Delivery]:
    """What comes when these have left: with order by key, a message waits for the one before it."""
    await letterbox.ack(deliveries)
    return await take(letterbox)


async def test_a_redrive_wakes_a_waiting_receiver(letterbox: Letterbox) -> None:
    letter = await dead_letter(letterbox, "1")
    waiting = asyncio.create_task(letterbox.receive(10, wait_seconds=PATIENCE_SECONDS))
    await asyncio.sleep(0)
    await letterbox.redrive([letter])
    assert [delivery.redrives for delivery in await waiting] == [1]


async def test_a_purged_letter_is_gone(letterbox: Letterbox) -> None:
    letters = [await dead_letter(letterbox, str(n)) for n in range(3)]
    assert await letterbox.purge([letters[0], letters[2]]) == [letters[0], letters[2]]
    assert await letters_of(letterbox) == [letters[1]]
    assert await letterbox.purge(letters) == [letters[1]]
    assert (await letterbox.depth()).dead == 0


async def test_the_same_event_can_be_a_dead_letter_twice(letterbox: Letterbox) -> None:
    first, second = await dead_letter(letterbox, "1"), await dead_letter(letterbox, "1")
    assert first.id != second.id
    assert await letterbox.redrive([first, second]) == [first, second]


async def test_dead_letters_can_be_looked_at_where_that_is_declared(row: QueueRow, queue: Queue) -> None:
    assert isinstance(queue, Letterbox) is row.dead_letters
