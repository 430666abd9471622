"""What the status needs to know of a live child, and no more. Pure; called once for each event."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fairlead_operator.manifests import LABEL_COMPONENT, ReadOnlyManifest

_POD = re.compile(r'\bpods? "[^"]*"', re.IGNORECASE)
_USED = re.compile(r", used: \S+(?=,)")
_POD_NAMED = re.compile(r"\bpods?[ /](?=\S*\d)\S+", re.IGNORECASE)
_IDENTIFIER = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
# Times, durations and addresses, too, but not a name that ends in one.
_NUMBER = re.compile(r"(?<![\w.-])\d(?:[\w.:%+-]*[\w%])?")
_LONGEST_FAULT = 300


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
    available_since: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class JobEnd:
    """A Job: `state` is Running, Succeeded or Failed. The times are RFC 3339, empty while unknown."""

    state: str
    message: str = ""
    started_at: str = field(default="", compare=False)
    ended_at: str = field(default="", compare=False)

    @property
    def is_late(self) -> bool:
        """Whether it was ended because its time was over."""
        return self.state == "Failed" and self.message.startswith("DeadlineExceeded")


@dataclass(frozen=True, slots=True)
class Scaler:
    """An autoscaler: what keeps it from scaling, or nothing, and since when (RFC 3339), where that is known."""

    component: str
    fault: str = ""
    since: str = field(default="", compare=False)


def rollout(live: ReadOnlyManifest) -> Rollout:
    """The facts of a Deployment."""
    status = live.get("status", {})
    conditions = _conditions(status)
    desired_replicas = live["spec"].get("replicas", 1)
    current = status.get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
    progressing = conditions.get("Progressing", {})
    complete = (
        current and progressing.get("reason") == "NewReplicaSetAvailable" and _is_replaced(live, desired_replicas)
    )
    failed = progressing.get("status") == "False" and progressing.get("reason") == "ProgressDeadlineExceeded"
    refused = conditions.get("ReplicaFailure", {})
    available = conditions.get("Available", {})
    return Rollout(
        component=_component(live),
        complete=complete,
        failed=progressing.get("message", "") if failed and current else "",
        available=available.get("status") == "True",
        replicas=f"{status.get('readyReplicas', 0)}/{desired_replicas}",
        refused=lasting(refused.get("message", "")) if refused.get("status") == "True" else "",
        progressed_at=progressing.get("lastUpdateTime", ""),
        available_since=available.get("lastTransitionTime", "") if available.get("status") == "True" else "",
    )


def _is_replaced(live: ReadOnlyManifest, desired_replicas: int) -> bool:
    """Whether all pods are of the newest template.

    With the strategy Recreate, Progressing may go on reporting the rollout before: until the old pods are gone, and,
    where the newest template was used before, until the end. There the pods have to be available too.
    """
    status = live["status"]
    updated = status.get("updatedReplicas", 0)
    is_recreated = live["spec"].get("strategy", {}).get("type") == "Recreate"
    proven = status.get("availableReplicas", 0) if is_recreated else updated
    return bool(status.get("replicas", 0) == updated and min(updated, proven) >= min(desired_replicas, 1))


def lasting(message: str) -> str:
    """Why pods are refused, without what is another at each try: the pod's name, and how much of a quota is used."""
    return _USED.sub("", _POD.sub("a pod", message))


def job_end(live: ReadOnlyManifest) -> JobEnd:
    """The facts of a Job."""
    status = live.get("status", {})
    conditions, started_at = _conditions(status), status.get("startTime", "")
    complete, failed = (conditions.get(name, {}) for name in ("Complete", "Failed"))
    if complete.get("status") == "True":
        return JobEnd("Succeeded", started_at=started_at, ended_at=complete.get("lastTransitionTime", ""))
    if failed.get("status") == "True":
        message = f"{failed.get('reason', '')}: {failed.get('message', '')}"
        return JobEnd("Failed", message, started_at=started_at, ended_at=failed.get("lastTransitionTime", ""))
    return JobEnd("Running", started_at=started_at)


def autoscaler(live: ReadOnlyManifest) -> Scaler:
    """The facts of a HorizontalPodAutoscaler. That it is at a limit, or off because 0 pods are set, is no fault.

    Each look of its controller first says that it can scale, so the time of a scaling that fails is always of just now.
    """
    conditions = _conditions(live.get("status", {}))
    able, active = conditions.get("AbleToScale", {}), conditions.get("ScalingActive", {})
    if able.get("status") == "False":
        is_lasting = able.get("reason") != "FailedUpdateScale"
        return Scaler(_component(live), _fault(live, able), able.get("lastTransitionTime", "") if is_lasting else "")
    if active.get("status") == "False" and active.get("reason") != "ScalingDisabled":
        return Scaler(_component(live), _fault(live, active), active.get("lastTransitionTime", ""))
    return Scaler(_component(live))


def scaled_object(live: ReadOnlyManifest) -> Scaler:
    """The facts of a ScaledObject, whose conditions carry no time. KEDA falls back after several failures only."""
    conditions = _conditions(live.get("status", {}))
    ready, fallback = conditions.get("Ready", {}), conditions.get("Fallback", {})
    if conditions.get("Paused", {}).get("status") == "True":
        return Scaler(_component(live))
    if ready.get("status") == "False":
        return Scaler(_component(live), _fault(live, ready))
    return Scaler(_component(live), _fault(live, fallback) if fallback.get("status") == "True" else "")


def _fault(live: ReadOnlyManifest, condition: ReadOnlyManifest) -> str:
    """Reason and message, without what is another each time: names of pods, numbers, times, addresses, identifiers."""
    reason, message = condition.get("reason", ""), condition.get("message", "")
    if reason == "AmbiguousSelector":
        return f"{reason}: other autoscalers select the same pods"  # it names them in any order
    target = re.escape(live["spec"]["scaleTargetRef"]["name"])
    message = re.sub(rf"\b(pod )?{target}-[a-z0-9]{{1,10}}-[a-z0-9]{{5}}\b", "a pod", message, flags=re.IGNORECASE)
    for pattern, text in ((_POD, "a pod"), (_POD_NAMED, "a pod"), (_IDENTIFIER, "N"), (_NUMBER, "N")):
        message = pattern.sub(text, message)
    return f"{reason}: {message}"[:_LONGEST_FAULT]


OF_KIND: dict[str, Callable[[ReadOnlyManifest], Any]] = {
    "Deployment": rollout,
    "Job": job_end,
    "HorizontalPodAutoscaler": autoscaler,
    "ScaledObject": scaled_object,
}


def _conditions(status: ReadOnlyManifest) -> dict[str, Any]:
    return {condition["type"]: condition for condition in status.get("conditions") or ()}


def _component(live: ReadOnlyManifest) -> str:
    return str(live["metadata"].get("labels", {}).get(LABEL_COMPONENT, ""))
