"""A limit on how often something happens: a few times at once, and then at a steady rate."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class TokenBucket:
    """`burst` at once and then `per_second`. Every time is in seconds of one clock, and none is before `at`."""

    burst: float
    per_second: float
    at: float
    _tokens: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens = self.burst

    def free_at(self, now: float) -> float:
        """When a token is there: now, or later."""
        return now + max(0.0, 1.0 - self._available(now)) / self.per_second

    def take(self, now: float) -> None:
        """Take a token, or what there is of one."""
        self._tokens = max(0.0, self._available(now) - 1.0)
        self.at = now

    def _available(self, now: float) -> float:
        return min(self.burst, self._tokens + (now - self.at) * self.per_second)
