"""Waiting for what another process does."""

import time
from collections.abc import Callable

START_SECONDS = 60.0  # a loaded machine is no reason to fail


def until(happened: Callable[[], bool], what: str) -> None:
    """Return as soon as `happened` says so; fail when it does not."""
    deadline = time.monotonic() + START_SECONDS
    while not happened():
        assert time.monotonic() < deadline, f"waited {START_SECONDS:.0f} s for {what}"
        time.sleep(0.02)
