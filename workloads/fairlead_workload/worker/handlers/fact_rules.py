"""Handling a fact with one unit, where no step makes a call: steps, events and the inbox entry together. Pure."""

from fairlead_contract.spec.bindings import Queue as QueueSpec
from fairlead_workload.bindings import Bindings
from fairlead_workload.model import retention
from fairlead_workload.stores.base import Record, Unit
from fairlead_workload.worker import inbox
from fairlead_workload.worker.decisions import Decision
from fairlead_workload.worker.dispatch import FactItem
from fairlead_workload.worker.handlers import steps


class FactRules:
    """Decides on events for handlers."""

    def __init__(self, bindings: Bindings, queue: QueueSpec) -> None:
        self._source = bindings.source
        self._handled_event_types = bindings.handled_event_types
        self._inbox_seconds = retention.inbox_seconds(queue, bindings.delivered_seconds)

    def decide(self, item: FactItem, record: Record | None, *, now: float) -> Decision | None:
        """The one unit that handles the event, or None when it takes several: a call, or a course already begun.

        Raises what a step raises; then too the event goes step by step.
        """
        if item.plan.calls or item.history.progress is not None:
            return None
        result = steps.draft(item.plan.steps, item, record, {})
        unit = Unit(
            steps.mutations(item, record, result),
            (),
            inbox.processed_records(item.id, item.history, expires_at=now + self._inbox_seconds),
            steps.outbox(
                item, record, result, handled_event_types=self._handled_event_types, source=self._source, run=1
            ),
        )
        return Decision(unit, result.document, result.changed)
