"""Events without a handler: none that was meant for one is acknowledged silently.

A fact is published only where a handler handles its type, so there was one, or another worker has it already (a
rollout): the fact is retried a few times, then it is a dead letter `NoHandler`. An event that a step publishes may be
for other consumers, and is done, unless a handler has begun with it. The progress stays: redriven, it goes on where it
stopped.
"""

from fairlead_contract.spec.bindings import Queue as QueueSpec
from fairlead_workload.bindings import Bindings
from fairlead_workload.errors import DependencyError
from fairlead_workload.model import retention
from fairlead_workload.stores.base import PROGRESS, RecordWrite
from fairlead_workload.worker import inbox
from fairlead_workload.worker.decisions import DONE, DeadLettered, Done, Retry
from fairlead_workload.worker.dispatch import UnhandledItem
from fairlead_workload.worker.failures.failure_policy import FailurePolicy
from fairlead_workload.worker.failures.retry_policy import ErrorClass, GiveUp, NoHandler


class Unhandled:
    """Ends the events that no handler of one service takes."""

    def __init__(self, bindings: Bindings, queue: QueueSpec, failure_policy: FailurePolicy) -> None:
        self._store = bindings.store
        self._failure_policy = failure_policy
        self._clock = bindings.clock
        self._progress_seconds = retention.dead_letter_seconds(queue)

    async def end(self, item: UnhandledItem) -> Done | Retry | DeadLettered:
        """What becomes of the event."""
        if item.announced and item.fresh:
            return DONE
        try:
            (item.history,) = await inbox.read_histories(self._store, [item.id])
        except DependencyError as error:
            return await self._failure_policy.retry_unread(item, error)
        ended = item.history.final_entry(item.delivery.redrives)
        if ended is not None:
            return self._failure_policy.duplicate(item, ended)
        if item.announced and not item.history.started:
            return DONE
        return await self._give_up(item)

    async def _give_up(self, item: UnhandledItem) -> Retry | DeadLettered:
        error = NoHandler(item.event.type)
        failures, decision = self._failure_policy.assess(item, error)
        if isinstance(decision, Retry):
            await self._failure_policy.store_failures(item, failures)
            return decision
        failure = self._failure_policy.failure(item, failures, GiveUp(ErrorClass.NO_HANDLER, "no-handler", str(error)))
        return await self._failure_policy.dead_letter(item, failure, *self._progress(item))

    def _progress(self, item: UnhandledItem) -> tuple[RecordWrite, ...]:
        """How far the event is, kept for as long as its dead letter."""
        stored = item.history.progress
        if stored is None:
            return ()
        return (RecordWrite(PROGRESS, item.id, stored.value, self._clock() + self._progress_seconds, stored.revision),)
