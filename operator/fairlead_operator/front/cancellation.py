"""Ending tasks that are not our own: cancelled, cancelled once more, and left behind if that does not end them."""

import asyncio
import logging
from collections.abc import Collection
from typing import Any

LOG = logging.getLogger(__name__)
WAIT_SECONDS = 5.0
ATTEMPTS = 2


async def cancel(tasks: Collection[asyncio.Task[Any]], *, wait_seconds: float = WAIT_SECONDS) -> None:
    """Cancel all of `tasks` and wait for them, at most twice `wait_seconds`; the names of those that go on are logged.

    kopf's tasks wait for each other while they end: one that misses the first cancellation would be waited for without
    end, and nothing would be watched by kopf any more.
    """
    running = set(tasks)
    for _ in range(ATTEMPTS):
        for task in running:
            task.cancel()
        if running:
            ended, running = await asyncio.wait(running, timeout=wait_seconds)
            await asyncio.gather(*ended, return_exceptions=True)  # their errors have been reported by kopf
    if running:
        names = sorted(task.get_name() for task in running)
        LOG.error("tasks of kopf did not end when cancelled", extra={"tasks": names})
