"""Single flight: of all who want the same key, one fetches and the others wait for it.

A fetch belongs to its key until it ends or is detached. One that no longer belongs still answers those who wait for it;
nobody new joins it, and whether it may store what it brings is asked with `is_own`. For one event loop.
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """The fetches under way, by key."""

    def __init__(self) -> None:
        self._flights: dict[str, asyncio.Task[T]] = {}
        self._tasks: set[asyncio.Task[T]] = set()  # those that no longer belong to their key, too

    def get(self, key: str) -> asyncio.Task[T] | None:
        """The fetch that belongs to the key."""
        return self._flights.get(key)

    def start(self, key: str, fetch: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a fetch, to which the key belongs from now on. It goes on when nobody waits for it any more."""
        flight = asyncio.get_running_loop().create_task(fetch)
        flight.add_done_callback(partial(self._on_fetch_done, key))
        self._flights[key] = flight
        self._tasks.add(flight)
        return flight

    def detach(self, key: str) -> None:
        """Nobody joins the fetch under way any more, and it is not its own."""
        self._flights.pop(key, None)

    def detach_all(self) -> None:
        """`detach` every key."""
        self._flights.clear()

    def is_own(self, key: str) -> bool:
        """Whether the key belongs to the fetch in which this is called."""
        return self._flights.get(key) is asyncio.current_task()

    async def close(self) -> None:
        """Abandon what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _on_fetch_done(self, key: str, flight: asyncio.Task[T]) -> None:
        self._tasks.discard(flight)
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # a refresh has nobody waiting who would take it
