"""The progress of a handler run. A commit that advances it is valid only for the worker that read the last state.

The fence is the record's revision, and the absence of an inbox entry: of two workers that hold the same event, one
commits a step and the other gets a Conflict. A redrive after a finished compensation begins the next run, with new
idempotency keys.
"""

from enum import StrEnum
from typing import Any

import msgspec
from msgspec import structs

from fairlead_workload.errors import FairleadError
from fairlead_workload.queues.base import Failure
from fairlead_workload.stores.base import INBOX, PROGRESS, Expect, RecordWrite
from fairlead_workload.worker.dispatch import FactItem
from fairlead_workload.worker.failures.retry_policy import Failures


class Phase(StrEnum):
    FORWARD = "forward"  # the handler's steps
    COMPENSATING = "undoing"  # compensation, in reverse
    ON_FAILURE = "afterwards"  # onFailure
    DEAD_LETTERED = "over"  # a dead letter; a redrive begins a new run


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of one event's course. Steps are named by their ids."""

    run: int = 1
    phase: Phase = Phase.FORWARD
    done: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    unknown: str = ""  # a call that may have been carried out although it has no answer
    results: dict[str, Any] = {}
    failure: Failure | None = None  # why the course is being undone
    deliveries: int = 0  # the broker's count when the run began

    def passed(self, id_: str) -> bool:
        return id_ in self.done or id_ in self.skipped


class Superseded(FairleadError):
    """Another worker has moved the event on; what this one was about to commit does not hold any more."""


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Progress)


class HandlerRun:
    """One event on its way through its steps, as this worker knows it."""

    def __init__(self, item: FactItem, *, cache_confirmed: bool) -> None:
        deliveries = item.delivery.deliveries
        stored = item.history.progress
        self.item = item
        self.progress = Progress() if stored is None else _decoder.decode(stored.value)
        self.step = ""  # the one under way, if any
        self.called = ""  # the service that it waits for, or waited for in vain
        self.cache_confirmed = cache_confirmed  # whether the shared cache has confirmed all that was committed
        # Without the broker's count, only a note made before a call can show that a worker died during it.
        self.notes_calls = deliveries is None
        self._unended = item.history.failures.unended if item.history.failures is not None else 0
        self._revision = 0 if stored is None else stored.revision
        if self.progress.phase is Phase.DEAD_LETTERED:
            self.progress = Progress(run=self.progress.run + 1, deliveries=(deliveries or 1) - 1)

    @property
    def worker_died(self) -> bool:
        """Whether an earlier delivery was never settled, so that a call may have been made that is not on record."""
        deliveries = self.item.delivery.deliveries
        if deliveries is None:
            return False  # every call is on record before it is made
        failures = self.item.history.failures
        known_deliveries = max(self.progress.deliveries, failures.deliveries if failures is not None else 0)
        return deliveries - 1 > known_deliveries

    def begun_failures(self, now: float) -> Failures:
        """The failures on record, with this attempt as one that has not ended."""
        redrives = self.item.delivery.redrives
        failures = self.item.history.failures
        if failures is None or failures.redrives < redrives:
            failures = Failures(first_failed_at=now, redrives=redrives)
        return structs.replace(failures, unended=self._unended + 1)

    def progress_records(self, progress: Progress, *, expires_at: float) -> tuple[RecordWrite, ...]:
        """The records of a commit that leaves the event at `progress`."""
        write = RecordWrite(PROGRESS, self.item.id, _encode(progress), expires_at, self._expect)
        return (write,) if self.item.history.inbox is not None else (write, _unfinished(self.item.id))

    def end_records(self) -> tuple[RecordWrite, ...]:
        """The record of a commit that ends the event well: nothing is left to remember."""
        return (RecordWrite(PROGRESS, self.item.id, None, None, self._expect),)

    def advance(self, progress: Progress, revision: int) -> None:
        """The commit of `progress_records` succeeded; the record has this revision now."""
        self.progress = progress
        self._revision = revision

    @property
    def _expect(self) -> Expect | int:
        return self._revision or Expect.ABSENT


def _unfinished(id_: str) -> RecordWrite:
    """Nobody has ended the event: removes nothing, and is a conflict when there is an entry."""
    return RecordWrite(INBOX, id_, None, None, Expect.ABSENT)
