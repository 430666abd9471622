"""Events that the queue refuses for good, as dead letters: beside those of the queue, under ids `outbox-NUMBER`.

They never reached the queue, so the datastore keeps them. A redrive has the relay publish them once more.
"""

import re
from collections.abc import Sequence

from fairlead_workload.events.cloudevents import UndecodableEvent, decode
from fairlead_workload.queues.base import WORKER_VERSION, DeadLetter, DeadLetters, Failure, LetterFilter, Message
from fairlead_workload.stores.base import OutboxSource, RefusedEvent

ORIGIN = "outbox"
PAGE = 100
_ID = re.compile(rf"{ORIGIN}-([1-9][0-9]{{0,17}})")


class AllDeadLetters:
    """The dead letters of a queue, and behind them the events of an outbox that the queue refuses."""

    def __init__(self, queue: DeadLetters, outbox: OutboxSource) -> None:
        self._queue = queue
        self._outbox = outbox

    async def letters(self, match: LetterFilter, *, limit: int, after: str | None = None) -> list[DeadLetter]:
        number = None if after is None else _number(after)
        if number is not None:
            return await self._refused(match, limit, number)
        found = await self._queue.letters(match, limit=limit, after=after)
        return found if len(found) == limit else found + await self._refused(match, limit - len(found), 0)

    async def redrive(self, ids: Sequence[str]) -> list[str]:
        numbers, others = _parted(ids)
        done = [*await self._queue.redrive(others), *_ids(await self._outbox.unrefuse(numbers))]
        return [id_ for id_ in ids if id_ in done]

    async def purge(self, ids: Sequence[str]) -> list[str]:
        numbers, others = _parted(ids)
        done = [*await self._queue.purge(others), *_ids(await self._outbox.discard_refused(numbers))]
        return [id_ for id_ in ids if id_ in done]

    async def _refused(self, match: LetterFilter, limit: int, after: int) -> list[DeadLetter]:
        found: list[DeadLetter] = []
        while len(found) < limit and (page := await self._outbox.refused(PAGE, after=after)):
            found += [letter for letter in map(_letter, page) if _matches(letter, match)]
            after = page[-1].number
        return found[:limit]


def _letter(refused: RefusedEvent) -> DeadLetter:
    event_type, traceparent = _described(refused.event.body)
    at = refused.refused_at
    failure = Failure("Refused", "queue", refused.reason, 0, at, at, WORKER_VERSION, traceparent, event_type)
    message = Message(refused.event.id, refused.event.key, refused.event.body)
    return DeadLetter(f"{ORIGIN}-{refused.number}", message, ORIGIN, at, 0, failure)


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


def _number(id_: str) -> int | None:
    found = _ID.fullmatch(id_)
    return int(found[1]) if found else None


def _parted(ids: Sequence[str]) -> tuple[list[int], list[str]]:
    """Numbers of refused events, and the ids of the queue's letters."""
    numbers = {id_: _number(id_) for id_ in ids}
    return [number for number in numbers.values() if number is not None], [
        id_ for id_, number in numbers.items() if number is None
    ]


def _ids(numbers: Sequence[int]) -> list[str]:
    return [f"{ORIGIN}-{number}" for number in numbers]
