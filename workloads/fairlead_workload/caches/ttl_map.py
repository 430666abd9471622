"""A number per key, each for the same time, bounded in count: the oldest goes when there is no room."""

from collections import OrderedDict
from collections.abc import Callable


class TtlMap:
    """Keeps a number per key for `seconds` after the last `set`. `clock` gives unix seconds."""

    def __init__(self, seconds: float, *, clock: Callable[[], float], limit: int = 10_000) -> None:
        # All last equally long: insertion order is order of expiry. A plain dict is slow to find its first key when
        # many before it have gone.
        self._values: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._seconds = seconds
        self._clock = clock
        self._limit = limit

    def set(self, key: str, value: int) -> None:
        """Keep `value`, or what is there if that is larger."""
        now = self._clock()
        kept = self._values.pop(key, None)
        if kept is not None and kept[0] > value and kept[1] > now:
            value = kept[0]
        self._values[key] = (value, now + self._seconds)
        self._make_room(now)

    def get(self, key: str) -> int | None:
        """The value, or None when there is none any more."""
        kept = self._values.get(key)
        return kept[0] if kept is not None and kept[1] > self._clock() else None

    def drop(self, key: str) -> None:
        """Forget the key."""
        self._values.pop(key, None)

    def _make_room(self, now: float) -> None:
        while self._values:
            oldest = next(iter(self._values))
            if len(self._values) <= self._limit and self._values[oldest][1] > now:
                return
            del self._values[oldest]
