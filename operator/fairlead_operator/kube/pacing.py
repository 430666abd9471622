"""How often connections are made: a list and a watch of a collection begin at most once a second, whoever asks.

kopf and the informer of metadata follow the same collections, so they take turns. kopf need not wait for a turn of the
informer's, so two may begin at once; the informer yields, and lets kopf begin.
"""

import asyncio
from collections.abc import Awaitable, Callable

PERIOD_SECONDS = 1.0
AT_ONCE = 2


class Pacing:
    """Turns by path, for lists and watches apart. Whoever comes first goes first. `clock` in seconds."""

    def __init__(
        self, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        # When a turn would be free if none was ever taken early.
        self._free_at: dict[tuple[str, bool], float] = {}

    async def turn(self, path: str, *, watch: bool, yielding: bool = False) -> None:
        """Wait for the next turn of this path."""
        if yielding and (path, watch) not in self._free_at:
            await self._sleep(PERIOD_SECONDS)
        now = self._clock()
        free_at = max(self._free_at.get((path, watch), now), now)
        self._free_at[path, watch] = free_at + PERIOD_SECONDS
        early_seconds = 0.0 if yielding else (AT_ONCE - 1) * PERIOD_SECONDS
        pause = free_at - early_seconds - now
        if pause > 0:
            await self._sleep(pause)
