"""Which called services answer, for a gauge of each.

The result of the last call is valid until the next attempt of a waiting event must have been made. After that nothing
waits for the service, its state is unknown, and it has no gauge. There is no probe: no request is harmless to every
service.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Observation:
    """`until`: when it stops being news, in the clock's seconds."""

    up: bool
    until: float


class ServiceAvailability:
    """Remembers the last call of each service. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._observations: dict[str, _Observation] = {}
        self.longest_seconds = 0.0  # between two tries of an event, as the worker knows it

    def observe(self, service: str, *, up: bool, retry_after_seconds: float = 0.0) -> None:
        """A call has ended: with an answer, or with a failure of the service and the delay that it asked for."""
        until = self._clock() + max(self.longest_seconds, retry_after_seconds)
        previous = self._observations.get(service)
        if previous is not None and not up and not previous.up:
            until = max(until, previous.until)
        self._observations[service] = _Observation(up, until)

    def known(self) -> dict[str, bool]:
        """Whether each service answers, of those that something is known of."""
        now = self._clock()
        return {service: seen.up for service, seen in self._observations.items() if seen.until > now}
