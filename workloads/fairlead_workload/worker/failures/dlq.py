"""Dead letters for a person: found, sent back, removed. What `fairlead dlq` does, without its printing.

A redriven event is processed anew because its redrive count is higher than that of its inbox entry; nothing has to be
removed first, so a crash in the middle of a redrive loses nothing and repeats nothing. A redrive or purge takes only
letters that failed before it began, so that one which fails again is not sent in circles.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from urllib.parse import unquote

from fairlead_workload.model import keys
from fairlead_workload.queues.base import DeadLetter, DeadLetters, LetterFilter

PAGE = 100
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")


@dataclass(frozen=True, slots=True)
class MoveResult:
    """What a redrive or purge came to. `failed`: matched, but were gone when their turn came."""

    matched: int = 0
    moved: int = 0
    failed: int = 0

    def plus(self, moved: list[str]) -> "MoveResult":
        """With one more that matched; `moved` is empty when it was gone."""
        gone = not moved
        return MoveResult(self.matched + 1, self.moved + (not gone), self.failed + gone)


async def matching(queue: DeadLetters, match: LetterFilter, *, most: int | None = None) -> AsyncIterator[DeadLetter]:
    """The letters that match, in order of their last failure, at most `most` of them."""
    after: str | None = None
    left = most
    while left is None or left > 0:
        page = await queue.letters(match, limit=PAGE if left is None else min(PAGE, left), after=after)
        if not page:
            return
        for letter in page:
            yield letter
        after = page[-1].id
        left = None if left is None else left - len(page)


async def count(queue: DeadLetters, match: LetterFilter, *, most: int | None = None) -> int:
    """How many letters a redrive or purge would take."""
    return sum([1 async for _ in matching(queue, match, most=most)])


async def redrive(
    queue: DeadLetters,
    match: LetterFilter,
    *,
    rate_per_second: float = 10.0,
    most: int | None = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> MoveResult:
    """Send matching letters back to the queue, at most so many and so fast."""
    result = MoveResult()
    async for letter in matching(queue, _failed_by(match, clock()), most=most):
        if result.matched:
            await sleep(1 / rate_per_second)
        result = result.plus(await queue.redrive([letter.id]))
    return result


async def purge(
    queue: DeadLetters, match: LetterFilter, *, most: int | None = None, clock: Callable[[], float] = time.time
) -> MoveResult:
    """Remove matching letters for good."""
    result = MoveResult()
    async for letter in matching(queue, _failed_by(match, clock()), most=most):
        result = result.plus(await queue.purge([letter.id]))
    return result


async def absent(queue: DeadLetters, match: LetterFilter) -> list[str]:
    """The ids that `match` names and no matching letter has."""
    matching_ids = {letter.id async for letter in matching(queue, match)} if match.ids else set()
    return [id_ for id_ in dict.fromkeys(match.ids or ()) if id_ not in matching_ids]


def spellings(text: str) -> tuple[str, ...]:
    """Every message key that a person may mean by `text`, the path of a document: as it is listed, or plain.

    Plain, `orders/a/b` is the key `a/b`, or `a` with the sort value `b`. A listed key with escapes is only itself, and
    the same with escapes in capitals.
    """
    resource, _, rest = text.partition("/")
    segments = rest.split("/")
    listed = [keys.encode(unquote(segment)) for segment in segments]
    if "%" in rest and all(map(_same_escapes, listed, segments)):
        return tuple(dict.fromkeys((text, "/".join((resource, *listed)))))
    split = [("/".join(segments[:at]), "/".join(segments[at:])) for at in range(1, len(segments))]
    return tuple(dict.fromkeys((text, *(f"{resource}/{keys.path(key)}" for key in [(rest,), *split]))))


def _same_escapes(listed: str, segment: str) -> bool:
    """Whether they differ in the case of escapes at most, which means nothing in a URL."""
    return listed == _ESCAPE.sub(lambda escape: escape[0].upper(), segment)


def _failed_by(match: LetterFilter, now: float) -> LetterFilter:
    return replace(match, until=now if match.until is None else min(match.until, now))
