"""Wait for something that others do in their own time."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_SECONDS = 60.0  # a loaded machine is no reason to fail


def eventually(check: Callable[[], T | None], *, what: str, timeout_seconds: float = PATIENCE_SECONDS) -> T:
    """The first truthy answer of `check`; an AssertionError that names `what` when none comes in time."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_seconds:.0f} s: {what}")
        time.sleep(0.05)


async def connections_closed(*, timeout_seconds: float = 2.0) -> None:
    """Wait until this loop has no connection any more, but not for ever.

    Under TLS a connection closes only after a message from the peer, and Python warns of those that are still open.
    """
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_seconds):
            # One is the loop's own, by which other threads wake it.
            while len(selector.get_map()) > 1:  # noqa: ASYNC110  # nothing signals it
                await asyncio.sleep(0.01)
