"""A time limit that many waits share: what `asyncio.timeout` does, for one timer of the event loop.

A timer per request is a tenth of the cost of a small POST. Here all waits last equally long, so the order in which they
begin is the order in which they end, and one timer watches the oldest.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class SharedTimeout:
    """Waits at most `seconds` for each of many coroutines of one event loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadlines: dict[asyncio.Task[Any], float] = {}  # oldest first; a task waits for one thing at a time
        self._watching = False

    async def wait_for(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Its result. Raises TimeoutError when it takes longer; the coroutine is cancelled then."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None  # noqa: S101 - a coroutine is awaited in a task
        others = task.cancelling()
        self._deadlines[task] = loop.time() + self._seconds
        if not self._watching:
            self._watch(loop, self._seconds)
        try:
            return await coroutine
        except asyncio.CancelledError:
            if task not in self._deadlines and task.uncancel() <= others:
                raise TimeoutError from None
            raise
        finally:
            self._deadlines.pop(task, None)

    def _watch(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._watching = True
        loop.call_later(seconds, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watching = False
        now = loop.time()
        for task, deadline in list(self._deadlines.items()):
            if deadline > now:
                self._watch(loop, deadline - now)
                return
            del self._deadlines[task]
            task.cancel()
