"""Outage mode: after several failures of dependencies in a row, one event at a time until one succeeds. Pure.

It keeps an outage from burning through the queue, and the dependency from being buried when it comes back.
"""

THRESHOLD = 5
MAX_PAUSE_SECONDS = 15.0


class Outage:
    """Counts failures in a row. Told by the worker about each event's end."""

    def __init__(self, threshold: int = THRESHOLD) -> None:
        self._threshold = threshold
        self._failures = 0

    @property
    def active(self) -> bool:
        return self._failures >= self._threshold

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next event is tried: doubles from 0.25 s while the outage lasts."""
        if not self.active:
            return 0.0
        return float(min(0.25 * 2 ** min(self._failures - self._threshold, 10), MAX_PAUSE_SECONDS))

    def failed(self) -> None:
        """An event failed because of a dependency. Within one batch, failures beyond the threshold count once."""
        self._failures += 1

    def succeeded(self) -> None:
        """An event came to an end that a working dependency gave it (done, or rejected)."""
        self._failures = 0
