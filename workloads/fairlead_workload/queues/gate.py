"""Order by key where a broker delivers several messages of a key at once: which delivery may be handled now. Pure.

Each key has a line of places in the order of delivery. The first place is handed out; what is behind it is held until
that one has ended. A delivery that goes back to the queue takes everything behind it along, with the same delay: so
nothing is held for longer than a handler takes, and the broker, not this process, keeps what waits for a retry.

Where the queue blocks keys by itself (`Queue.blocks_keys`), the line of a retried message is forgotten with that.
Where it does not, the places stay in the line and are `away` until their messages are delivered again, for a later
message may be delivered before them. A place is given up when it stays away for long: another process has got it.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from fairlead_workload.queues.base import Delivery

AWAY_SECONDS = 60.0  # how long after it is due a message may stay away before the later ones go on without it
SHORTEST_DELAY_SECONDS = 0.1  # of what is given back because an earlier message is overdue

MessageId = tuple[str, int]  # with its redrive count: a redriven message is another one


@dataclass(slots=True, eq=False)
class _Place:
    """A message in the line of its key. `delivery` None: it is away until about `due` (seconds of the clock)."""

    id: MessageId
    delivery: Delivery | None
    due: float = 0.0


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A delivery that is to be returned to the queue."""

    delivery: Delivery
    delay_seconds: float


class Gate:
    """The lines of all keys. Times are seconds of any clock that does not go back.

    `remembers`: what was given back keeps its place, as the queue does not block keys by itself, until it is overdue by
    `away_seconds`.
    """

    def __init__(self, *, remembers: bool, away_seconds: float = AWAY_SECONDS) -> None:
        self._remembers = remembers
        self._away_seconds = away_seconds
        self._lines: dict[str, deque[_Place]] = {}
        self._away: dict[MessageId, _Place] = {}
        self._ready: deque[Delivery] = deque()
        self._swept_at = 0.0
        self.held = 0  # deliveries behind the first of their key

    @property
    def ready(self) -> int:
        """How many deliveries can be taken."""
        return len(self._ready)

    def admit(self, deliveries: Iterable[Delivery], *, now: float) -> list[GivenBack]:
        """Take in what was delivered. Returns what cannot wait here, because an earlier message is away."""
        self._sweep(now)
        touched: dict[str, None] = {}
        for delivery in deliveries:
            key = delivery.message.key
            line = self._lines.get(key)
            if line is None:
                self._lines[key] = deque([_Place(_id(delivery), delivery)])
                self._ready.append(delivery)
            else:
                self._enter(line, delivery)
                touched[key] = None
        return [one for key in touched for one in self._settle(key, now)]

    def take(self, limit: int) -> list[Delivery]:
        """Hand out up to `limit` deliveries, the longest ready first; never two of a key."""
        ready = self._ready
        return [ready.popleft() for _ in range(min(limit, len(ready)))]

    def ended(self, delivery: Delivery, *, now: float) -> list[GivenBack]:
        """It has left the queue: the next one of its key is ready. Returns what goes back."""
        line = self._line_of(delivery)
        if line is None:
            return []
        self._advance(line)
        return self._settle(delivery.message.key, now)

    def returned(self, delivery: Delivery, *, delay_seconds: float, now: float) -> list[GivenBack]:
        """It goes back to the queue, to be delivered after the delay. Returns what goes back with it."""
        line = self._line_of(delivery)
        if line is None:
            return []
        if not self._remembers:
            del self._lines[delivery.message.key]
            self.held -= len(line) - 1
            return [GivenBack(one.delivery, delay_seconds) for one in line if one.delivery not in (None, delivery)]
        self._leave(line[0], now + delay_seconds)
        return self._settle(delivery.message.key, now)

    def _line_of(self, delivery: Delivery) -> deque[_Place] | None:
        """The line that this delivery is the first of; None for one that has not come through here."""
        line = self._lines.get(delivery.message.key)
        return line if line is not None and line[0].delivery is delivery else None

    def _enter(self, line: deque[_Place], delivery: Delivery) -> None:
        """Give a delivery the place that its message has, or the last one."""
        place = self._away.pop(_id(delivery), None)
        if place is None:
            place = _Place(_id(delivery), delivery)
            line.append(place)
        place.delivery = delivery
        if place is line[0]:
            self._ready.append(delivery)
        else:
            self.held += 1

    def _advance(self, line: deque[_Place]) -> _Place:
        """Take the first place out of a line, and hand out the next one if its message is here."""
        first = line.popleft()
        if line and line[0].delivery is not None:
            self.held -= 1
            self._ready.append(line[0].delivery)
        return first

    def _settle(self, key: str, now: float) -> list[GivenBack]:
        """Give up places that are away for too long, then see to it that nothing is held behind one that is away."""
        line = self._lines[key]
        while line and line[0].delivery is None and line[0].due + self._away_seconds < now:
            self._away.pop(self._advance(line).id, None)
        if not line:
            del self._lines[key]
        elif line[0].delivery is None:
            return self._send_away(line, now)
        return []

    def _send_away(self, line: deque[_Place], now: float) -> list[GivenBack]:
        """Everything behind a message that is away goes back, to come again when that one does."""
        due = max(line[0].due, now + SHORTEST_DELAY_SECONDS)
        back = [GivenBack(place.delivery, due - now) for place in line if place.delivery is not None]
        for place in [place for place in line if place.delivery is not None]:
            if place.id in self._away:  # another delivery of a message that has a place
                line.remove(place)
            else:
                self._leave(place, due)
        self.held -= len(back)
        return back

    def _leave(self, place: _Place, due: float) -> None:
        place.delivery, place.due = None, due
        self._away[place.id] = place

    def _sweep(self, now: float) -> None:
        """Forget the lines of keys that nothing is delivered of any more."""
        if not self._remembers or now - self._swept_at < self._away_seconds:
            return
        self._swept_at = now
        for key in [key for key, line in self._lines.items() if line[0].delivery is None]:
            self._settle(key, now)


def _id(delivery: Delivery) -> MessageId:
    return delivery.message.id, delivery.redrives
