"""What follows a failure, on record: another attempt with its count, or the way to the dead letters.

The inbox learns of a dead letter before the message is moved, in one unit with the operation's record. When the store
cannot be written, the event is given back and the count is that of the broker's deliveries. So is an event that was
handled, when the shared cache has not confirmed it; that is no failure, and not counted as one.
"""

from contextlib import suppress
from dataclasses import replace

from msgspec import structs

from fairlead_contract.spec.bindings import Queue as QueueSpec
from fairlead_workload.bindings import Bindings
from fairlead_workload.errors import Conflict, DependencyError, Unavailable
from fairlead_workload.events.cloudevents import UndecodableEvent
from fairlead_workload.model import problems, retention
from fairlead_workload.queues.base import WORKER_VERSION, Delivery, Failure
from fairlead_workload.stores.base import RecordWrite, Unit
from fairlead_workload.worker import inbox
from fairlead_workload.worker.batches.cache_update import CACHE_NOT_CONFIRMED, may_be_outdated, refresh_cache
from fairlead_workload.worker.batches.commands import CommandRules
from fairlead_workload.worker.decisions import DONE, DeadLettered, Done, Retry
from fairlead_workload.worker.dispatch import CommandItem, Item, RejectedDelivery
from fairlead_workload.worker.failures.outage import Outage
from fairlead_workload.worker.failures.retry_policy import (
    ClassifiedError,
    ErrorClass,
    ErrorKind,
    Failures,
    GiveUp,
    RetryPolicy,
    classify,
    count,
)
from fairlead_workload.worker.stats import WorkerStats

UNCONFIRMED_SECONDS = 1.0  # before a write-back is tried again whose end the cache has not confirmed


class FailurePolicy:
    """Decides on failures of one service's events and keeps their records."""

    def __init__(
        self,
        bindings: Bindings,
        queue: QueueSpec,
        retry_policy: RetryPolicy,
        rules: CommandRules,
        *,
        outage: Outage,
        stats: WorkerStats,
    ) -> None:
        self._store = bindings.store
        self._caches = bindings.caches
        self._retry_policy = retry_policy
        self._rules = rules
        self._clock = bindings.clock
        self._outage = outage
        self._stats = stats
        self._failures_seconds = retention.inbox_seconds(queue, bindings.delivered_seconds)
        self._dead_letter_seconds = retention.dead_letter_seconds(queue)

    def assess(
        self, item: Item, error: BaseException, *, step: str = "", called: str = "", anew: bool = False
    ) -> tuple[Failures, Retry | GiveUp]:
        """Count this failure, of `step` and the service it `called`. Returns all failures, and what follows.

        `anew`: the age counts from the first failure on record, not from the event's publication.
        """
        cause = classify(error).at(step, called)
        self._count(item.event.type, cause, error)
        delivery, now = item.delivery, self._clock()
        failures = count(
            item.history.failures, cause, now=now, deliveries=delivery.deliveries, redrives=delivery.redrives
        )
        if item.history.failures is None and cause.kind is ErrorKind.DEPENDENCY:
            failures = _from_broker(failures, self._tries(delivery))
        since_failed = max(0.0, now - failures.first_failed_at)
        age_seconds = since_failed if anew or delivery.redrives else delivery.age_seconds(now)
        decision = self._retry_policy.decide(cause, failures, age_seconds=age_seconds)
        return failures, decision if isinstance(decision, GiveUp) else Retry(decision, cause, failures.attempts)

    def _count(self, event_type: str, cause: ClassifiedError, error: BaseException) -> None:
        if cause.attempted:
            self._stats.failed[self._stats.label(event_type), cause.kind] += 1
        if isinstance(error, Unavailable):  # what store and queue say; no failure of an event or a service is one
            self._outage.failed()

    async def store_failures(self, item: Item, failures: Failures, *others: RecordWrite) -> None:
        """Keep the count for the next attempt, if the store can be written."""
        record = inbox.failures_record(item.id, failures, expires_at=self._clock() + self._failures_seconds)
        try:
            await self._store.commit(Unit(records=(*others, record)))
        except (Conflict, DependencyError):
            return

    def duplicate(self, item: Item, entry: inbox.InboxEntry) -> Done | DeadLettered:
        """Another delivery of an event that has ended. Its worker may have died before it moved a dead letter."""
        if entry.dead is not None and not entry.moved and item.history.inbox is not None:
            return DeadLettered(entry.dead, inbox.stored_moved_record(item.history.inbox), _staged(item))
        self._stats.duplicates[self._stats.label(item.event.type)] += 1
        return DONE

    async def end_duplicate(self, item: Item, entry: inbox.InboxEntry) -> Done | DeadLettered | Retry:
        """The same, of an event that may have changed its document: the cache may not know of that.

        Raises what the store raises.
        """
        outcome = self.duplicate(item, entry)
        if entry.dead is not None:
            return outcome
        cache = self._caches[item.resource.name]
        confirmed = await refresh_cache(cache, self._store, item)
        if confirmed or not may_be_outdated(cache, item, now=self._clock()):
            return outcome
        return self.retry_unconfirmed(item)

    def retry_unconfirmed(self, item: Item) -> Retry:
        """The event was handled; the next delivery only has to update the shared cache."""
        why = classify(CACHE_NOT_CONFIRMED)
        if _staged(item) is not None:  # later writes of the document wait for this one
            return Retry(UNCONFIRMED_SECONDS, why)
        return self.retry_uncounted(item, why)

    async def retry_or_dead_letter(self, item: Item, error: BaseException) -> Retry | DeadLettered:
        """An event of one unit failed: try again, or dead-letter it with its operation."""
        failures, decision = self.assess(item, error)
        if isinstance(decision, Retry):
            await self.store_failures(item, failures)
            return decision
        failure = self.failure(item, failures, decision)
        return await self.dead_letter(item, failure)

    async def retry_unread(self, item: Item, error: BaseException) -> Retry:
        """An event for a handler could not even be begun: the store did not say how far it is."""
        cause = classify(error)
        self._count(item.event.type, cause, error)
        return self.retry_uncounted(item, cause)

    def retry_uncounted(self, item: Item, why: ClassifiedError) -> Retry:
        """Try again, when there is no count to go by but the broker's."""
        return Retry(self._retry_policy.delay_seconds(self._tries(item.delivery)), why)

    def _tries(self, delivery: Delivery) -> int:
        """How often the broker delivered it; where it does not count, how often it can have, by the age."""
        if delivery.deliveries is not None:
            return delivery.deliveries
        return self._retry_policy.tries_within(0.0 if delivery.redrives else delivery.age_seconds(self._clock()))

    async def dead_letter(self, item: Item, failure: Failure, *others: RecordWrite) -> Retry | DeadLettered:
        """Write the inbox entry of a dead letter, with the operation's record for a command, and `others`."""
        now = self._clock()
        records = inbox.dead_letter_records(
            item.id, item.history, failure, redrives=item.delivery.redrives, expires_at=now + self._dead_letter_seconds
        )
        if isinstance(item, CommandItem) and item.data.operation:
            problem = problems.not_applied(failure.error_class)
            records += (self._rules.dead_operation(item.event.id, item.event.subject, item.command.at, problem, now),)
        try:
            committed = await self._store.commit(Unit(records=(*records, *others)))
        except (
            Conflict,
            DependencyError,
        ) as error:  # ended by another worker, or the store is down: the next delivery decides
            return Retry(self._retry_policy.delay_seconds(1), classify(error))
        return DeadLettered(failure, inbox.moved_record(records[0], committed.revisions[0]), _staged(item))

    async def discard(self, dead: DeadLettered) -> Retry | None:
        """See to it that no cache shows what a dead letter was to write; else when it is to be tried again."""
        if dead.staged is None:
            return None
        path, staged_version = dead.staged
        cache = self._caches.get(path.partition("/")[0])  # None: the resource was removed, and nobody reads it
        if cache is None or await cache.discard(path, staged_version):
            return None
        return Retry(UNCONFIRMED_SECONDS, classify(CACHE_NOT_CONFIRMED))

    async def confirm_moved(self, record: RecordWrite | None) -> None:
        """The message is among the dead letters. Without this note a copy published twice would go there twice."""
        if record is not None:
            with suppress(Conflict, DependencyError):
                await self._store.commit(Unit(records=(record,)))

    async def reject(self, rejected: RejectedDelivery) -> Retry | DeadLettered:
        """A delivery that cannot be handled. Nothing is on record about it but, for a command, the operation."""
        cause = classify(rejected.error)
        event_type = rejected.event.type if rejected.event else ""
        self._count(event_type, cause, rejected.error)
        now = self._clock()
        class_ = ErrorClass.UNDECODABLE if isinstance(rejected.error, UndecodableEvent) else ErrorClass.REJECTED
        failures = Failures(total=1, first_failed_at=now)
        failure = self._describe(failures, GiveUp(class_, cause.code, cause.message))
        if rejected.event is None:
            return DeadLettered(failure)
        failure = _about(
            failure, event_type, rejected.event.traceparent, rejected.data.operation if rejected.data else ""
        )
        if rejected.data is not None and rejected.data.operation:
            record = self._rules.dead_operation(
                rejected.event.id,
                rejected.event.subject,
                rejected.data.at,
                problems.not_applied(failure.error_class),
                now,
            )
            try:
                await self._store.commit(Unit(records=(record,)))
            except DependencyError as error:
                return Retry(self._retry_policy.delay_seconds(self._tries(rejected.delivery)), classify(error))
        if rejected.data is not None and rejected.data.version is not None:
            return DeadLettered(failure, staged=(rejected.event.subject, rejected.data.version))
        return DeadLettered(failure)

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


def _staged(item: Item) -> tuple[str, int] | None:
    """Path and version of the write-back that it is."""
    if isinstance(item, CommandItem) and item.command.version is not None:
        return item.resource.path(item.key), item.command.version
    return None


def _from_broker(failures: Failures, tries: int) -> Failures:
    """Without a record (the store was down), the tries that the broker knows of drive the backoff, and nothing else."""
    others = max(0, tries - failures.total)
    return structs.replace(failures, total=failures.total + others, waited=failures.waited + others)


def _about(failure: Failure, event_type: str, traceparent: str, operation: str) -> Failure:
    return replace(failure, traceparent=traceparent, event_type=event_type[:255], operation=operation)
