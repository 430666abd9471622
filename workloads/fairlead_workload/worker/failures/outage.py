"""Outage mode: after several failures in a row, one try at a time until one succeeds. Pure.

It keeps an outage from using up the attempts of all events, and the dependency from being overloaded when it comes
back. The worker has one for the store, which every event waits for, and one per called service, which only calls to it
wait for. `Unavailable` of store or queue counts for the first one; an event that takes too long does not.
"""

THRESHOLD = 5
FIRST_PAUSE_SECONDS = 0.25
MAX_PAUSE_SECONDS = 15.0


class Outage:
    """Counts failures in a row. Every success, failure and probe is reported to it."""

    def __init__(self, threshold: int = THRESHOLD) -> None:
        self._threshold = threshold
        self._failures = 0
        self._probes = 0
        self._next_at = 0.0

    @property
    def active(self) -> bool:
        return self._failures >= self._threshold

    def probe(self) -> float:
        """One more is to be tried in outage mode: how many seconds to wait before, doubling each time."""
        pause = FIRST_PAUSE_SECONDS * 2 ** min(self._probes, 10)
        self._probes += 1
        return float(min(pause, MAX_PAUSE_SECONDS))

    def admit(self, now: float) -> float:
        """0: try now. In outage mode one per pause may; for any other, how many seconds until the next one may."""
        if not self.active:
            return 0.0
        if now < self._next_at:
            return self._next_at - now
        self._next_at = now + self.probe()
        return 0.0

    def failed(self) -> None:
        """It failed because of the dependency."""
        self._failures += 1

    def succeeded(self) -> None:
        """It came to an end, so the dependency is there."""
        self._failures = self._probes = 0
        self._next_at = 0.0
