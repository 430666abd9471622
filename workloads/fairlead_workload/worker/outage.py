"""Outage mode: after several failures of dependencies in a row, one event at a time until one succeeds. Pure.

It keeps an outage from burning through the queue, and the dependency from being buried when it comes back.
"""

THRESHOLD = 5
FIRST_PAUSE_SECONDS = 0.25
MAX_PAUSE_SECONDS = 15.0


class Outage:
    """Counts failures in a row. Told by the worker about each event's end, and of each probe."""

    def __init__(self, threshold: int = THRESHOLD) -> None:
        self._threshold = threshold
        self._failures = 0
        self._probes = 0

    @property
    def active(self) -> bool:
        return self._failures >= self._threshold

    def probe(self) -> float:
        """One more event is to be tried in outage mode: how many seconds to wait before, doubling each time."""
        pause = FIRST_PAUSE_SECONDS * 2 ** min(self._probes, 10)
        self._probes += 1
        return float(min(pause, MAX_PAUSE_SECONDS))

    def failed(self) -> None:
        """An event failed because of a dependency."""
        self._failures += 1

    def succeeded(self) -> None:
        """An event came to its end."""
        self._failures = self._probes = 0
