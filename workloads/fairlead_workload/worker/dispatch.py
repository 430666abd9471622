"""Decoding a delivery into a command, an event for a handler, one without a handler, or one that cannot be handled.
Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from fairlead_workload.errors import Problem
from fairlead_workload.events import cloudevents
from fairlead_workload.events.cloudevents import MAX_HOPS, Event, UndecodableEvent
from fairlead_workload.events.commands import CommandData, action_of, command_of
from fairlead_workload.model.effects import Action, Command, Fact
from fairlead_workload.model.resource import Resource
from fairlead_workload.queues.base import Delivery
from fairlead_workload.stores.base import Key
from fairlead_workload.worker.failures.retry_policy import Rejected
from fairlead_workload.worker.handlers.plans import HandlerPlan
from fairlead_workload.worker.inbox import History

DocumentRef = tuple[str, Key]


@dataclass(slots=True, eq=False)
class Item:
    """A delivery with its decoded event. `id` names its records; `ref` is the document it is about."""

    delivery: Delivery
    event: Event
    id: str
    resource: Resource
    key: Key
    history: History = field(default_factory=History)

    @property
    def ref(self) -> DocumentRef:
        return self.resource.name, self.key

    @property
    def fresh(self) -> bool:
        """Whether nothing can be on record about it, as far as the broker knows."""
        return not self.delivery.may_be_repeated and self.delivery.redrives == 0


@dataclass(slots=True, eq=False, kw_only=True)
class CommandItem(Item):
    """A write to apply. `last_version` of the key, and `missing`, a reference to nothing, are known from conflicts."""

    command: Command
    data: CommandData
    last_version: int = 0
    missing: int | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class FactItem(Item):
    """An event for a handler."""

    plan: HandlerPlan


@dataclass(slots=True, eq=False, kw_only=True)
class UnhandledItem(Item):
    """A known event that no handler takes. `announced`: a step publishes it, so it may be for others."""

    announced: bool


@dataclass(slots=True, eq=False)
class RejectedDelivery:
    """A delivery that cannot be handled, now or later. `data` is there when it was a command."""

    delivery: Delivery
    event: Event | None
    error: Exception
    data: CommandData | None = None


Dispatched = CommandItem | FactItem | UnhandledItem | RejectedDelivery


class Dispatch:
    """Knows the service's resources and handlers."""

    def __init__(self, source: str, resources: Mapping[str, Resource], plans: Mapping[str, HandlerPlan]) -> None:
        self._source = source
        self._resources = resources
        self._plans = plans
        facts = {f"{name}.{fact}" for name in resources for fact in Fact}
        commands = {f"{name}.{action}" for name in resources for action in Action}
        published = {step.publish for plan in plans.values() for step in plan.every_step() if step.publish}
        self._announced = frozenset(published)
        self.declared = frozenset(facts | commands | published | plans.keys())

    def read(self, delivery: Delivery) -> Dispatched:
        """Decode and find who handles it."""
        event: Event | None = None
        data: CommandData | None = None
        try:
            event = cloudevents.decode(delivery.message.body)
            command = action_of(event.type)
            if command is None:
                return self._fact(delivery, event)
            data = _command_data(event)
            if event.hops > MAX_HOPS:
                raise Rejected("hops", f"the event has come through more than {MAX_HOPS} handlers")
            return self._command(delivery, event, data, *command)
        except (UndecodableEvent, Rejected) as error:
            return RejectedDelivery(delivery, event, error, data)

    def record_id(self, event: Event) -> str:
        """The id of the event's records: its own id, with the source of a foreign one."""
        return event.id if event.source == self._source else f"{event.source} {event.id}"

    def _command(
        self, delivery: Delivery, event: Event, data: CommandData, resource_name: str, action: Action
    ) -> CommandItem:
        resource = self._resources.get(resource_name)
        if resource is None:
            raise Rejected("unknown-type", f"there is no resource for {event.type}")
        if len(data.key) != len(resource.key_names) or (data.body is None) is not (action is Action.DELETE):
            raise UndecodableEvent("the command's key or body does not fit its type")
        try:
            command = command_of(resource_name, action, data)
        except ValueError as error:
            raise UndecodableEvent(str(error)) from None
        return CommandItem(delivery, event, self.record_id(event), resource, command.key, command=command, data=data)

    def _fact(self, delivery: Delivery, event: Event) -> FactItem | UnhandledItem:
        plan = self._plans.get(event.type)
        if plan is None:
            return self._unhandled(delivery, event)
        if event.hops > MAX_HOPS:
            raise Rejected("hops", f"the event has come through more than {MAX_HOPS} handlers")
        key = _subject_key(plan.resource, event.subject)
        return FactItem(delivery, event, self.record_id(event), plan.resource, key, plan=plan)

    def _unhandled(self, delivery: Delivery, event: Event) -> UnhandledItem:
        announced = event.type in self._announced  # its type need not begin with the name of the resource
        resource = self._resources.get(event.subject.partition("/")[0] if announced else event.type.partition(".")[0])
        if resource is None or event.type not in self.declared:
            raise Rejected("unknown-type", "no resource or handler declares this type of event")
        key = _subject_key(resource, event.subject)
        return UnhandledItem(delivery, event, self.record_id(event), resource, key, announced=announced)


def _command_data(event: Event) -> CommandData:
    try:
        return msgspec.convert(event.data, CommandData)
    except msgspec.ValidationError as error:
        raise UndecodableEvent(f"the command's data: {error}") from None


def _subject_key(resource: Resource, subject: str) -> Key:
    try:
        return resource.parse_path(subject)
    except ValueError:
        raise UndecodableEvent(f"the subject does not name a document of {resource.name}") from None
    except Problem as error:
        raise UndecodableEvent(f"the subject: {error}") from None
