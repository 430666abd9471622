"""The rules that every status written by the operator keeps, after kstatus and what flux checks of its own.

`kstatus_check` compares two versions of an ApiService; `reading` is what a kstatus client makes of one.
"""

import re
from collections.abc import Iterator
from typing import Any

from fairlead_operator.reasons import Reason

ALWAYS = {"Ready", "Provisioned", "ApiAvailable", "WorkerAvailable", "AutoscalingReady"}
WHILE_TRUE = {"ClassInvalid", "Reconciling", "Stalled", "NotForProduction"}
VOLATILE = re.compile(r"\d{4}-\d\d-\d\dT\d\d|[0-9a-f]{8}-[0-9a-f]{4}-|resourceVersion|attempt \d|retry in|\d+ ?s ago")
REASONS = frozenset(Reason)


def reading(resource: dict[str, Any]) -> str:
    """Terminating, InProgress, Failed or Current, as a kstatus client computes it."""
    status, conditions = resource.get("status", {}), _by_type(resource)
    if "deletionTimestamp" in resource["metadata"]:
        return "Terminating"
    if status.get("observedGeneration", resource["metadata"]["generation"]) != resource["metadata"]["generation"]:
        return "InProgress"
    if _is(conditions, "Reconciling"):
        return "InProgress"
    if _is(conditions, "Stalled"):
        return "Failed"
    ready = conditions.get("Ready")
    return "InProgress" if ready and ready["status"] != "True" else "Current"


def kstatus_check(before: dict[str, Any] | None, after: dict[str, Any], *, ordered: bool = True) -> list[str]:
    """What is wrong with the status of `after`, written when it was that of `before`. Empty when all is well.

    Without `ordered` it is judged by itself alone.
    """
    if not _by_type(after):
        return []
    return [*_shape(after), *(_order(before, after) if ordered else ())]


def _shape(after: dict[str, Any]) -> Iterator[str]:
    conditions, generation = _by_type(after), after["metadata"]["generation"]
    observed = after["status"].get("observedGeneration")
    names = [condition["type"] for condition in after["status"]["conditions"]]
    if ALWAYS - set(names):
        yield f"missing: {sorted(ALWAYS - set(names))}"
    if set(names) - ALWAYS - WHILE_TRUE:
        yield f"unknown: {sorted(set(names) - ALWAYS - WHILE_TRUE)}"
    if names != sorted(names):
        yield "conditions are not sorted"
    if any(conditions[name]["status"] != "True" for name in WHILE_TRUE & set(names)):
        yield "a condition that is only there while True is not True"
    if _is(conditions, "Reconciling") and _is(conditions, "Stalled"):
        yield "Reconciling and Stalled"
    ready = conditions.get("Ready", {"status": "", "reason": ""})
    if _is(conditions, "Stalled") and ready["status"] != "False":
        yield "Stalled, and Ready is not False"
    if _is(conditions, "Reconciling") and ready["status"] == "True":
        yield "Reconciling, and Ready is True"
    if ready["status"] == "Unknown" and not _is(conditions, "Reconciling") and ready["reason"] != "Paused":
        yield "Ready is Unknown, and nothing is Reconciling"
    if observed is None or observed > generation:
        yield f"observedGeneration {observed} of generation {generation}"
    for condition in conditions.values():
        if condition.get("observedGeneration") != observed:
            yield f"{condition['type']} is about another generation than the status"
        if condition["reason"] not in REASONS:
            yield f"{condition['type']} has a reason that is documented nowhere: {condition['reason']!r}"
        if VOLATILE.search(condition.get("message", "")):
            yield f"{condition['type']} has a message that changes by itself: {condition['message']}"


def _order(before: dict[str, Any] | None, after: dict[str, Any]) -> Iterator[str]:
    old, new = _by_type(before or {}), _by_type(after)
    if not old and _is(new, "Ready") and (before is None or reading(before) == "Current"):
        yield "the first status says Ready, of what was taken for current before"
    for name in old.keys() & new.keys():
        moved = old[name]["lastTransitionTime"] != new[name]["lastTransitionTime"]
        if moved and old[name]["status"] == new[name]["status"]:
            yield f"{name} has a new time and the old status"
        if (
            old[name]["status"] != new[name]["status"]
            and new[name]["lastTransitionTime"] < old[name]["lastTransitionTime"]
        ):
            yield f"{name} went back in time"
    was = (before or {}).get("status", {}).get("observedGeneration", 0)
    if after["status"].get("observedGeneration", 0) < was:
        yield "observedGeneration went back"


def _by_type(resource: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {condition["type"]: condition for condition in resource.get("status", {}).get("conditions", ())}


def _is(conditions: dict[str, dict[str, Any]], name: str) -> bool:
    return name in conditions and conditions[name]["status"] == "True"
