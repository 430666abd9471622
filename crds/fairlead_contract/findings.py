"""What a check found: where, what, how bad, and what to do about it. Also how a place and a near name are written."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

Place = tuple[str | int, ...]
"""The way from the document's root to a value: keys and list positions."""

_PLAIN_KEY = re.compile(r"^[A-Za-z_$][A-Za-z0-9_$-]*$")


class Severity(StrEnum):
    ERROR = "Error"  # the resource is refused
    WARNING = "Warning"  # it is served, but probably not meant so


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a document. `path` reads like `spec.api.resources[1].key.partition`; empty: the document."""

    path: str
    message: str
    severity: Severity = Severity.ERROR
    remedy: str = ""


def error(place: Place, message: str, remedy: str = "") -> Finding:
    return Finding(path(place), message, Severity.ERROR, remedy)


def warning(place: Place, message: str, remedy: str = "") -> Finding:
    return Finding(path(place), message, Severity.WARNING, remedy)


def path(place: Place) -> str:
    """`place` as people write it: `spec.api.resources[1].key`, with odd keys in brackets: `labels["a.b/c"]`."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.match(part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be, if one is near enough."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower()[:100], by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown `name`: `; did you mean ...?`, or nothing."""
    suggestion = nearest(name, known)
    return f"; did you mean `{suggestion}`?" if suggestion else ""
