"""Date-times as they are stored: fixed-width UTC with microseconds, so that text order is time order (RFC 3339)."""

from datetime import UTC, datetime
from functools import lru_cache


def render(unix_seconds: float) -> str:
    """Such as 2026-01-31T09:05:00.123456Z."""
    seconds, microseconds = divmod(round(unix_seconds * 1_000_000), 1_000_000)
    return f"{_to_the_second(seconds)}.{microseconds:06}Z"


@lru_cache(maxsize=64)  # what is rendered is mostly now
def _to_the_second(unix_seconds: int) -> str:
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat()[:19]


def normalise(value: str) -> str:
    """The same instant in the stored form; a leap second becomes the last microsecond before it.

    Raises ValueError for what is not a date-time of the years 1 to 9999.
    """
    upper = value.upper()
    leap = upper[17:19] == "60"
    moment = datetime.fromisoformat(upper[:17] + "59" + upper[19:] if leap else upper)
    if moment.tzinfo is None:
        raise ValueError("a date-time needs an offset or Z")
    if leap:
        moment = moment.replace(microsecond=999_999)
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the date-time is outside the years 1 to 9999") from None
    return moment.isoformat(timespec="microseconds")[:26] + "Z"
