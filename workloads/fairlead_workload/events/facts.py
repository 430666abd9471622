"""Facts as events: what happened to a document, published through the outbox when a handler wants it."""

from collections.abc import Collection
from typing import Any

from fairlead_workload.events.cloudevents import Event, encode
from fairlead_workload.model import identifiers, instants
from fairlead_workload.model.effects import Effect
from fairlead_workload.model.resource import Resource
from fairlead_workload.stores.base import Document, Key, OutboxEvent


def document_event(
    type_: str,
    resource: Resource,
    key: Key,
    document: Document | None,
    *,
    source: str,
    at: float,
    traceparent: str = "",
    hops: int = 0,
    mutation: int | None = 0,
    id_: str | None = None,
    version: int = 0,
) -> OutboxEvent:
    """An event about a document, ready for the outbox; its data is the document (the last one, for a delete), as shown.

    The relay adds the `sequence`: the version of the mutation or, for an event without one, `version`.
    """
    subject = resource.path(key)
    event = Event(
        id=id_ or identifiers.uuid7(),
        source=source,
        type=type_,
        specversion="1.0",
        subject=subject,
        time=instants.render(at),
        datacontenttype="application/json",
        partitionkey=subject,
        traceparent=traceparent,
        hops=hops,
        data=None if document is None else resource.shown(document),
    )
    return OutboxEvent(event.id, subject, encode(event), mutation, version)


def facts(
    effect: Effect,
    resource: Resource,
    *,
    handled_event_types: Collection[str],
    source: str,
    at: float,
    traceparent: str = "",
    hops: int = 0,
) -> tuple[OutboxEvent, ...]:
    """The fact that follows `effect`, if `handled_event_types` names its type."""
    mutation = effect.mutation
    type_ = f"{resource.name}.{effect.fact}"
    if type_ not in handled_event_types:
        return ()
    document: dict[str, Any] | None = effect.document if effect.document is not None else effect.before
    return (
        document_event(
            type_, resource, mutation.key, document, source=source, at=at, traceparent=traceparent, hops=hops
        ),
    )
