"""Steps without a call: what they make of a document and which events follow. Pure.

A run of such steps is one change: evaluated in order over the document as stored now, and evaluated again when another
writer was faster. The time they use is the event's, so a repetition gives the same result.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec

from fairlead_contract.cel.expressions import ExpressionError, Program
from fairlead_workload.errors import FairleadError
from fairlead_workload.events.cloudevents import Event
from fairlead_workload.events.facts import document_event
from fairlead_workload.model import identifiers
from fairlead_workload.model.resource import Resource
from fairlead_workload.stores.base import Document, Mutation, OutboxEvent, Record
from fairlead_workload.worker.dispatch import FactItem
from fairlead_workload.worker.failures.retry_policy import Rejected
from fairlead_workload.worker.handlers.plans import StepPlan

Variables = dict[str, Any]
_ABSENT = object()
_encode = msgspec.json.Encoder(order="sorted").encode


class StepFailed(FairleadError):
    """`step` cannot be carried out, because of `cause`: Rejected, Problem or ExpressionError."""

    def __init__(self, step: str, cause: Exception) -> None:
        super().__init__(f"step {step}: {cause}")
        self.step = step
        self.cause = cause


@dataclass(slots=True)
class Draft:
    """What a run of steps comes to, before it is committed. A `set` that changes nothing leaves no trace but `done`."""

    document: Document | None
    changed: bool = False
    published: list[tuple[StepPlan, Document | None]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def variables(event: Event, document: Document | None, results: Mapping[str, Any]) -> Variables:
    """What an expression sees: the event's attributes and data, the document as stored now, the results of calls."""
    return {"event": msgspec.structs.asdict(event), "document": document, "results": dict(results)}


def applies(step: StepPlan, seen: Variables) -> bool:
    """Whether the step's `when` holds. Raises ExpressionError when it is neither true nor false."""
    if step.when is None:
        return True
    value = step.when(seen)
    if not isinstance(value, bool):
        raise ExpressionError("`when` is neither true nor false")
    return value


def draft(
    steps: Iterable[StepPlan],
    item: FactItem,
    record: Record | None,
    results: Mapping[str, Any],
    *,
    lenient: bool = False,
) -> Draft:
    """The steps' outcome on `record`. Raises StepFailed.

    `lenient` (undoing, and after a failure): a document that is gone needs no `set`; the step is skipped.
    """
    result = Draft(None if record is None else record.document)
    seen = variables(item.event, result.document, results)
    step: StepPlan | None = None
    try:
        for step in steps:
            absent = bool(step.assign) and result.document is None
            if (absent and lenient) or (step.when is not None and not applies(step, seen)):
                result.skipped.append(step.id)
                continue
            if absent:
                raise Rejected("document-gone", "the document does not exist any more")
            if step.publish is not None:
                result.published.append((step, result.document))
            else:
                assert result.document is not None  # noqa: S101 - else `absent` was true
                document = assigned(item.resource, result.document, step.assign, seen, at=event_time(item))
                if _differ(result.document, document, step.assign):
                    result.document = seen["document"] = document
                    result.changed = True
            result.done.append(step.id)
    except (FairleadError, ExpressionError, Rejected) as error:
        raise StepFailed("" if step is None else step.id, error) from error
    return result


def assigned(
    resource: Resource, document: Document, assignments: Sequence[tuple[str, Program]], seen: Variables, *, at: float
) -> Document:
    """`document` with the assignments made, all over the same state, checked and in stored form."""
    changed = document | {name: program(seen) for name, program in assignments}
    if any(name in resource.key_names for name, _ in assignments):
        resource.check_key(changed, resource.document_key(document))
    resource.check(changed)
    return resource.patched(changed, at=at)


def event_time(item: FactItem) -> float:
    """The event's own time; for one without, the time it was first published."""
    try:
        return datetime.fromisoformat(item.event.time).timestamp()
    except ValueError:
        return item.delivery.enqueued_at


def _differ(old: Document, new: Document, assignments: Sequence[tuple[str, Program]]) -> bool:
    """Whether an assigned property is another than before. In JSON 1, 1.0 and true are three values."""
    for name, _ in assignments:
        before, after = old.get(name, _ABSENT), new[name]
        if before != after or type(before) is not type(after):
            return True
        if isinstance(after, dict | list) and _encode(before) != _encode(after):
            return True
    return False


def mutations(item: FactItem, record: Record | None, result: Draft) -> tuple[Mutation, ...]:
    """The draft's change, valid for exactly the record it was made from."""
    if not result.changed or record is None:
        return ()
    return (Mutation(item.resource.name, item.key, result.document, record.version),)


def outbox(
    item: FactItem, record: Record | None, result: Draft, *, handled_event_types: Collection[str], source: str, run: int
) -> tuple[OutboxEvent, ...]:
    """The events that follow: one `updated` fact if a handler wants it, and what the steps publish, with stable ids."""
    mutation = 0 if result.changed else None
    version = 0 if result.changed or record is None else record.version
    updated = f"{item.resource.name}.updated"
    events = [(step.publish or "", step.id, document) for step, document in result.published]
    if result.changed and updated in handled_event_types:
        events.insert(0, (updated, result.done[0], result.document))
    return tuple(
        document_event(
            type_,
            item.resource,
            item.key,
            document,
            source=source,
            at=event_time(item),
            traceparent=item.event.traceparent,
            hops=item.event.hops + 1,
            mutation=mutation,
            id_=event_id(item.id, run, f"{step_id}/{type_}"),
            version=version,
        )
        for type_, step_id, document in events
    )


def event_id(cause: str, run: int, name: str) -> str:
    """The id of an event that a step causes: the same whenever the step is repeated, with the form of a UUID."""
    return identifiers.text(blake2b(f"{cause}/{run}/{name}".encode(), digest_size=16).digest())
