"""Wait for something that a controller does in its own time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T | None], *, what: str, timeout_seconds: float = 30.0) -> T:
    """The first truthy answer of `check`; an AssertionError that names `what` when none comes in time."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_seconds:.0f} s: {what}")
        time.sleep(0.05)
