"""Calls of a shared cache, which may be down: none raises, and those that must arrive are repeated in the background.

A call without an answer may have taken effect, so only calls may be repeated that change nothing the second time, and
nothing that was written since. Each has a time after which it does not matter any more.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from enum import Enum
from itertools import islice
from typing import Final, Literal, TypeVar

from fairlead_workload.errors import DependencyError

REPEAT_SECONDS = 1.0
MAX_REPEATED = 10_000
_AT_ONCE = 100

T = TypeVar("T")
Call = Callable[[], Awaitable[object]]


class _Answer(Enum):
    NONE = "none"  # the cache could not be asked


NoAnswer = Literal[_Answer.NONE]
NO_ANSWER: Final = _Answer.NONE


class SharedCalls:
    """`errors` only grows; `degraded` says that the last call failed. `clock` gives unix seconds."""

    def __init__(self, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[object]]) -> None:
        self._clock = clock
        self._sleep = sleep
        # By name, oldest first, each with the unix seconds after which it does not matter any more.
        self._unanswered: OrderedDict[tuple[object, ...], tuple[Call, float]] = OrderedDict()
        self._repeating: asyncio.Task[None] | None = None
        self._closed = False
        self.errors = 0
        self.degraded = False

    async def ask(self, call: Awaitable[T]) -> T | NoAnswer:
        """The answer, or NO_ANSWER."""
        try:
            answer = await call
        except DependencyError:
            self.errors += 1
            self.degraded = True
            return NO_ANSWER
        self.degraded = False
        return answer

    async def insist(self, name: tuple[object, ...], call: Call, *, seconds: float) -> bool:
        """Whether the call was answered. If not, it is repeated in the background."""
        answered = await self.ask(call()) is not NO_ANSWER
        if not answered:
            self.repeat(name, call, seconds=seconds)
        return answered

    def repeat(self, name: tuple[object, ...], call: Call, *, seconds: float) -> None:
        """Repeat a call in the background until it is answered, for so long at most. The last one of a name counts."""
        if self._closed:
            return
        self._unanswered.pop(name, None)
        self._unanswered[name] = (call, self._clock() + seconds)
        if len(self._unanswered) > MAX_REPEATED:
            self._unanswered.popitem(last=False)
        if self._repeating is None or self._repeating.done():
            self._repeating = asyncio.get_running_loop().create_task(self._repeat_all())

    async def close(self) -> None:
        """Repeat nothing any more."""
        self._closed = True
        if self._repeating is not None:
            self._repeating.cancel()
            await asyncio.gather(self._repeating, return_exceptions=True)

    async def _repeat_all(self) -> None:
        while self._unanswered:
            await self._sleep(REPEAT_SECONDS)
            while self._unanswered and await self._repeat_some():
                pass

    async def _repeat_some(self) -> bool:
        """Repeat the oldest calls once. False: the cache is still down."""
        now = self._clock()
        oldest = dict(islice(self._unanswered.items(), _AT_ONCE))
        due = {name: call for name, (call, until) in oldest.items() if until > now}
        answers = await asyncio.gather(*(self.ask(call()) for call in due.values()))
        missed = {name for name, answer in zip(due, answers, strict=True) if answer is NO_ANSWER}
        for name, repeated in oldest.items():
            if name not in missed and self._unanswered.get(name) is repeated:
                del self._unanswered[name]
        return not missed
