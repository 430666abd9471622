"""What a provision or teardown Job leaves in its pod's termination message, as far as the status can hold it. Pure.

The image of a Job may be anybody's: what is not a result of ours is none, and credentials go out of what is.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from fairlead_operator.diagnosis.redaction import redact
from fairlead_operator.plan.children import Binding

FIELDS = ("role", "type", "name", "state", "reason", "message", "mark")
STATES = frozenset({"Pending", "Ready", "Failed"})
# What the status holds, one of each role. An image that says more must not make the status unwritable.
MOST_BINDINGS = 16


def parse(message: str, *, expected: str) -> list[dict[str, Any]] | None:
    """The bindings of a termination message; None unless it is one of ours about this hash."""
    try:
        result = json.loads(message)
        return _bindings(result) if result["hash"] == expected else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def failure_message(message: str) -> str:
    """What a termination message says is wrong, for humans, without credentials: of a result, its first failure."""
    try:
        bindings = _bindings(json.loads(message))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return redact(message)
    bad = next((each for each in bindings if each["state"] == "Failed" and each.get("message")), None)
    return f"{bad['role']} {bad.get('name', '')}".rstrip() + f": {bad['message']}" if bad else ""


def listed(bindings: Iterable[Binding], state: str) -> list[dict[str, Any]]:
    """The plan's bindings, all in one state."""
    return [
        {key: value for key, value in (("role", each.role), ("type", each.type), ("name", each.name)) if value}
        | {"state": state}
        for each in bindings
    ]


def _bindings(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    if result["version"] != 1:
        raise ValueError("a result of another version")
    return list({each["role"]: each for each in map(_binding, result["bindings"][:MOST_BINDINGS])}.values())


def _binding(result: Mapping[str, Any]) -> dict[str, Any]:
    if result["state"] not in STATES or not result["role"] or not result["type"]:
        raise ValueError("a binding without role, type or state")
    limits = {"message": 4096, "name": 512, "reason": 253}
    return {key: redact(str(result[key]))[: limits.get(key, 63)] for key in FIELDS if result.get(key)}
