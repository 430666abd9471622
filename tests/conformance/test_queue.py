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

from .queue_capabilities import NAME, QUEUES, SET_LEASE_SECONDS, Clock, QueueRow

T = TypeVar("T")
PATIENCE_SECONDS = 10.0  # how long a case waits for what must come; a working queue takes milliseconds


@runtime_checkable
class Letterbox(Queue, DeadLetters, Protocol):
    """A queue whose dead letters can be looked at."""


def rows(able: Callable[[QueueRow], bool] = lambda row: True) -> list[object]:
    return [pytest.param(row, id=row.name) for row in QUEUES if able(row)]


@pytest.fixture(params=rows())
def row(request: pytest.FixtureRequest) -> QueueRow:
    """A test restricts the rows with `parametrize("row", rows(...), indirect=True)`."""
    return request.param


@pytest.fixture
def clock(row: QueueRow) -> Clock:
    return Clock(settable=row.clock)


@pytest.fixture
async def queue(row: QueueRow, clock: Clock) -> AsyncIterator[Queue]:
    """With leases that do not run out unless the clock is set."""
    async with row.open(Order.NONE, clock, SET_LEASE_SECONDS) as queue:
        yield queue


@pytest.fixture
async def timed(row: QueueRow, clock: Clock) -> AsyncIterator[Queue]:
    """With leases that run out."""
    async with row.open(Order.NONE, clock, row.lease_seconds) as queue:
        yield queue


@pytest.fixture
async def letterbox(row: QueueRow, clock: Clock) -> AsyncIterator[Letterbox]:
    async with row.open(Order.NONE, clock, SET_LEASE_SECONDS) as queue:
        yield queue  # type: ignore[misc]  # declared by its row


@pytest.fixture
async def ordered(row: QueueRow, clock: Clock) -> AsyncIterator[Queue]:
    async with row.open(Order.KEY, clock, SET_LEASE_SECONDS) as queue:
        yield queue


def among(able: Callable[[QueueRow], bool]) -> pytest.MarkDecorator:
    """Restricts a case to the rows that are able."""
    return pytest.mark.parametrize("row", rows(able), indirect=True)


leases = among(lambda row: row.leases)
orders = among(lambda row: row.ordered)
keeps_letters = among(lambda row: row.dead_letters)


def message(id_: str, *, key: str = "k") -> Message:
    return Message(id_, key, b"\x00\xff" + id_.encode(), {"ce_type": "orders.create", "note": "ä"})


def failure(**changes: object) -> Failure:
    values = {
        "error_class": "Rejected", "error_code": "schema", "error_message": "no such property", "attempts": 3,
        "first_failed_at": 1_799_999_000.5, "last_failed_at": 1_800_000_000.25, "worker_version": "0.1.0",
        "traceparent": "00-1-2-01", "event_type": "orders.create", "operation": "op",
    }  # fmt: skip
    return Failure(**{**values, **changes})  # type: ignore[arg-type]


async def publish(queue: Queue, *ids: str, key: str = "k") -> None:
    assert await queue.publish([message(id_, key=key) for id_ in ids]) == [None] * len(ids)


async def take(queue: Queue, number: int) -> list[Delivery]:
    """So many deliveries, as soon as they come; fewer when they do not."""
    found: list[Delivery] = []
    while len(found) < number:
        more = await queue.receive(number - len(found), wait_seconds=PATIENCE_SECONDS)
        if not more:
            break
        found += more
    return found


async def taken(queue: Queue, number: int) -> list[str]:
    return [delivery.message.id for delivery in await take(queue, number)]


async def nothing(queue: Queue) -> bool:
    """Whether nothing can be delivered now."""
    return await queue.receive(100, wait_seconds=0) == []


async def nothing_yet(queue: Queue, clock: Clock) -> bool:
    """The same, but for leases that may have run out meanwhile because time goes by itself."""
    return not clock.settable or await nothing(queue)


async def passes(queue: Queue, clock: Clock, seconds: float) -> None:
    """So much time passes, and nothing is delivered before. Where the clock cannot be set, that is not looked at."""
    if clock.settable:
        await clock.passes(seconds - 1)
        assert await nothing(queue)
        await clock.passes(1)
    else:
        await clock.passes(seconds)


def lease_seconds(queue: Queue) -> float:
    assert queue.lease_seconds is not None
    return queue.lease_seconds


def counted(delivery: Delivery) -> int:
    """How often it was delivered; 0 when the queue does not count."""
    return delivery.deliveries or 0


# Publish and receive


async def test_a_message_arrives_as_it_was_published(queue: Queue, row: QueueRow, clock: Clock) -> None:
    before = clock()
    await publish(queue, "1")
    (delivery,) = await take(queue, 1)
    assert delivery.message == message("1")
    assert (delivery.deliveries, delivery.redrives, delivery.lost) == (1 if row.counts else None, 0, 0)
    assert before <= delivery.enqueued_at <= clock()


async def test_messages_come_up_to_the_limit(queue: Queue) -> None:
    ids = [str(number) for number in range(10)]
    await publish(queue, *ids)
    first = await queue.receive(3, wait_seconds=PATIENCE_SECONDS)
    assert 0 < len(first) <= 3
    rest = await taken(queue, 10 - len(first))
    assert sorted([delivery.message.id for delivery in first] + rest) == ids
    assert await nothing(queue)


@among(lambda row: row.oldest_first)
async def test_messages_come_oldest_first(queue: Queue) -> None:
    await publish(queue, *map(str, range(10)))
    assert await taken(queue, 3) == ["0", "1", "2"]
    assert await taken(queue, 7) == [str(n) for n in range(3, 10)]


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
    assert await nothing(queue)
    assert sorted(found) == sorted(f"{producer}/{n}" for producer in range(8) for n in range(20))


@leases
async def test_what_is_acknowledged_is_gone(timed: Queue, clock: Clock) -> None:
    await publish(timed, "1", "2", "3")
    deliveries = {delivery.message.id: delivery for delivery in await take(timed, 3)}
    done = [deliveries["1"], deliveries["2"]]
    await timed.ack(done)
    await timed.ack(done)
    await passes(timed, clock, lease_seconds(timed))
    assert await taken(timed, 1) == ["3"]
    assert await nothing_yet(timed, clock)


async def test_a_bad_message_fails_alone(queue: Queue) -> None:
    results = await queue.publish([message("1"), Message("\ud800", "k", b""), message("2")])
    assert [result is None for result in results] == [True, False, True]
    assert sorted(await taken(queue, 2)) == ["1", "2"]


@among(lambda row: row.deduplicates)
async def test_an_id_still_in_the_queue_is_not_added_twice(queue: Queue) -> None:
    await publish(queue, "1", "1")
    await publish(queue, "1")
    deliveries = await take(queue, 1)
    assert [delivery.message.id for delivery in deliveries] == ["1"]
    await publish(queue, "1")  # leased is still in the queue
    await queue.ack(deliveries)
    assert await nothing(queue)
    await publish(queue, "1")
    assert await taken(queue, 1) == ["1"]


# Leases and delays


@leases
async def test_a_lease_that_runs_out_is_delivered_again(timed: Queue, clock: Clock) -> None:
    await publish(timed, "1")
    (first,) = await take(timed, 1)
    await passes(timed, clock, lease_seconds(timed))
    (again,) = await take(timed, 1)
    assert (again.message, again.enqueued_at) == (message("1"), first.enqueued_at)
    assert counted(again) in (0, 2)


@among(lambda row: row.leases and row.counts)
async def test_a_delivery_states_how_many_leases_in_a_row_were_not_ended(timed: Queue, clock: Clock) -> None:
    await publish(timed, "1")
    for lost in range(3):
        (delivery,) = await take(timed, 1)
        assert delivery.lost == lost
        await clock.passes(lease_seconds(timed))
    (delivery,) = await take(timed, 1)
    await timed.retry(delivery, delay_seconds=0)
    (delivery,) = await take(timed, 1)
    assert (delivery.lost, delivery.deliveries) == (0, 5)


@leases
async def test_a_renewed_lease_lasts(timed: Queue, clock: Clock) -> None:
    await publish(timed, "1", "2")
    deliveries = {delivery.message.id: delivery for delivery in await take(timed, 2)}
    await passes(timed, clock, lease_seconds(timed) * 0.6)
    await timed.extend([deliveries["1"]])
    await clock.passes(lease_seconds(timed) * 0.6)
    assert await taken(timed, 1) == ["2"]
    assert await nothing_yet(timed, clock)


@leases
async def test_who_held_an_earlier_lease_changes_nothing(timed: Queue, clock: Clock) -> None:
    await publish(timed, "1")
    (old,) = await take(timed, 1)
    await clock.passes(lease_seconds(timed))
    (new,) = await take(timed, 1)
    await timed.ack([old])
    await timed.retry(old, delay_seconds=0)
    await timed.dead_letter(old, failure())
    assert await nothing_yet(timed, clock)
    if clock.settable:
        await clock.passes(lease_seconds(timed) - 1)
        await timed.extend([old])
        await clock.passes(1)
    else:
        await clock.passes(lease_seconds(timed))
    assert await taken(timed, 1) == ["1"], "a former holder has ended it, or extended the lease"
    await timed.ack([new])
    await clock.passes(lease_seconds(timed))
    assert await taken(timed, 1) == ["1"], "a former holder has ended it"


async def test_a_retry_waits_for_its_delay(queue: Queue, clock: Clock) -> None:
    await publish(queue, "1", "2")
    deliveries = {delivery.message.id: delivery for delivery in await take(queue, 2)}
    delay_seconds = 5 if clock.settable else 0.5
    await queue.retry(deliveries["1"], delay_seconds=delay_seconds)
    await queue.retry(deliveries["2"], delay_seconds=0)
    assert await taken(queue, 1) == ["2"]
    await passes(queue, clock, delay_seconds)
    (again,) = await take(queue, 1)
    assert again.message.id == "1"
    assert counted(again) in (0, 2)


@among(lambda row: row.exact_depth and row.clock)
async def test_depth_counts_what_waits(timed: Queue, clock: Clock) -> None:
    empty = await timed.depth()
    assert (empty.ready, empty.delayed, empty.leased, empty.dead, empty.oldest_seconds) == (0, 0, 0, 0, 0)
    await publish(timed, "1")
    await clock.passes(10)
    await publish(timed, "2", "3", "4", "5")
    first, second, third = await take(timed, 3)
    await timed.dead_letter(second, failure())
    await timed.retry(third, delay_seconds=100)
    depth = await timed.depth()
    assert (depth.ready, depth.delayed, depth.leased, depth.dead, depth.oldest_seconds) == (2, 1, 1, 1, 10)
    await timed.ack([first])
    depth = await timed.depth()
    assert (depth.leased, depth.oldest_seconds) == (0, 0)
    await take(timed, 1)
    assert (await timed.depth()).leased == 1
    await clock.passes(lease_seconds(timed))
    assert (await timed.depth()).ready == 2


async def test_depth_is_a_number_or_unknown(queue: Queue) -> None:
    await publish(queue, "1")
    depth = await queue.depth()
    for value in (depth.ready, depth.delayed, depth.leased, depth.dead, depth.oldest_seconds):
        assert value is None or value >= 0


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


@leases
@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_ending_that_raised_leaves_the_message_to_be_delivered_again(
    timed: Queue, clock: Clock, ending: str
) -> None:
    await publish(timed, "1")
    (first,) = await take(timed, 1)
    with pytest.raises(Unavailable):
        await ENDINGS[ending](Interrupted(timed, has_effect=False), first)
    await clock.passes(lease_seconds(timed))
    (again,) = await take(timed, 1)
    await ENDINGS[ending](timed, again)
    await clock.passes(lease_seconds(timed))
    if ending == "retry":
        assert await taken(timed, 1) == ["1"]
    else:
        assert await nothing(timed)


@leases
@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_ending_that_had_its_effect_although_it_raised_is_one(timed: Queue, clock: Clock, ending: str) -> None:
    await publish(timed, "1")
    (first,) = await take(timed, 1)
    with pytest.raises(Unavailable):
        await ENDINGS[ending](Interrupted(timed, has_effect=True), first)
    await ENDINGS[ending](timed, first)  # as one who does not know does
    await clock.passes(lease_seconds(timed))
    if ending == "retry":
        assert await taken(timed, 1) == ["1"]
    assert await nothing_yet(timed, clock)
    assert (await timed.depth()).dead in (None, int(ending == "dead_letter"))


# Waiting


async def test_a_waiting_receiver_is_woken_by_a_publish(queue: Queue) -> None:
    waiting = asyncio.create_task(queue.receive(10, wait_seconds=PATIENCE_SECONDS))
    await asyncio.sleep(0)
    await publish(queue, "1")
    (delivery,) = await waiting
    assert delivery.message.id == "1"


async def test_a_waiting_receiver_is_woken_by_a_retry(queue: Queue) -> None:
    await publish(queue, "1")
    (delivery,) = await take(queue, 1)
    waiting = asyncio.create_task(queue.receive(10, wait_seconds=PATIENCE_SECONDS))
    await asyncio.sleep(0)
    await queue.retry(delivery, delay_seconds=0)
    (again,) = await waiting
    assert counted(again) in (0, 2)


async def test_nothing_to_receive_is_an_empty_list(queue: Queue) -> None:
    assert await queue.receive(10, wait_seconds=0) == []
    assert await queue.receive(10, wait_seconds=0.01) == []


@among(lambda row: row.at_once)
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


@orders
async def test_only_the_oldest_message_of_a_key_is_delivered(ordered: Queue) -> None:
    await publish(ordered, "a1", "a2", "a3", key="a")
    await publish(ordered, "b1", "b2", key="b")
    first = {delivery.message.id: delivery for delivery in await take(ordered, 2)}
    assert first.keys() == {"a1", "b1"}
    assert await nothing(ordered)
    await ordered.ack([first["a1"]])
    assert await taken(ordered, 1) == ["a2"]


@orders
async def test_a_retried_message_holds_back_its_key(ordered: Queue, clock: Clock) -> None:
    await publish(ordered, "a1", "a2", key="a")
    (first,) = await take(ordered, 1)
    delay_seconds = 10 if clock.settable else 0.5
    await ordered.retry(first, delay_seconds=delay_seconds)
    await passes(ordered, clock, delay_seconds)
    (again,) = await take(ordered, 1)
    assert again.message.id == "a1"
    if clock.settable:
        await passes(ordered, clock, lease_seconds(ordered))  # the lease runs out
        (again,) = await take(ordered, 1)
        assert again.message.id == "a1"
    await ordered.ack([again])
    assert await taken(ordered, 1) == ["a2"]


@orders
async def test_a_waiting_receiver_is_woken_when_the_message_before_has_left(ordered: Queue) -> None:
    await publish(ordered, "a1", "a2", "a3", key="a")
    for leave in (lambda one: ordered.ack([one]), lambda one: ordered.dead_letter(one, failure())):
        (first,) = await take(ordered, 1)
        waiting = asyncio.create_task(ordered.receive(10, wait_seconds=PATIENCE_SECONDS))
        await asyncio.sleep(0)
        await leave(first)
        (following,) = await waiting
        assert following.message.id > first.message.id
        await ordered.retry(following, delay_seconds=0)


@orders
async def test_after_a_dead_letter_the_key_goes_on(ordered: Queue) -> None:
    await publish(ordered, "a1", "a2", key="a")
    (first,) = await take(ordered, 1)
    await ordered.dead_letter(first, failure())
    assert await taken(ordered, 1) == ["a2"]


@orders
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
    (delivery,) = await take(letterbox, 1)
    await letterbox.dead_letter(delivery, failure(**changes))
    (letter,) = [letter for letter in await letters_of(letterbox) if letter.id not in before]
    return letter


@keeps_letters
async def test_a_dead_letter_has_its_bytes_and_everything_known_of_it(letterbox: Letterbox, clock: Clock) -> None:
    before = clock()
    letter = await dead_letter(letterbox, "1")
    assert letter.message == message("1")
    assert letter.failure == failure()
    assert (letter.origin, letter.redrives) == (NAME, 0)
    assert before <= letter.enqueued_at <= clock()
    assert await nothing(letterbox)


@keeps_letters
async def test_error_messages_are_cut(letterbox: Letterbox) -> None:
    letter = await dead_letter(letterbox, "1", error_message="x" * 5000)
    assert letter.failure.error_message == "x" * 1000


@keeps_letters
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


@keeps_letters
@pytest.mark.parametrize("leave", ["redrive", "purge"])
async def test_a_scan_goes_on_although_the_former_letters_left(letterbox: Letterbox, leave: str) -> None:
    await publish(letterbox, *map(str, range(250)))
    for delivery in await take(letterbox, 250):
        await letterbox.dead_letter(delivery, failure())
    found = []
    async for letter in letterbox.scan(LetterFilter()):
        found.append(letter.message.id)
        assert await getattr(letterbox, leave)([letter]) == [letter]
    assert sorted(found, key=int) == [str(n) for n in range(250)]
    assert await letters_of(letterbox) == []


@keeps_letters
async def test_a_scan_that_is_closed_early_keeps_nothing(letterbox: Letterbox) -> None:
    for n in range(3):
        await dead_letter(letterbox, str(n))
    async with aclosing(letterbox.scan(LetterFilter())) as letters:
        async for _ in letters:
            break
    assert len(await letters_of(letterbox)) == 3


@keeps_letters
async def test_a_redriven_letter_returns_with_its_bytes_and_one_redrive_more(
    letterbox: Letterbox, clock: Clock
) -> None:
    letter = await dead_letter(letterbox, "1")
    published = letter.enqueued_at
    for redrives in (1, 2):
        await clock.passes(100 if clock.settable else 0.01)
        assert await letterbox.redrive([letter]) == [letter]
        assert await letterbox.redrive([letter]) == []
        assert await letters_of(letterbox) == []
        (delivery,) = await take(letterbox, 1)
        assert delivery.message == message("1")
        assert (delivery.redrives, delivery.enqueued_at) == (redrives, published)
        await letterbox.dead_letter(delivery, failure())
        (letter,) = await letters_of(letterbox)
        assert letter.redrives == redrives


@keeps_letters
async def test_a_redriven_letter_returns_beside_another_copy_of_its_message(letterbox: Letterbox) -> None:
    """A copy of the former attempt is acknowledged as a duplicate: the redriven one must not be taken for it."""
    letter = await dead_letter(letterbox, "1")
    await publish(letterbox, "1")
    assert await letterbox.redrive([letter]) == [letter]
    (first, second) = await take(letterbox, 2)
    assert sorted([first.redrives, second.redrives]) == [0, 1]


@keeps_letters
async def test_a_redrive_wakes_a_waiting_receiver(letterbox: Letterbox) -> None:
    letter = await dead_letter(letterbox, "1")
    waiting = asyncio.create_task(letterbox.receive(10, wait_seconds=PATIENCE_SECONDS))
    await asyncio.sleep(0)
    await letterbox.redrive([letter])
    assert [delivery.redrives for delivery in await waiting] == [1]


@keeps_letters
async def test_a_purged_letter_is_gone(letterbox: Letterbox) -> None:
    letters = [await dead_letter(letterbox, str(n)) for n in range(3)]
    assert await letterbox.purge([letters[0], letters[2]]) == [letters[0], letters[2]]
    assert await letters_of(letterbox) == [letters[1]]
    assert await letterbox.purge(letters) == [letters[1]]
    assert (await letterbox.depth()).dead in (None, 0)


@keeps_letters
async def test_the_same_event_can_be_a_dead_letter_twice(letterbox: Letterbox) -> None:
    first, second = await dead_letter(letterbox, "1"), await dead_letter(letterbox, "1")
    assert first.id != second.id
    assert await letterbox.redrive([first, second]) == [first, second]


async def test_dead_letters_can_be_looked_at_where_that_is_declared(row: QueueRow, queue: Queue) -> None:
    assert isinstance(queue, Letterbox) is row.dead_letters
