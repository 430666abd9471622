"""Planned changes to the objects of an ApiService, as `fairlead plan` reports them. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fairlead_cli.plan.comparison import Difference
from fairlead_operator.manifests import Ref


class Action(StrEnum):
    """What would be done with one object. REFUSED: it cannot be done, and the message says why."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    REFUSED = "refused"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """One object. `differences` are those of a CHANGE."""

    action: Action
    ref: Ref
    message: str = ""
    differences: tuple[Difference, ...] = ()


@dataclass(slots=True)
class ServiceChanges:
    """One ApiService: itself first, then its children. `notes` are what a reader has to know beside it."""

    namespace: str
    name: str
    itself: Change
    class_name: str = ""
    children: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def changes(self) -> list[Change]:
        return [self.itself, *self.children]

    def as_json(self) -> dict[str, Any]:
        """As `--output json` prints it."""
        return {
            "namespace": self.namespace,
            "name": self.name,
            "class": self.class_name,
            "notes": self.notes,
            "objects": [_as_json(change) for change in self.changes],
        }


def compared(ref: Ref, all_differences: Iterable[Difference]) -> Change:
    """The change that these differences are, if there are any."""
    differences = tuple(all_differences)
    return Change(Action.CHANGE if differences else Action.UNCHANGED, ref, differences=differences)


def count(services: Iterable[ServiceChanges]) -> Counter[Action]:
    """How many objects there are of each action."""
    return Counter(change.action for service in services for change in service.changes)


def _as_json(change: Change) -> dict[str, Any]:
    ref = change.ref
    content: dict[str, Any] = {"action": change.action, "group": ref.group, "kind": ref.kind, "name": ref.name}
    if change.message:
        content["message"] = change.message
    if change.differences:
        content["fields"] = [each.as_json() for each in change.differences]
    return content
