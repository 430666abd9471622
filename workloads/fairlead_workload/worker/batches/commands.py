"""Applying accepted writes: command + stored document -> one unit of effect, inbox, operation and fact. Pure.

A client error that is found only now ends the operation as Failed: no retry, no dead letter. With `order: None` an
update of an absent document waits a minute first, for another worker may still be creating it.

A write-back command carries the version that readers have seen. It is stored under it, unless the store has that
version or a later one: then another write was faster that was decided without it (by a handler, or after the cache
was lost), and it is stored after that one, under the next version. The inbox says that it was not applied before. Only
a redriven command gives way to what was written since its dead letter.
"""

from typing import Any

from fairlead_contract.spec.bindings import Order
from fairlead_contract.spec.bindings import Queue as QueueSpec
from fairlead_workload.bindings import Bindings
from fairlead_workload.errors import Conflict, ConflictKind, Problem
from fairlead_workload.events.facts import facts
from fairlead_workload.model import problems, references, retention, versions
from fairlead_workload.model.effects import Effect, effect
from fairlead_workload.model.operations import OperationRecord, encode_record
from fairlead_workload.stores.base import OPERATIONS, Mutation, Record, RecordWrite, Unit
from fairlead_workload.worker import inbox
from fairlead_workload.worker.decisions import Decision, Retry
from fairlead_workload.worker.dispatch import CommandItem
from fairlead_workload.worker.failures.retry_policy import ClassifiedError, ErrorKind, Rejected, problem_text

EARLY_SECONDS = 60.0
EARLY = Retry(1.0, ClassifiedError(ErrorKind.DEPENDENCY, "not-found", "the document is not there yet"))


class CommandRules:
    """Decides on commands of one service."""

    def __init__(self, bindings: Bindings, queue: QueueSpec) -> None:
        self._waits = queue.order is Order.NONE
        self._source = bindings.source
        self._handled_event_types = bindings.handled_event_types
        self._inbox_seconds = retention.inbox_seconds(queue, bindings.delivered_seconds)
        self._operation_seconds = retention.operation_seconds(queue)
        self._dead_letter_seconds = retention.dead_letter_seconds(queue)

    def decide(self, item: CommandItem, record: Record | None, *, now: float) -> Decision | Retry:
        """What the command does to `record`. Raises Rejected for a write-back command that can never be applied."""
        staged = item.command.version
        if staged is not None and item.delivery.redrives and _newest(item, record) >= staged:
            return Decision(Unit(records=self._records(item, None, now)), staged=staged)
        try:
            change = effect(item.resource, item.command, record)
            if item.missing is not None:
                raise references.missing(item.resource, change.document, item.missing)
        except Problem as problem:
            return self._client_error(item, problem, now)
        return self._apply(item, change, record, now)

    def _client_error(self, item: CommandItem, problem: Problem, now: float) -> Decision | Retry:
        if item.command.version is not None:
            raise Rejected(problem.type, problem_text(problem))
        age_seconds = item.delivery.age_seconds(now)
        if problem.type == "not-found" and self._waits and item.delivery.redrives == 0 and age_seconds < EARLY_SECONDS:
            return EARLY
        failed = self._operation(item, "Failed", now, error=problems.body(problem))
        return Decision(Unit(records=self._records(item, failed, now)), client_error=True)

    def _apply(self, item: CommandItem, change: Effect, record: Record | None, now: float) -> Decision:
        command = item.command
        # The store would give the same version; the operation's record, in the same unit, has it too.
        if command.version is not None:
            version = max(command.version, _newest(item, record) + 1)
        else:
            stored = None if record is None else record.version
            version = versions.next_version(stored, last=item.last_version, least=versions.from_time(now))
        mutation = change.mutation
        mutation = Mutation(mutation.resource, mutation.key, mutation.document, mutation.expect, version)
        succeeded = self._operation(item, "Succeeded", now, version=version)
        unit = Unit(
            (mutation,),
            references.required(item.resource, change.document),
            self._records(item, succeeded, now),
            facts(
                change,
                item.resource,
                handled_event_types=self._handled_event_types,
                source=self._source,
                at=command.at,
                traceparent=item.event.traceparent,
            ),
        )
        return Decision(unit, change.document, True, staged=command.version)

    def _records(self, item: CommandItem, operation: RecordWrite | None, now: float) -> tuple[RecordWrite, ...]:
        records = inbox.processed_records(item.id, item.history, expires_at=now + self._inbox_seconds)
        return records if operation is None else (*records, operation)

    def _operation(
        self,
        item: CommandItem,
        status: str,
        now: float,
        *,
        version: int | None = None,
        error: dict[str, Any] | None = None,
    ) -> RecordWrite | None:
        if not item.data.operation:
            return None
        record = OperationRecord(status, error, version, item.command.at, item.event.subject)
        return RecordWrite(OPERATIONS, item.event.id, encode_record(record), now + self._operation_seconds)

    def dead_operation(self, event_id: str, path: str, created_at: float, problem: Problem, now: float) -> RecordWrite:
        """The record of an operation whose command is a dead letter; a redrive may still make it Succeeded."""
        record = OperationRecord("Failed", problems.body(problem), None, created_at, path, True)
        return RecordWrite(OPERATIONS, event_id, encode_record(record), now + self._dead_letter_seconds)


def _newest(item: CommandItem, record: Record | None) -> int:
    """The newest version of the document that is known to be stored, of a deletion too."""
    return max(item.last_version, 0 if record is None else record.version)


def learn(item: CommandItem, conflict: Conflict) -> None:
    """Remember what a conflict has shown, for the next decision."""
    if conflict.kind is ConflictKind.REFERENCE:
        item.missing = conflict.position
    elif conflict.kind is ConflictKind.VERSION and conflict.version is not None:
        item.last_version = max(item.last_version, conflict.version)
