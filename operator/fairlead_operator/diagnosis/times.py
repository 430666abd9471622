"""Times as the API server writes them (RFC 3339)."""

import datetime


def seconds_between(then: str, now: str) -> float:
    """How much time went by from `then` to `now`; negative when `then` is the later one."""
    before, after = (datetime.datetime.fromisoformat(time) for time in (then, now))
    return (after - before).total_seconds()
