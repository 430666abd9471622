"""How planned changes are printed: a line for each object with its sign, below it what changes, at the end counts.

Values are JSON on one line; of long ones only the part around the first difference is shown.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from fairlead_cli.plan import changes
from fairlead_cli.plan.changes import Action, Change, ServiceChanges
from fairlead_cli.plan.comparison import ABSENT, Difference

SIGNS = {
    Action.CREATE: ("+", "green"),
    Action.CHANGE: ("~", "yellow"),
    Action.DELETE: ("-", "red"),
    Action.REFUSED: ("!", "bold red"),
    Action.UNCHANGED: (" ", ""),
}
LONGEST = 100
BEFORE_DIFFERENCE = 20


def show(services: Sequence[ServiceChanges], console: Console) -> None:
    """Print `services`; in colour when the console is a terminal."""
    for service in services:
        for text, style in _lines(service):
            console.print(Text(text, style=style), soft_wrap=True)
    console.print(Text(summary(services), style="bold"), soft_wrap=True)


def summary(services: Sequence[ServiceChanges]) -> str:
    """The last line."""
    counts = changes.count(services)
    parts = [
        f"{counts[Action.CREATE]} to create",
        f"{counts[Action.CHANGE]} to change",
        f"{counts[Action.DELETE]} to delete",
        f"{counts[Action.UNCHANGED]} unchanged",
    ]
    if counts[Action.REFUSED]:
        parts.append(f"{counts[Action.REFUSED]} refused")
    return f"Plan: {', '.join(parts)}."


def _lines(service: ServiceChanges) -> Iterator[tuple[str, str]]:
    class_ = f", class {service.class_name}" if service.class_name else ""
    yield from _object(service.itself, f"{service.namespace}/{service.name}{class_}", indent="")
    yield from ((f"    note: {note}", "dim") for note in service.notes)
    for change in service.children:
        if change.action is not Action.UNCHANGED:
            yield from _object(change, change.ref.name, indent="  ")


def _object(change: Change, name: str, *, indent: str) -> Iterator[tuple[str, str]]:
    sign, style = SIGNS[change.action]
    message = f": {_printable(change.message)}" if change.message else ""
    yield f"{indent}{sign} {change.ref.kind} {name}{message}", style
    for each in change.differences:
        before, after = _values(each)
        yield f"{indent}    {_printable(each.path)}: {before} -> {after}", ""


def _values(difference: Difference) -> tuple[str, str]:
    before, after = (_value(each) for each in (difference.before, difference.after))
    if max(len(before), len(after)) <= LONGEST:
        return before, after
    common = next((at for at, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), 0)
    start = max(common - BEFORE_DIFFERENCE, 0)
    return _cut(before, start), _cut(after, start)


def _cut(text: str, start: int) -> str:
    head = "..." if start and len(text) > start else ""
    tail = "..." if len(text) > start + LONGEST else ""
    return f"{head}{text[start if head else 0 : start + LONGEST]}{tail}"


def _value(value: Any) -> str:
    return "(none)" if value is ABSENT else _printable(json.dumps(value, ensure_ascii=False, sort_keys=True))


def _printable(text: str) -> str:
    """What comes from a cluster must not steer the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
