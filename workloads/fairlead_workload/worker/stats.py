"""What the worker counts. Plain numbers; telemetry exports them. Labels are bounded: declared event types only."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

OTHER = "other"


@dataclass(slots=True)
class Timing:
    """Durations of one event type, as sum and count."""

    seconds: float = 0.0
    count: int = 0


@dataclass(slots=True)
class RelayStats:
    """What the relay of this process has published, and what waits for it."""

    published: int = 0  # outbox events acknowledged by the queue
    lag_seconds: float = 0.0  # since it first saw the oldest event that it could not publish yet


@dataclass(slots=True)
class WorkerStats:
    """Counters only grow; gauges say how it is now. Keys of the counters are declared event types, or `other`."""

    declared: frozenset[str]
    received: Counter[str] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)
    failed: Counter[tuple[str, str]] = field(
        default_factory=Counter
    )  # (event type, kind of failure, or `client_error`)
    retried: Counter[str] = field(default_factory=Counter)
    waited: Counter[str] = field(
        default_factory=Counter
    )  # returned to the queue without an attempt: a called service keeps failing
    dead_lettered: Counter[tuple[str, str]] = field(default_factory=Counter)  # (event type, error class)
    duplicates: Counter[str] = field(default_factory=Counter)  # delivered again after they were done
    handler_seconds: dict[str, Timing] = field(default_factory=dict)
    in_flight: int = 0
    outage: bool = False  # of the datastore
    called: Callable[[], Mapping[str, bool]] = dict  # whether the called services answer, those that are known

    def label(self, event_type: str) -> str:
        """`event_type` if it is declared, else `other`."""
        return event_type if event_type in self.declared else OTHER

    def observe_duration(self, event_type: str, elapsed_seconds: float) -> None:
        """An event was handled in this time, whatever its end; of a batch, each event has its share."""
        timing = self.handler_seconds.setdefault(self.label(event_type), Timing())
        timing.seconds += elapsed_seconds
        timing.count += 1
