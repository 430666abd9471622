"""Dead letters for a person: found, sent back, removed. What `fairlead dlq` does, without its printing.

A redriven event is processed anew because its redrive count is higher than that of its inbox entry; nothing has to be
removed first, so a crash in the middle of a redrive loses nothing and repeats nothing. A redrive or purge takes only
letters that failed before it began, so that one which fails again is not sent in circles. It takes them as the queue
gives them, so it keeps few in memory; those to be shown are put in order.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from urllib.parse import unquote

from fairlead_workload.model import keys
from fairlead_workload.queues.base import DeadLetter, DeadLetters, LetterFilter
from fairlead_workload.worker.failures.refused_events import ORIGIN

KEPT = 100  # letters in memory, beside those to be shown
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")


@dataclass(frozen=True, slots=True)
class MoveResult:
    """What a redrive or purge came to. `failed`: matched, but were gone when their turn came."""

    matched: int = 0
    moved: int = 0
    failed: int = 0

    def plus(self, matched: int, moved: int) -> "MoveResult":
        """With more that matched, of which so many were there."""
        return MoveResult(self.matched + matched, self.moved + moved, self.failed + matched - moved)


async def matching(queue: DeadLetters, match: LetterFilter, *, most: int | None = None) -> list[DeadLetter]:
    """The letters that match in order of their last failure, those of an outbox last; the first `most` of them."""
    found: list[DeadLetter] = []
    async with aclosing(queue.scan(match)) as letters:
        async for letter in letters:
            found.append(letter)
            if most is not None and len(found) >= most + KEPT:  # bodies are large: no more than can be shown
                found = sorted(found, key=_listed)[:most]
    return sorted(found, key=_listed)[:most]


def _listed(letter: DeadLetter) -> tuple[bool, float]:
    return letter.origin == ORIGIN, letter.failure.last_failed_at


async def count(queue: DeadLetters, match: LetterFilter, *, most: int | None = None) -> int:
    """How many letters a redrive or purge would take."""
    async with aclosing(_taken(queue, match, most=most, size=KEPT)) as taken:
        return sum([len(some) async for some in taken])


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
    async with aclosing(_taken(queue, _failed_by(match, clock()), most=most, size=1)) as taken:
        async for some in taken:
            if result.matched:
                await sleep(1 / rate_per_second)
            result = result.plus(len(some), len(await queue.redrive(some)))
    return result


async def purge(
    queue: DeadLetters, match: LetterFilter, *, most: int | None = None, clock: Callable[[], float] = time.time
) -> MoveResult:
    """Remove matching letters for good."""
    result = MoveResult()
    async with aclosing(_taken(queue, _failed_by(match, clock()), most=most, size=KEPT)) as taken:
        async for some in taken:
            result = result.plus(len(some), len(await queue.purge(some)))
    return result


async def _taken(
    queue: DeadLetters, match: LetterFilter, *, most: int | None, size: int
) -> AsyncGenerator[list[DeadLetter], None]:
    """At most `most` letters in the order of the scan, up to `size` at a time."""
    left = most
    some: list[DeadLetter] = []
    if most == 0:
        return
    async with aclosing(queue.scan(match)) as letters:
        async for letter in letters:
            some.append(letter)
            left = None if left is None else left - 1
            if len(some) == size or left == 0:
                yield some
                some = []
            if left == 0:
                return
        if some:
            yield some


async def absent(queue: DeadLetters, match: LetterFilter) -> list[str]:
    """The ids that `match` names and no matching letter has."""
    if not match.ids:
        return []
    async with aclosing(queue.scan(match)) as letters:
        found = {letter.id async for letter in letters}
    return [id_ for id_ in dict.fromkeys(match.ids) if id_ not in found]


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
