"""Commands as events: an accepted write on its way from the API to the worker.

The type is `RESOURCE.ACTION` (`orders.create`); the event's id is the operation's UUID. Facts have the past tense
(`orders.created`), so the two never meet.
"""

from typing import Any

import msgspec

from fairlead_workload.events.cloudevents import Event
from fairlead_workload.model import instants
from fairlead_workload.model.effects import Action, Command
from fairlead_workload.model.keys import path
from fairlead_workload.stores.base import Expect, Key


class CommandData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Data of a command event. `operation` is the public operation id ("" for write-back)."""

    key: list[str | int | float | bool]
    at: float
    body: dict[str, Any] | None = None
    expect: str | int = "any"
    version: int | None = None
    principal: str = ""
    operation: str = ""


ACTIONS = frozenset(Action)


def action_of(event_type: str) -> tuple[str, Action] | None:
    """The resource and action of a command's type, or None for any other event."""
    resource, _, verb = event_type.rpartition(".")
    return (resource, Action(verb)) if resource and verb in ACTIONS else None


def command_event(
    command: Command, *, id_: str, source: str, principal: str, operation: str, traceparent: str = ""
) -> Event:
    """The event that carries `command`."""
    subject = f"{command.resource}/{path(command.key)}"
    return Event(
        id=id_,
        source=source,
        type=f"{command.resource}.{command.action}",
        specversion="1.0",
        subject=subject,
        time=instants.render(command.at),
        datacontenttype="application/json",
        partitionkey=subject,
        traceparent=traceparent,
        data=CommandData(
            key=list(command.key),
            at=command.at,
            body=command.body,
            expect=command.expect if isinstance(command.expect, int) else str(command.expect),
            version=command.version,
            principal=principal,
            operation=operation,
        ),
    )


def command_of(resource: str, action: Action, data: CommandData) -> Command:
    """The command inside a decoded event."""
    key: Key = tuple(data.key)
    expect = data.expect if isinstance(data.expect, int) else Expect(data.expect)
    return Command(resource, action, key, data.body, expect, data.at, data.version)
