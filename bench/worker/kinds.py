"""The events that are measured, the same bytes for both sides.

Decided here: three mixtures (new documents, updates of stored ones, updates of few popular ones), each with and without
a handler that sets a property. A handler is a second event for a document; what it sets on an update is an update
again, and so a third event, which its `when` passes over.
"""

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fairlead_contract.runtime import RuntimeDocument, derive
from fairlead_contract.spec.apiservice import ApiService
from fairlead_workload.events import cloudevents
from fairlead_workload.events.commands import command_event
from fairlead_workload.model import identifiers
from fairlead_workload.model.effects import Action, Command
from fairlead_workload.queues.base import Message
from fairlead_workload.stores.base import Expect

STORED = 2_000  # documents that are there before updates
POPULAR = 500  # documents that share the updates of `mixed`, the n-th 1/n as often as the first
SEED = 1
AT = 1_750_000_000.0  # unix seconds

SCHEMA = {
    "type": "object",
    "required": ["customerId", "quantity"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string"},
        "customerId": {"type": "string", "maxLength": 64},
        "quantity": {"type": "integer", "minimum": 1},
        "createdAt": {"type": "string", "format": "date-time", "readOnly": True},
        "status": {"type": "string", "default": "PENDING", "readOnly": True},
    },
}
ORDERS = {
    "name": "orders",
    "key": {"partition": "id"},
    "writes": "Accepted",
    "cache": {"strategy": "ReadThrough"},
    "timestamps": {"created": "createdAt"},
    "indexes": [{"name": "byCustomer", "partition": "customerId", "sort": "createdAt"}],
    "schema": SCHEMA,
}


class Mixture(StrEnum):
    CREATES = "creates"
    UPDATES = "updates"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is measured. `goal` is the least number of events a second."""

    title: str
    mixture: Mixture
    sets: bool
    goal: float | None = None

    @property
    def stored(self) -> int:
        """How many documents are there beforehand."""
        return {Mixture.CREATES: 0, Mixture.UPDATES: STORED, Mixture.MIXED: POPULAR}[self.mixture]

    @property
    def events_each(self) -> int:
        """How many events follow from one write, itself included."""
        if not self.sets:
            return 1
        return 2 if self.mixture is Mixture.CREATES else 3


KINDS: Mapping[str, Kind] = {
    "creates": Kind("Worker, new documents", Mixture.CREATES, sets=False, goal=4000),
    "creates-set": Kind("Worker, new documents, a `set` step each", Mixture.CREATES, sets=True, goal=4000),
    "updates": Kind("Worker, PATCH and PUT of stored documents", Mixture.UPDATES, sets=False),
    "updates-set": Kind("Worker, stored documents, a `set` step each", Mixture.UPDATES, sets=True),
    "mixed": Kind("Worker, PATCH and PUT of few popular documents", Mixture.MIXED, sets=False),
    "mixed-set": Kind("Worker, few popular documents, a `set` step each", Mixture.MIXED, sets=True),
}


def service(kind: Kind) -> RuntimeDocument:
    """The service that takes the events."""
    fact = "orders.created" if kind.mixture is Mixture.CREATES else "orders.updated"
    # The event of a client's own write has come through no handler.
    step = {"name": "confirm", "when": "event.hops == 0", "set": {"status": "'CONFIRMED'"}}
    spec = {
        "api": {"version": "v1", "resources": [ORDERS]},
        "datastore": {"type": "SQLite"},
        "cache": {"type": "Memory"},
        "queue": {"type": "SQLite"},
        "worker": {"handlers": [{"event": fact, "steps": [step]}] if kind.sets else []},
    }
    head = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "ApiService"}
    return derive(
        ApiService.model_validate({**head, "metadata": {"name": "orders", "namespace": "bench"}, "spec": spec})
    )


def stored(kind: Kind) -> list[Message]:
    """The commands that create what is there beforehand."""
    return [_message(Action.CREATE, _key(number), number) for number in range(kind.stored)]


def written(kind: Kind, count: int) -> list[Message]:
    """`count` commands, in the same order and over the same keys each time."""
    if kind.mixture is Mixture.CREATES:
        return [_message(Action.CREATE, identifiers.uuid7(), number) for number in range(count)]
    actions = itertools.cycle((Action.PATCH, Action.REPLACE))
    return [
        _message(action, _key(place), number)
        for number, (place, action) in enumerate(zip(_places(kind, count), actions, strict=False))
    ]


def _places(kind: Kind, count: int) -> Sequence[int]:
    if kind.mixture is Mixture.UPDATES:
        return [number % STORED for number in range(count)]
    weights = [1 / place for place in range(1, POPULAR + 1)]
    return random.Random(SEED).choices(range(POPULAR), weights, k=count)


def _key(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012}"


def _message(action: Action, key: str, number: int) -> Message:
    body: dict[str, Any] = {"quantity": 1 + number % 9}
    if action is not Action.PATCH:
        body["customerId"] = f"c{number % 100}"
    id_ = identifiers.uuid7()
    order = Command("orders", action, (key,), body, Expect.ANY, AT)
    event = command_event(order, id_=id_, source="/bench/orders", principal="", operation=f"op{number}")
    return Message(id_, f"orders/{key}", cloudevents.encode(event))
