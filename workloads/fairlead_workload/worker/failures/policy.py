"""What follows a failure, on record: another attempt with its count, or the way to the dead letters.

The inbox learns of a dead letter before the message is moved, in one unit with the operation's record. When the store
cannot be written, the event is given back and the count is that of the broker's deliveries.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version

from msgspec import structs

from fairlead_contract.spec.bindings import Queue as QueueSpec
from fairlead_workload.errors import Conflict, DependencyError, Unavailable
from fairlead_workload.events.cloudevents import UndecodableEvent
from fairlead_workload.model import problems, retention
from fairlead_workload.queues.base import Delivery, Failure
from fairlead_workload.stores.base import RecordWrite, Store, Unit
from fairlead_workload.worker import inbox
from fairlead_workload.worker.batches.commands import CommandRules
from fairlead_workload.worker.decisions import Dead, Later
from fairlead_workload.worker.dispatch import CommandItem, Item, Refusal
from fairlead_workload.worker.failures.outage import Outage
from fairlead_workload.worker.failures.retries import (
    Again,
    ErrorClass,
    Failures,
    GiveUp,
    Kind,
    Policy,
    Verdict,
    classify,
    count,
)
from fairlead_workload.worker.stats import WorkerStats

WORKER_VERSION = version("fairlead")


class Failing:
    """Decides on failures of one service's events and keeps their records."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        rules: CommandRules,
        queue: QueueSpec,
        *,
        outage: Outage,
        stats: WorkerStats,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._policy = policy
        self._rules = rules
        self._clock = clock
        self._outage = outage
        self._stats = stats
        self._failures_seconds = retention.inbox_seconds(queue)
        self._dead_letter_seconds = retention.dead_letter_seconds(queue)

    def weigh(
        self, item: Item, error: BaseException, *, step: str = "", called: str = "", anew: bool = False
    ) -> tuple[Failures, Later | GiveUp]:
        """The failures with this one, of `step` and the service it `called`, and what follows.

        Tells the outage mode and the counters.

        `anew`: the age counts from the first failure on record, not from the event's publication.
        """
        verdict = classify(error).at(step, called)
        self._note(item.event.type, verdict, error)
        delivery, now = item.delivery, self._clock()
        failures = count(
            item.history.failures, verdict, now=now, deliveries=delivery.deliveries, redrives=delivery.redrives
        )
        if item.history.failures is None and delivery.deliveries > 1 and verdict.kind is Kind.DEPENDENCY:
            failures = _from_broker(failures, delivery)
        since_failed = max(0.0, now - failures.first_failed_at)
        age_seconds = since_failed if anew or delivery.redrives else delivery.age_seconds(now)
        decision = self._policy.decide(verdict, failures, age_seconds=age_seconds)
        if isinstance(decision, Again):
            return failures, Later(decision.delay_seconds, verdict, failures.attempts)
        return failures, decision

    def _note(self, event_type: str, verdict: Verdict, error: BaseException) -> None:
        if verdict.made:
            self._stats.failed[self._stats.label(event_type), verdict.kind] += 1
        if isinstance(error, Unavailable):  # what store, queue or cache say; no failure of an event or a service is one
            self._outage.failed()

    async def remember(self, item: Item, failures: Failures, *others: RecordWrite) -> None:
        """Keep the count for the next attempt, if the store can be written."""
        record = inbox.failed(item.id, failures, expires_at=self._clock() + self._failures_seconds)
        try:
            await self._store.commit(Unit(records=(*others, record)))
        except (Conflict, DependencyError):
            return

    async def single(self, item: Item, error: BaseException) -> Later | Dead:
        """An event of one unit failed: try again, or bury it with its operation."""
        failures, decision = self.weigh(item, error)
        if isinstance(decision, Later):
            await self.remember(item, failures)
            return decision
        failure = self.failure(item, failures, decision)
        return await self.bury(item, failure)

    async def fact(self, item: Item, error: BaseException) -> Later:
        """An event for a handler could not even be begun: the store did not say how far it is."""
        verdict = classify(error)
        self._note(item.event.type, verdict, error)
        return self.uncounted(item, verdict)

    def uncounted(self, item: Item, why: Verdict) -> Later:
        """Try again, when there is no count to go by but the broker's."""
        return Later(self._policy.delay_seconds(item.delivery.deliveries), why)

    async def bury(self, item: Item, failure: Failure, *others: RecordWrite) -> Later | Dead:
        """Write the inbox entry of a dead letter, with the operation's record for a command, and `others`."""
        now = self._clock()
        records = inbox.dead(
            item.id, item.history, failure, redrives=item.delivery.redrives, expires_at=now + self._dead_letter_seconds
        )
        if isinstance(item, CommandItem) and item.data.operation:
            problem = problems.not_applied(failure.error_class)
            records += (self._rules.dead_operation(item.event.id, item.event.subject, item.command.at, problem, now),)
        try:
            await self._store.commit(Unit(records=(*records, *others)))
        except (Conflict, DependencyError) as error:  # ended by another, or by nobody now: the next delivery will tell
            return Later(self._policy.delay_seconds(1), classify(error))
        return Dead(failure, inbox.moved(records[0]))

    async def moved(self, record: RecordWrite | None) -> None:
        """The message is among the dead letters. Without this note a copy published twice would go there twice."""
        if record is not None:
            with suppress(Conflict, DependencyError):
                await self._store.commit(Unit(records=(record,)))

    async def refuse(self, refusal: Refusal) -> Later | Dead:
        """A delivery that cannot be handled. Nothing is on record about it but, for a command, the operation."""
        verdict = classify(refusal.error)
        event_type = refusal.event.type if refusal.event else ""
        self._note(event_type, verdict, refusal.error)
        now = self._clock()
        class_ = ErrorClass.UNDECODABLE if isinstance(refusal.error, UndecodableEvent) else ErrorClass.REJECTED
        failures = Failures(total=1, first_failed_at=now)
        failure = self._describe(failures, GiveUp(class_, verdict.code, verdict.message))
        if refusal.event is None:
            return Dead(failure)
        failure = _about(failure, event_type, refusal.event.traceparent, refusal.data.operation if refusal.data else "")
        if refusal.data is not None and refusal.data.operation:
            record = self._rules.dead_operation(
                refusal.event.id, refusal.event.subject, refusal.data.at, problems.not_applied(failure.error_class), now
            )
            try:
                await self._store.commit(Unit(records=(record,)))
            except DependencyError as error:
                return Later(self._policy.delay_seconds(refusal.delivery.deliveries), classify(error))
        return Dead(failure)

    def failure(self, item: Item, failures: Failures, decision: GiveUp) -> Failure:
        """The metadata of a dead letter."""
        operation = item.data.operation if isinstance(item, CommandItem) else ""
        failure = self._describe(failures, decision)
        return _about(failure, item.event.type, item.event.traceparent, operation)

    def _describe(self, failures: Failures, decision: GiveUp) -> Failure:
        now = self._clock()
        return Failure(
            error_class=decision.error_class,
            error_code=decision.code,
            error_message=decision.message,
            attempts=failures.attempts,
            first_failed_at=min(failures.first_failed_at or now, now),
            last_failed_at=now,
            worker_version=WORKER_VERSION,
        )


def _from_broker(failures: Failures, delivery: Delivery) -> Failures:
    """Without a record (the store was down), the broker's count of deliveries drives the backoff, and nothing else."""
    others = delivery.deliveries - failures.total
    return structs.replace(failures, total=failures.total + others, waited=failures.waited + others)


def _about(failure: Failure, event_type: str, traceparent: str, operation: str) -> Failure:
    return replace(failure, traceparent=traceparent, event_type=event_type[:255], operation=operation)
