"""What the status needs to know of a live child, and no more. Pure; called once for each event."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Manifest = Mapping[str, Any]
COMPONENT = "app.kubernetes.io/component"
_POD = re.compile(r'\bpods? "[^"]*"', re.IGNORECASE)
_USED = re.compile(r", used: \S+(?=,)")


@dataclass(frozen=True, slots=True)
class Rollout:
    """A Deployment: how far its newest template is, and whether it serves. Equal when there is no news of that."""

    component: str
    complete: bool  # the newest ReplicaSet has replaced all others
    failed: str  # the controller's message once the deadline has passed
    available: bool
    replicas: str = field(compare=False)
    refused: str  # why pods cannot be made, such as a quota
    progressed_at: str = field(default="", compare=False)  # when the controller last saw it go on


@dataclass(frozen=True, slots=True)
class JobEnd:
    """A Job: `state` is Running, Succeeded or Failed."""

    state: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Scaler:
    """An autoscaler: what keeps it from scaling, or nothing."""

    component: str
    fault: str


def rollout(live: Manifest) -> Rollout:
    """The facts of a Deployment."""
    status = live.get("status", {})
    conditions = _conditions(status)
    wanted = live["spec"].get("replicas", 1)
    current = status.get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
    progressing = conditions.get("Progressing", {})
    complete = current and progressing.get("reason") == "NewReplicaSetAvailable" and _is_replaced(live, wanted)
    failed = progressing.get("status") == "False" and progressing.get("reason") == "ProgressDeadlineExceeded"
    refused = conditions.get("ReplicaFailure", {})
    return Rollout(
        component=_component(live),
        complete=complete,
        failed=progressing.get("message", "") if failed and current else "",
        available=conditions.get("Available", {}).get("status") == "True",
        replicas=f"{status.get('readyReplicas', 0)}/{wanted}",
        refused=_lasting(refused.get("message", "")) if refused.get("status") == "True" else "",
        progressed_at=progressing.get("lastUpdateTime", ""),
    )


def _is_replaced(live: Manifest, wanted: int) -> bool:
    """Whether all pods are of the newest template.

    With the strategy Recreate, Progressing may go on telling of the rollout before: until the old pods are gone, and,
    where the newest template was used before, until the end. There the pods have to be available too.
    """
    status = live["status"]
    updated = status.get("updatedReplicas", 0)
    is_recreated = live["spec"].get("strategy", {}).get("type") == "Recreate"
    proven = status.get("availableReplicas", 0) if is_recreated else updated
    return bool(status.get("replicas", 0) == updated and min(updated, proven) >= min(wanted, 1))


def _lasting(message: str) -> str:
    """Why pods are refused, without what is another at each try: the pod's name, and how much of a quota is used."""
    return _USED.sub("", _POD.sub("a pod", message))


def job_end(live: Manifest) -> JobEnd:
    """The facts of a Job."""
    conditions = _conditions(live.get("status", {}))
    if conditions.get("Complete", {}).get("status") == "True":
        return JobEnd("Succeeded")
    failed = conditions.get("Failed", {})
    if failed.get("status") == "True":
        return JobEnd("Failed", f"{failed.get('reason', '')}: {failed.get('message', '')}")
    return JobEnd("Running")


def scaler(live: Manifest) -> Scaler:
    """The facts of a HorizontalPodAutoscaler or a ScaledObject."""
    conditions = _conditions(live.get("status", {}))
    faults = [conditions[name] for name in ("AbleToScale", "ScalingActive", "Ready") if name in conditions]
    bad = next((each for each in faults if each["status"] == "False"), None)
    return Scaler(_component(live), f"{bad.get('reason', '')}: {bad.get('message', '')}" if bad else "")


OF_KIND: dict[str, Callable[[Manifest], Any]] = {
    "Deployment": rollout,
    "Job": job_end,
    "HorizontalPodAutoscaler": scaler,
    "ScaledObject": scaler,
}


def _conditions(status: Manifest) -> dict[str, Any]:
    return {condition["type"]: condition for condition in status.get("conditions") or ()}


def _component(live: Manifest) -> str:
    return str(live["metadata"].get("labels", {}).get(COMPONENT, ""))
