"""Dead letters for a person: look at them, send them back, remove them. What `fairlead dlq` does, without its printing.

A redriven event is processed anew because its redrive count is higher than that of its inbox entry; nothing has to be
removed first, so a crash in the middle of a redrive loses nothing and repeats nothing.
"""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from fairlead_workload.events import cloudevents
from fairlead_workload.events.cloudevents import UndecodableEvent
from fairlead_workload.model import instants
from fairlead_workload.queues.base import DeadLetter, DeadLetters, LetterFilter

PAGE = 100


@dataclass(frozen=True, slots=True)
class Moved:
    """What a redrive or purge came to. `failed`: matched, but were gone when their turn came."""

    matched: int = 0
    moved: int = 0
    failed: int = 0


async def list_letters(
    queue: DeadLetters, match: LetterFilter, *, limit: int = PAGE, after: str | None = None
) -> list[dict[str, Any]]:
    """Letters in order of their last failure, each as `describe` says; `after` is the last id seen."""
    return [describe(letter) for letter in await queue.letters(match, limit=limit, after=after)]


async def show_letter(queue: DeadLetters, id_: str) -> dict[str, Any] | None:
    """One letter with its event (decoded, or else its bytes in base64), or None when there is none of this id."""
    found = await queue.letters(LetterFilter(ids=(id_,)), limit=1)
    return {**describe(found[0]), "headers": found[0].message.headers, **_content(found[0])} if found else None


async def redrive(
    queue: DeadLetters,
    match: LetterFilter,
    *,
    rate_per_second: float = 10.0,
    max_events: int | None = None,
    dry_run: bool = False,
    report: Callable[[Moved], None] | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Moved:
    """Send matching letters back to the queue, those there when it begins, at most so many and so fast.

    `report` hears of each step. `dry_run` counts and moves nothing.
    """
    result = Moved()
    async for letter in _matching(queue, match, max_events):
        result = replace(result, matched=result.matched + 1)
        if not dry_run:
            if result.matched > 1:
                await sleep(1 / rate_per_second)
            result = _counted(result, await queue.redrive([letter.id]))
        if report is not None:
            report(result)
    return result


async def purge(
    queue: DeadLetters, match: LetterFilter, *, max_events: int | None = None, dry_run: bool = False
) -> Moved:
    """Remove matching letters for good."""
    result = Moved()
    async for letter in _matching(queue, match, max_events):
        result = replace(result, matched=result.matched + 1)
        if not dry_run:
            result = _counted(result, await queue.purge([letter.id]))
    return result


def describe(letter: DeadLetter) -> dict[str, Any]:
    """The metadata of a letter, in the words and order of a person's questions."""
    failure = letter.failure
    return {
        "id": letter.id,
        "eventType": failure.event_type,
        "key": letter.message.key,
        "errorClass": failure.error_class,
        "errorCode": failure.error_code,
        "errorMessage": failure.error_message,
        "attempts": failure.attempts,
        "firstFailedAt": instants.render(failure.first_failed_at),
        "lastFailedAt": instants.render(failure.last_failed_at),
        "enqueuedAt": instants.render(letter.enqueued_at),
        "redrives": letter.redrives,
        "operation": failure.operation,
        "messageId": letter.message.id,
        "origin": letter.origin,
        "traceparent": failure.traceparent,
        "workerVersion": failure.worker_version,
    }


def _content(letter: DeadLetter) -> dict[str, Any]:
    try:
        return {"event": msgspec.to_builtins(cloudevents.decode(letter.message.body))}
    except UndecodableEvent:
        return {"base64": b64encode(letter.message.body).decode()}


def _counted(result: Moved, moved: list[str]) -> Moved:
    return replace(result, moved=result.moved + 1) if moved else replace(result, failed=result.failed + 1)


async def _matching(queue: DeadLetters, match: LetterFilter, most: int | None) -> AsyncIterator[DeadLetter]:
    """Letters that were there at the beginning; one that fails again while this goes on is not met twice."""
    seen: set[str] = set()
    after: str | None = None
    while page := await queue.letters(match, limit=PAGE, after=after):
        for letter in page:
            if letter.message.id in seen:
                continue
            if most is not None and len(seen) >= most:
                return
            seen.add(letter.message.id)
            yield letter
        after = page[-1].id
