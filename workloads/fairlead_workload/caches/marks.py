"""Short notes about keys, each for the same time and bounded in number: the oldest goes when there is no room."""

from collections.abc import Callable


class Marks:
    """Remembers a number per key for `seconds` after the last `set`. `clock` gives unix seconds."""

    def __init__(self, seconds: float, *, clock: Callable[[], float], limit: int = 10_000) -> None:
        self._marks: dict[str, tuple[int, float]] = {}  # all last equally long: insertion order is order of expiry
        self._seconds = seconds
        self._clock = clock
        self._limit = limit

    def set(self, key: str, value: int) -> None:
        """Remember `value`, or what is remembered if that is larger."""
        value = max(value, self.get(key) or 0)
        self.drop(key)
        self._marks[key] = (value, self._clock() + self._seconds)
        self._make_room()

    def get(self, key: str) -> int | None:
        """The value, or None when there is none any more."""
        mark = self._marks.get(key)
        return mark[0] if mark is not None and mark[1] > self._clock() else None

    def drop(self, key: str) -> None:
        """Forget the key."""
        self._marks.pop(key, None)

    def _make_room(self) -> None:
        now = self._clock()
        while self._marks:
            oldest = next(iter(self._marks))
            if len(self._marks) <= self._limit and self._marks[oldest][1] > now:
                return
            del self._marks[oldest]
