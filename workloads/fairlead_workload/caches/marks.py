"""Short notes about keys, each for the same time and bounded in number: the oldest goes when there is no room."""

from collections import OrderedDict
from collections.abc import Callable


class Marks:
    """Remembers a number per key for `seconds` after the last `set`. `clock` gives unix seconds."""

    def __init__(self, seconds: float, *, clock: Callable[[], float], limit: int = 10_000) -> None:
        # All last equally long: insertion order is order of expiry. A plain dict is slow to find its first key when
        # many before it have gone.
        self._marks: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._seconds = seconds
        self._clock = clock
        self._limit = limit

    def set(self, key: str, value: int) -> None:
        """Remember `value`, or what is remembered if that is larger."""
        now = self._clock()
        mark = self._marks.pop(key, None)
        if mark is not None and mark[0] > value and mark[1] > now:
            value = mark[0]
        self._marks[key] = (value, now + self._seconds)
        self._make_room(now)

    def get(self, key: str) -> int | None:
        """The value, or None when there is none any more."""
        mark = self._marks.get(key)
        return mark[0] if mark is not None and mark[1] > self._clock() else None

    def drop(self, key: str) -> None:
        """Forget the key."""
        self._marks.pop(key, None)

    def _make_room(self, now: float) -> None:
        while self._marks:
            oldest = next(iter(self._marks))
            if len(self._marks) <= self._limit and self._marks[oldest][1] > now:
                return
            del self._marks[oldest]
