"""Which resource is reconciled next: a queue without duplicates, with priorities, limits and backoff.

`Schedule` decides and knows no clock; `WorkQueue` waits. A key is in work at most once; what is added meanwhile comes
after. Each key may start twice at once and then once a second; `urgent` passes that limit.
"""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from fairlead_operator.cache.records import Name
from fairlead_operator.token_bucket import TokenBucket

BURST = 2.0
PER_SECOND = 1.0
BACKOFF_FIRST_SECONDS = 0.2
BACKOFF_MAX_SECONDS = 300.0


class Priority(IntEnum):
    """Lower goes first."""

    EDIT = 0
    CHILD = 1
    RESYNC = 2


@dataclass(slots=True)
class _Key:
    priority: Priority
    limit: TokenBucket
    due: float = 0.0
    waiting: bool = False
    running: bool = False
    again: bool = False
    failures: int = 0


class Schedule:
    """The decisions, for given times in seconds. Every method is called with a `now` that never goes back."""

    def __init__(self, *, jitter: Callable[[], float] = lambda: random.uniform(0.8, 1.2)) -> None:  # noqa: S311
        self._keys: dict[Name, _Key] = {}
        self._later: list[tuple[float, int, Name]] = []
        self._ready: list[tuple[float, int, Name]] = []
        self._jitter = jitter
        self._count = 0

    @property
    def running(self) -> int:
        """How many names are in work."""
        return sum(1 for key in self._keys.values() if key.running)

    def due_since(self, name: Name) -> float:
        """When the pass that is under way was due."""
        return self._keys[name].due

    def __len__(self) -> int:
        return sum(1 for key in self._keys.values() if key.waiting or key.again)

    def add(self, name: Name, *, priority: Priority, now: float, delay: float = 0.0, urgent: bool = False) -> None:
        """Have `name` reconciled after `delay` seconds. An earlier entry, or one of higher priority, is kept."""
        key = self._keys.setdefault(name, _Key(priority, TokenBucket(BURST, PER_SECOND, at=now)))
        if key.running and not delay:
            key.priority = min(priority, key.priority) if key.again else priority
            key.again = True
            return
        due = now + delay if urgent else max(now + delay, key.limit.free_at(now))
        if key.waiting and key.due <= due and key.priority <= priority:
            return
        key.priority = min(priority, key.priority) if key.waiting or key.again else priority
        key.due = min(due, key.due) if key.waiting else due
        key.waiting = True
        self._push(self._later, key.due, name)

    def pop(self, now: float) -> Name | None:
        """The next name to reconcile, marked as in work; None when none is due."""
        self._promote(now)
        while self._ready:
            _, _, name = heapq.heappop(self._ready)
            if not self._may_start(name, now):
                continue
            key = self._keys[name]
            key.waiting, key.running = False, True
            key.limit.take(now)
            return name
        return None

    def done(
        self,
        name: Name,
        *,
        now: float,
        failed: bool = False,
        requeue_seconds: float | None = None,
        first_seconds: float | None = None,
    ) -> float:
        """`name` is no longer in work. A failure comes back after a growing pause, which is returned, or 0.

        It begins with `first_seconds` and grows no longer than `requeue_seconds`; without a failure that is the pause.
        """
        key = self._keys[name]
        key.running = False
        key.failures = key.failures + 1 if failed else 0
        again, key.again, pause = key.again, False, 0.0
        if key.waiting:
            self._push(self._later, key.due, name)  # if it came due during the pass, it was passed over
        if again:
            self.add(name, priority=key.priority, now=now)
        if failed:
            longest = BACKOFF_MAX_SECONDS if requeue_seconds is None else requeue_seconds
            first = BACKOFF_FIRST_SECONDS if first_seconds is None else first_seconds
            pause = min(first * 2.0 ** min(key.failures - 1, 30), longest) * self._jitter()
            self.add(name, priority=key.priority, now=now, delay=pause)
        elif requeue_seconds is not None:
            self.add(name, priority=Priority.RESYNC, now=now, delay=requeue_seconds)
        return pause

    def forget(self, name: Name) -> None:
        """The resource is gone: drop its limits and failures, unless it was added again."""
        key = self._keys.get(name)
        if key is not None and not (key.waiting or key.running or key.again):
            del self._keys[name]

    def is_behind(self, now: float) -> bool:
        """Whether a name is due that no worker has."""
        self._promote(now)
        while self._ready and not self._may_start(self._ready[0][2], now):
            heapq.heappop(self._ready)
        return bool(self._ready)

    def next_due(self) -> float | None:
        """When something may be due next; None when nothing waits."""
        return self._later[0][0] if self._later else None

    def _may_start(self, name: Name, now: float) -> bool:
        key = self._keys.get(name)
        return key is not None and key.waiting and not key.running and key.due <= now

    def _promote(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            _, _, name = heapq.heappop(self._later)
            key = self._keys.get(name)
            if key is not None and key.waiting:
                self._push(self._ready, key.priority, name)

    def _push(
        self, heap: "list[tuple[float, int, Name]] | list[tuple[int, int, Name]]", rank: float, name: Name
    ) -> None:
        self._count += 1
        heapq.heappush(heap, (rank, self._count, name))  # type: ignore[misc]


class WorkQueue:
    """A Schedule on a clock. Any number of workers may wait in `get`; each change wakes one, and it wakes the next."""

    def __init__(self, schedule: Schedule, *, clock: Callable[[], float], added: Callable[[], None]) -> None:
        self.schedule = schedule
        self._clock = clock
        self._added = added
        self._sleepers: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    def add(self, name: Name, *, priority: Priority, delay: float = 0.0, urgent: bool = False) -> None:
        """See Schedule.add."""
        self.schedule.add(name, priority=priority, now=self._clock(), delay=delay, urgent=urgent)
        self._added()
        self._wake()

    def is_behind(self) -> bool:
        """Whether a name is due that no worker has taken yet."""
        return self.schedule.is_behind(self._clock())

    def waited_seconds(self, name: Name) -> float:
        """How long the pass under way waited beyond the time it was due."""
        return self._clock() - self.schedule.due_since(name)

    async def get(self) -> Name:
        """The next name, once there is one."""
        while True:
            name = self.schedule.pop(self._clock())
            if name is not None:
                self._wake()  # there may be more, and one worker has to wait for the next due time
                return name
            await self._sleep()

    def done(
        self,
        name: Name,
        *,
        failed: bool = False,
        requeue_seconds: float | None = None,
        first_seconds: float | None = None,
    ) -> float:
        """See Schedule.done."""
        pause = self.schedule.done(
            name, now=self._clock(), failed=failed, requeue_seconds=requeue_seconds, first_seconds=first_seconds
        )
        self._wake()
        return pause

    async def _sleep(self) -> None:
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append(sleeper)
        self._set_alarm()
        try:
            await sleeper
        except asyncio.CancelledError:
            if not sleeper.cancelled():
                self._wake()  # it was woken for something that others have to do now
            raise

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        due = self.schedule.next_due()
        pause = None if due is None else max(0.0, due - self._clock())
        self._alarm = None if pause is None else asyncio.get_running_loop().call_later(pause, self._wake)

    def _wake(self) -> None:
        """Wake one waiting worker."""
        while self._sleepers:
            sleeper = self._sleepers.popleft()
            if not sleeper.done():
                sleeper.set_result(None)
                return
