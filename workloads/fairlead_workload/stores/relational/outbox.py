"""Rows of the outbox: the columns in which an event is read, and the events of rows. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from fairlead_workload.stores.base import OutboxEvent, OutboxRow, RefusedEvent

EVENT = "id, key, body, mutation, version"
"""The columns of an event. Those of a row are its position, these and, of a refused one, `REFUSAL`."""
REFUSAL = "reason, refused_at"

Rows = Iterable[Sequence[Any]]


def outbox_rows(rows: Rows) -> list[OutboxRow]:
    """Events that wait."""
    return [OutboxRow(position, OutboxEvent(*event), event[-1]) for position, *event in rows]


def refused_events(rows: Rows) -> list[RefusedEvent]:
    """Events that the queue refuses."""
    return [
        RefusedEvent(position, OutboxEvent(*event), event[-1], reason, refused_at)
        for position, *event, reason, refused_at in rows
    ]
