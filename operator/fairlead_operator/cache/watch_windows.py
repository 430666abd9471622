"""Where each window of a watch starts, and how long it is: decisions only. `informer` says what windows are for.

While it is calm, a window starts where the one before it began. From a window with much news on, windows follow each
other and are longer, until it is calm again or that went on for too long; then one window repeats all of it.
"""

import random
from dataclasses import dataclass

# News of one window that are much: sending them once more would cost the server as much as some writes.
MANY = 20
# It is calm again when they are so few; a rate about the limit must not end every other window in a list.
FEW = 5
# How many times as long windows are that repeat nothing.
LONGER = 5
# The longest time in which events are sent only once, calm or not.
LONGEST_SECONDS = 300.0
# Some lengths are shorter, so that the kinds do not all come back at the same moment.
SHORTEST = 0.85


@dataclass(frozen=True, slots=True)
class WatchPosition:
    """Resource versions: where the next window starts, up to where all is settled, and the highest one heard of.

    `once` counts the events after `settled` that only one connection has sent; the first of them came after
    `since`, in seconds of the caller's clock.
    """

    start: int
    settled: int
    known: int
    since: float = 0.0
    once: int = 0

    @classmethod
    def of_list(cls, version: int, *, now: float) -> "WatchPosition":
        """The position after a list."""
        return cls(version, version, version, now)

    @property
    def repeats(self) -> bool:
        """Whether the window repeats what is known but not settled."""
        return self.start == self.settled

    def window_seconds(self, usual_seconds: float) -> int:
        """How long to watch: whole seconds, for the server takes no others."""
        longest = usual_seconds * (1 if self.repeats else LONGER)
        return max(1, round(longest * random.uniform(SHORTEST, 1.0)))  # noqa: S311  # no secret hangs on it

    def is_calm(self, news: int, *, windows: float) -> bool:
        """Whether so many new events, in the time of so many usual `windows`, are few."""
        return news <= (MANY if self.repeats else FEW * max(1.0, windows))

    def after(self, reached: int, *, news: int, is_calm: bool, now: float) -> "WatchPosition":
        """The position after a window that sent everything up to `reached`, in order, of which `news` events were new.

        A window that starts where all is settled has repeated what was known when it began. It settles
        no more than it has reached, so one that was cut short is repeated.
        """
        if self.repeats:
            settled, since, once = min(self.known, reached), now, news
        else:
            settled, since, once = self.settled, self.since, self.once + news
        known = max(self.known, reached)
        is_busy = not is_calm and now - since < LONGEST_SECONDS
        return WatchPosition(known if is_busy else settled, settled, known, since, once)

    def should_relist(self, objects: int) -> bool:
        """Whether to repeat what only one connection has sent costs more than to list so many `objects`."""
        return self.repeats and self.once > max(MANY, objects)
