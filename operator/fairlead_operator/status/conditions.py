"""The status of an ApiService from what was planned, done and seen. Pure.

It follows the kstatus rules: while Reconciling or Stalled is True, Ready is not; `observedGeneration` says which spec
the status is about. Nothing in it changes by itself, so an equal world gives an equal status and no write.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fairlead_operator.cache.workload_state import Rollout
from fairlead_operator.reasons import ConditionDetail, Reason

Status = dict[str, Any]
ALWAYS = ("ApiAvailable", "AutoscalingReady", "Provisioned", "Ready", "WorkerAvailable")
WHILE_TRUE = ("ClassInvalid", "NotForProduction", "Reconciling", "Stalled")
NOT_CONFIGURED = ConditionDetail(Reason.NOT_CONFIGURED, "")


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload of the resource: whether it is planned, its Deployment, and why it is not available."""

    planned: bool = False
    rollout: Rollout | None = None
    cause: ConditionDetail | None = None


@dataclass(frozen=True, slots=True)
class Scaling:
    """The autoscalers of the resource: whether it has any, their fault, and what is not as requested.

    After `look_again_seconds` there may be a fault, without any event.
    """

    planned: bool = False
    fault: str = ""
    look_again_seconds: float | None = None
    note: ConditionDetail | None = None


@dataclass(frozen=True)
class View:
    """Everything that the status is made from. `stalled` waits for a person, `pending` for the cluster.

    `provision_cause` is what there is to say of the provision Job beside its state.
    `class_fault`: nothing can be changed in its class, but what it asks for was applied before and serves.
    """

    generation: int
    class_name: str = ""
    url: str = ""
    paused: bool = False
    stalled: ConditionDetail | None = None
    class_fault: ConditionDetail | None = None
    pending: ConditionDetail | None = None
    provision: Status | None = None
    provision_cause: ConditionDetail | None = None
    bindings: list[Status] = field(default_factory=list)
    children: list[Status] = field(default_factory=list)
    contract: str = ""
    api: Workload = Workload()
    worker: Workload = Workload()
    scaling: Scaling = Scaling()
    left_out: tuple[str, ...] = ()
    embedded: bool = False
    serving: Status | None = None
    image: str = ""
    requested_at: str = ""


def assess(view: View, previous: Mapping[str, Any], *, now: str) -> Status:
    """The whole status. `previous` gives the times of conditions that stay, and what a paused resource keeps."""
    if view.paused:
        return _paused(view, previous, now)
    status: Status = {
        "observedGeneration": view.generation,
        "conditions": _stamp(_conditions(view), previous, view.generation, now),
        "className": view.class_name,
        "url": view.url,
        "bindings": view.bindings,
        "children": view.children,
        "provision": view.provision,
        "serving": view.serving,
        "runtimeVersion": view.image,
        "lastHandledReconcileAt": view.requested_at,
        "contracts": {"configMap": view.contract} if view.contract else None,
        "api": _replicas(view.api),
        "worker": _replicas(view.worker),
    }
    return {key: value for key, value in status.items() if value not in (None, "", [])}


def transitions(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What is worth an Event, as (type, reason, message): a new problem, and the recovery from one."""
    old, new = _by_type(before), _by_type(after)
    stalled = new.get("Stalled")
    for name in ("Stalled", "ClassInvalid"):
        condition, previous = new.get(name), old.get(name)
        if condition and (not previous or previous["reason"] != condition["reason"]):
            yield "Warning", condition["reason"], condition["message"]
    ready, was_ready = new.get("Ready"), old.get("Ready")
    if not ready or not was_ready:
        return
    if ready["status"] == "True" and was_ready["status"] == "False":
        yield "Normal", ready["reason"], ready["message"]
    if ready["status"] == "False" and not stalled and was_ready["reason"] != ready["reason"]:
        yield "Warning", ready["reason"], ready["message"]


def condition_detail(status: Mapping[str, Any], condition: str) -> ConditionDetail | None:
    """What a condition says; None when there is none of that type."""
    entry = _by_type(status).get(condition)
    return ConditionDetail(entry["reason"], entry["message"]) if entry else None


def progresses(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether `after` only goes on where `before` was on the way already, or where there was no status before.

    The answer to a request is more than that, and so is that a resource is not what its last status says any more.
    """
    if "Reconciling" not in _by_type(after):
        return False
    if before.get("lastHandledReconcileAt") != after.get("lastHandledReconcileAt"):
        return False
    return not before.get("conditions") or "Reconciling" in _by_type(before)


def step(status: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where a resource is on its way: equal for statuses that differ in details only."""
    ready = _by_type(status).get("Ready", {})
    return status.get("observedGeneration"), ready.get("reason"), ready.get("message"), status.get("provision")


def _conditions(view: View) -> dict[str, tuple[str, ConditionDetail]]:
    conditions = {
        "Provisioned": _provisioned(view),
        "ApiAvailable": _available(view.api, "the API"),
        "WorkerAvailable": _available(view.worker, "the worker"),
        "AutoscalingReady": _autoscaling(view),
        "Ready": _ready(view),
    }
    if view.stalled:
        conditions["Stalled"] = ("True", view.stalled)
    elif view.pending:
        conditions["Reconciling"] = ("True", view.pending)
    if view.class_fault:
        conditions["ClassInvalid"] = ("True", view.class_fault)
    if view.embedded:
        text = "documents are kept in the pod and lost with it; choose another datastore for production"
        conditions["NotForProduction"] = ("True", ConditionDetail(Reason.EMBEDDED_STORE, text))
    return conditions


def _ready(view: View) -> tuple[str, ConditionDetail]:
    if view.stalled:
        return "False", view.stalled
    if view.pending:
        of_job = view.provision_cause if view.pending.reason == Reason.PROVISIONING else None
        cause = of_job or view.api.cause or view.worker.cause
        return "Unknown", ConditionDetail(view.pending.reason, cause.message) if cause else view.pending
    for workload, name in ((view.api, "the API"), (view.worker, "the worker")):
        state, detail = _available(workload, name)
        if state != "True":
            return "False", detail
    if view.class_fault:
        return "True", ConditionDetail(
            Reason.READY, "what was applied last serves; its class cannot be used: see ClassInvalid"
        )
    return "True", ConditionDetail(Reason.READY, "; ".join(("all children are applied and serve", *view.left_out)))


def _provisioned(view: View) -> tuple[str, ConditionDetail]:
    state = (view.provision or {}).get("state")
    if state is None:
        return ("True", NOT_CONFIGURED) if view.image else ("Unknown", view.stalled or _waiting())
    if state == "Succeeded":
        return "True", ConditionDetail(Reason.PROVISIONED, "")
    if state == "Failed":
        return "False", view.provision_cause or view.stalled or ConditionDetail(Reason.PROVISION_FAILED, "")
    return "Unknown", view.provision_cause or ConditionDetail(Reason.PROVISIONING, "the provision Job runs")


def _available(workload: Workload, name: str) -> tuple[str, ConditionDetail]:
    if not workload.planned:
        return "True", NOT_CONFIGURED
    if workload.rollout is None:
        return "Unknown", workload.cause or _waiting()
    if workload.rollout.available:
        return "True", ConditionDetail(Reason.AVAILABLE, "")
    return "False", workload.cause or ConditionDetail(Reason.UNAVAILABLE, f"too few pods of {name} are ready")


def _autoscaling(view: View) -> tuple[str, ConditionDetail]:
    if view.scaling.fault:
        return "False", ConditionDetail(Reason.SCALER_FAILED, view.scaling.fault)
    if view.scaling.note:
        return "True", view.scaling.note
    return "True", ConditionDetail(Reason.SCALING, "") if view.scaling.planned else NOT_CONFIGURED


def _waiting() -> ConditionDetail:
    return ConditionDetail(Reason.WAITING, "nothing has been rolled out yet")


def _paused(view: View, previous: Mapping[str, Any], now: str) -> Status:
    kept = {
        key: (value["status"], ConditionDetail(value["reason"], value["message"]))
        for key, value in _by_type(previous).items()
    }
    conditions = {key: value for key, value in kept.items() if key not in {"Reconciling", "Stalled"}}
    for name in ALWAYS:
        conditions.setdefault(name, ("Unknown", _waiting()))
    text = "the annotation fairlead.dev/paused is set; remove it to go on"
    conditions["Ready"] = ("Unknown", ConditionDetail(Reason.PAUSED, text))
    observed = view.generation
    return dict(previous) | {
        "observedGeneration": observed,
        "conditions": _stamp(conditions, previous, observed, now),
    }


def _stamp(
    conditions: Mapping[str, tuple[str, ConditionDetail]], previous: Mapping[str, Any], generation: int, now: str
) -> list[Status]:
    old = _by_type(previous)
    stamped = []
    for name, (state, detail) in sorted(conditions.items()):
        same = name in old and old[name]["status"] == state
        stamped.append(
            {
                "type": name,
                "status": state,
                "reason": str(detail.reason),
                "message": detail.message,
                "lastTransitionTime": old[name]["lastTransitionTime"] if same else now,
                "observedGeneration": generation,
            }
        )
    return stamped


def _by_type(status: Mapping[str, Any]) -> dict[str, Status]:
    return {condition["type"]: {"message": ""} | condition for condition in status.get("conditions", ())}


def _replicas(workload: Workload) -> Status | None:
    return {"replicas": workload.rollout.replicas} if workload.planned and workload.rollout else None
