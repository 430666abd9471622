"""When the API server answered, about each thing that is followed and at all.

A `WatchLiveness` is of one watch, or of the election. What it has *heard* is news, or the proof that there is none: an
event, a bookmark, the end of a window that the server made, a whole list, and also that a kind is not served or may not
be read. An error, or a page of a list that goes on, is an *answer* and no more. Neither trying nor giving up is either.

Silence is a fault of one watch only while the server answers other requests. A server that answers none is away, and
silence from before it came back does not count.
"""

from collections.abc import Callable

from fairlead_operator.errors import ApiError, Forbidden, NotFound, OperatorError

# Leader election sends a request every few seconds: when nothing was answered for so long, the server was away.
AWAY_SECONDS = 30.0


class ServerReachability:
    """All answers to one operator: it has had them, without a long gap, from `since` until `until`, by `clock`."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.since = self.until = clock()

    def now(self) -> float:
        """The clock's time."""
        return self._clock()

    def answered(self) -> float:
        """The server answers something; the time."""
        now = self._clock()
        if now - self.until > AWAY_SECONDS:
            self.since = now
        self.until = now
        return now

    def is_away(self) -> bool:
        """Whether it has answered nothing for long."""
        return self._clock() - self.until > AWAY_SECONDS


class WatchLiveness:
    """See the module. It starts as if it was heard: what is followed from now on has been silent for no time."""

    def __init__(self, reachability: ServerReachability) -> None:
        self._reachability = reachability
        self.heard_at = self.answered_at = reachability.now()

    def heard(self) -> None:
        """There is news, or certainly none."""
        self.heard_at = self.answered_at = self._reachability.answered()

    def answered(self) -> None:
        """There is an answer, from which nothing is known yet."""
        self.answered_at = self._reachability.answered()

    def failed(self, error: OperatorError) -> None:
        """It ended with this error. Only an error from the server itself is an answer."""
        if isinstance(error, NotFound | Forbidden):
            self.heard()
        elif isinstance(error, ApiError):
            self.answered()

    def unanswered_seconds(self) -> float:
        """For how long others were answered, and this one was not."""
        return max(0.0, self._reachability.until - max(self.answered_at, self._reachability.since))
