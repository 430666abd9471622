"""Events that the queue refuses for good, as dead letters: beside those of the queue, under ids `outbox-NUMBER`.

They never reached the queue, so the datastore keeps them. A redrive has the relay publish them once more.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from fairlead_workload.events.cloudevents import UndecodableEvent, decode
from fairlead_workload.queues.base import WORKER_VERSION, DeadLetter, DeadLetters, Failure, LetterFilter, Message
from fairlead_workload.stores.base import OutboxSource, RefusedEvent

ORIGIN = "outbox"
PAGE = 100


class AllDeadLetters:
    """The dead letters of a queue, and behind them the events of an outbox that the queue refuses."""

    def __init__(self, queue: DeadLetters, outbox: OutboxSource) -> None:
        self._queue = queue
        self._outbox = outbox

    async def scan(self, match: LetterFilter) -> AsyncGenerator[DeadLetter, None]:
        async with aclosing(self._queue.scan(match)) as letters:
            async for letter in letters:
                yield letter
        after = 0
        while page := await self._outbox.refused(PAGE, after=after):
            for letter in map(_letter, page):
                if _matches(letter, match):
                    yield letter
            after = page[-1].number

    async def redrive(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        return await _taken(letters, self._queue.redrive, self._outbox.unrefuse)

    async def purge(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        return await _taken(letters, self._queue.purge, self._outbox.discard_refused)


@dataclass(frozen=True, slots=True)
class _Refused:
    """Receipt of a refused event."""

    number: int


async def _taken(
    letters: Sequence[DeadLetter],
    take: Callable[[Sequence[DeadLetter]], Awaitable[list[DeadLetter]]],
    take_refused: Callable[[Sequence[int]], Awaitable[list[int]]],
) -> list[DeadLetter]:
    """Have those of the queue and those of the outbox taken; returns those that were there, in the given order."""
    numbers = [letter.receipt.number for letter in letters if isinstance(letter.receipt, _Refused)]
    others = [letter for letter in letters if not isinstance(letter.receipt, _Refused)]
    there = {letter.id for letter in await take(others)} if others else set()
    refused = set(await take_refused(numbers)) if numbers else set()
    return [
        letter
        for letter in letters
        if (letter.receipt.number in refused if isinstance(letter.receipt, _Refused) else letter.id in there)
    ]


def _letter(refused: RefusedEvent) -> DeadLetter:
    event_type, traceparent = _described(refused.event.body)
    at = refused.refused_at
    failure = Failure("Refused", "queue", refused.reason, 0, at, at, WORKER_VERSION, traceparent, event_type)
    message = Message(refused.event.id, refused.event.key, refused.event.body)
    return DeadLetter(f"{ORIGIN}-{refused.number}", message, ORIGIN, at, 0, failure, _Refused(refused.number))


def _described(body: bytes) -> tuple[str, str]:
    """Type and trace context of an event."""
    try:
        event = decode(body)
    except UndecodableEvent:
        return "", ""
    return event.type, event.traceparent


def _matches(letter: DeadLetter, match: LetterFilter) -> bool:
    failure = letter.failure
    return (
        match.event_type in (None, failure.event_type)
        and match.error_code in (None, failure.error_code)
        and (match.since is None or failure.last_failed_at >= match.since)
        and (match.until is None or failure.last_failed_at <= match.until)
        and (match.keys is None or letter.message.key in match.keys)
        and (match.ids is None or letter.id in match.ids)
    )
