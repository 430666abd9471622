"""Coalescing: calls of one tick of the event loop share a round trip.

A `Coalescer` decides which calls travel together. The calls of one tick, and those that gathered while every place in
flight was taken, make up batches; each call keeps a result or an error of its own.

- Equal reads that were not sent yet become one (`share`). None joins a batch that was sent before it was made, so it
  sees every commit that had finished by then.
- Calls that name a common key (`call`) are never in flight together, and go in the order in which they came. So a
  batch holds each key once.
- A batch that fails is divided until the item that is at fault fails alone. `Unavailable` is an outage: it fails all.
- A caller that is cancelled changes nothing for the others, and its call is carried out.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fairlead_workload.errors import Unavailable, own_copy

Item = TypeVar("Item")
Result = TypeVar("Result")
Lane = TypeVar("Lane", bound=Hashable)


@dataclass(slots=True, eq=False)
class _Call(Generic[Lane, Item, Result]):
    """One item, and who waits for it. `keys` is None when it is shared; `blockers` are calls before it with a key."""

    lane: Lane
    item: Item
    keys: Collection[Hashable] | None
    futures: "list[asyncio.Future[Result]]"
    blockers: int = 0
    followers: "list[_Call[Lane, Item, Result]]" = field(default_factory=list)


class Coalescer(Generic[Lane, Item, Result]):
    """Makes batches of the calls of one event loop.

    `run` carries out the items of one lane, and returns one result or exception each, in their order. A batch is sorted
    by `order` if that is given. It weighs at most `batch_limit`, an item 1 unless `weigh` says more, and one that is
    heavier travels alone; at most `in_flight` batches run at a time.
    """

    def __init__(
        self,
        run: Callable[[Lane, list[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        dependency: str,
        batch_limit: int = 256,
        in_flight: int = 4,
        order: Callable[[Item], Any] | None = None,
        weigh: Callable[[Item], int] | None = None,
    ) -> None:
        self._run = run
        self._dependency = dependency
        self._batch_limit = batch_limit
        self._in_flight = in_flight
        self._order = order
        self._weigh = weigh
        self._waiting: dict[Lane, list[_Call[Lane, Item, Result]]] = {}  # the lane that waits longest comes first
        self._divided: deque[list[_Call[Lane, Item, Result]]] = deque()  # parts of batches that failed
        self._shared: dict[tuple[Lane, Item], _Call[Lane, Item, Result]] = {}  # not sent yet
        self._last: dict[Hashable, _Call[Lane, Item, Result]] = {}  # the last call that has a key
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._closed = False

    def share(self, lane: Lane, item: Item) -> "asyncio.Future[Result]":
        """The future result of `item`, which is hashable; shared with equal reads that were not sent yet."""
        future = self._future()
        call = self._shared.get((lane, item))
        if call is not None:
            call.futures.append(future)
            return future
        call = self._shared[lane, item] = _Call(lane, item, None, [future])
        self._enqueue(call)
        return future

    def call(self, lane: Lane, item: Item, keys: Collection[Hashable] = ()) -> "asyncio.Future[Result]":
        """The future result of `item`, which is carried out after every former call that has one of `keys`."""
        future = self._future()
        call = _Call(lane, item, keys, [future])
        for key in keys:
            former = self._last.get(key)
            if former is not None and former is not call:
                former.followers.append(call)
                call.blockers += 1
            self._last[key] = call
        if not call.blockers:
            self._enqueue(call)
        return future

    async def close(self) -> None:
        """Take no more calls, and finish those that were made."""
        self._closed = True
        self._dispatch()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _future(self) -> "asyncio.Future[Result]":
        if self._closed:
            raise Unavailable(self._dependency, "its adapter is closed")
        return asyncio.get_running_loop().create_future()

    def _enqueue(self, call: _Call[Lane, Item, Result]) -> None:
        self._waiting.setdefault(call.lane, []).append(call)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._scheduled = False
        while len(self._tasks) < self._in_flight and (batch := self._next()):
            task = asyncio.get_running_loop().create_task(self._carry_out(batch))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._dispatch()

    def _next(self) -> list[_Call[Lane, Item, Result]]:
        if self._divided:
            return self._divided.popleft()
        if not self._waiting:
            return []
        lane = next(iter(self._waiting))
        calls = self._waiting.pop(lane)
        size = self._fitting(calls)
        if len(calls) > size:
            self._waiting[lane] = calls[size:]
            del calls[size:]
        for call in calls:
            if call.keys is None:
                del self._shared[lane, call.item]
        if self._order is not None:
            order = self._order
            calls.sort(key=lambda call: order(call.item))
        return calls

    def _fitting(self, calls: Sequence[_Call[Lane, Item, Result]]) -> int:
        """How many of the calls make up a batch."""
        if self._weigh is None:
            return self._batch_limit
        weight = 0
        for size, call in enumerate(calls):
            weight += self._weigh(call.item)
            if weight > self._batch_limit and size:
                return size
        return len(calls)

    async def _carry_out(self, batch: list[_Call[Lane, Item, Result]]) -> None:
        try:
            results = await self._run(batch[0].lane, [call.item for call in batch])
            if len(results) != len(batch):
                raise ValueError(f"{len(results)} results of {len(batch)} items")
        except Exception as error:  # noqa: BLE001 - outermost: whatever went wrong must reach the callers
            self._fail(batch, error)
        except BaseException:  # the event loop ends
            for call in batch:
                for future in call.futures:
                    future.cancel()
                self._release(call)
            raise
        else:
            for call, result in zip(batch, results, strict=True):
                self._finish(call, result)

    def _fail(self, batch: list[_Call[Lane, Item, Result]], error: Exception) -> None:
        if len(batch) > 1 and not isinstance(error, Unavailable):
            middle = len(batch) // 2
            self._divided += (batch[:middle], batch[middle:])
            return
        for call in batch:
            self._finish(call, error)

    def _finish(self, call: _Call[Lane, Item, Result], result: Result | Exception) -> None:
        for future in call.futures:
            if future.done():  # the caller was cancelled
                continue
            if isinstance(result, Exception):
                future.set_exception(own_copy(result))
            else:
                future.set_result(result)
        self._release(call)

    def _release(self, call: _Call[Lane, Item, Result]) -> None:
        """The calls behind it may go."""
        for key in call.keys or ():
            if self._last.get(key) is call:
                del self._last[key]
        for follower in call.followers:
            follower.blockers -= 1
            if not follower.blockers:
                self._enqueue(follower)
