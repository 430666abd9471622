"""The results of handling an event: `Decision` is a unit to commit, `Outcome` what is done with the delivery."""

from dataclasses import dataclass

from fairlead_workload.queues.base import Failure
from fairlead_workload.stores.base import Document, RecordWrite, Unit
from fairlead_workload.worker.failures.retry_policy import ClassifiedError


@dataclass(frozen=True, slots=True)
class Done:
    """Acknowledge it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Return it to the queue until the delay is over. `attempts` so far, where they are counted."""

    delay_seconds: float
    why: ClassifiedError
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class DeadLettered:
    """Move it to the dead letters; its inbox entry is written. Then write `moved`, so that it is not moved twice."""

    failure: Failure
    moved: RecordWrite | None = None


@dataclass(frozen=True, slots=True)
class ByStep:
    """It takes more than one unit: let `handlers` run its steps one after the other."""


Outcome = Done | Retry | DeadLettered | ByStep
DONE = Done()
BY_STEP = ByStep()


@dataclass(frozen=True, slots=True)
class Decision:
    """A unit and the document after it. `writes`: its only mutation makes the event's document `document`.

    `settles`: a staged (write-back) version that has reached the store, or was overtaken, with this unit.
    """

    unit: Unit
    document: Document | None = None
    writes: bool = False
    client_error: bool = False  # of the client, found late: its operation has failed
    settles: int | None = None
