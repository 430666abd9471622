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
    """Move it to the dead letters; its inbox entry is written. Then write `moved`, so that it is not moved twice.

    `staged`: path and version of a write-back that will not reach the store, so no cache may show it when it is moved.
    """

    failure: Failure
    moved: RecordWrite | None = None
    staged: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class ByStep:
    """It takes more than one unit: let `handlers` run its steps one after the other."""


Outcome = Done | Retry | DeadLettered | ByStep
DONE = Done()
BY_STEP = ByStep()


@dataclass(frozen=True, slots=True)
class Decision:
    """A unit and the document after it. `writes`: its only mutation makes the event's document `document`.

    `staged`: the version under which a write-back is shown, which ends with this unit: the document is stored under it
    or a later one, or (not `writes`) is overtaken.
    """

    unit: Unit
    document: Document | None = None
    writes: bool = False
    client_error: bool = False  # of the client, found late: its operation has failed
    staged: int | None = None
