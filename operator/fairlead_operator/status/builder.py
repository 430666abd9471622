"""What a pass came to, as the view that the status is made from. Reads pods and Events only when something ails.

Once a version serves, Ready follows whether the Deployments are available, and pods that come and go are no rollout.
A rollout that makes progress ails from nothing: to read pods for each of its steps would cost more than all the rest.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fairlead_contract import names
from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.store import CachedChild, Name
from fairlead_operator.diagnosis import autoscaling
from fairlead_operator.diagnosis.inspector import Inspector
from fairlead_operator.diagnosis.job_result import listed
from fairlead_operator.diagnosis.workload_state import Rollout
from fairlead_operator.drift.inventory import Ref
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Manifest
from fairlead_operator.plan import Plan, Stage
from fairlead_operator.reconcile import classes, rollout_gate
from fairlead_operator.reconcile.applier import Applier
from fairlead_operator.reconcile.context import PassContext, annotation, owned
from fairlead_operator.status.conditions import Part, View, told
from fairlead_operator.status.reasons import ConditionDetail, Reason


class Observer:
    """Looks at the stores, and has examined what ails. `now` gives the time as RFC 3339."""

    def __init__(self, world: ClusterCache, applier: Applier, examiner: Inspector, *, now: Callable[[], str]) -> None:
        self._world = world
        self._applier = applier
        self._examiner = examiner
        self._now = now

    def rolled_out(self, turn: PassContext) -> bool:
        """Whether the newest pods of every planned Deployment have replaced all others."""
        live = self._world.of(turn.owner)
        for each in turn.wanted(Stage.ROLLOUT):
            if each.kind is kinds.DEPLOYMENT:
                child = live.get(each.ref)
                if child is None or not child.facts.complete or self._applier.differs(turn.owner, each, live):
                    return False
        return True

    async def view(self, turn: PassContext) -> View:
        """The view after a pass that had a plan."""
        live = {ref: child for ref, child in self._world.of(turn.owner).items() if ref not in turn.pruned}
        own = owned(live, turn.uid)
        refused = turn.prepared.refused
        scaling_fault, scaling_seconds = autoscaling.assess(live, own, turn.previous, now=self._now())
        rolled = refused is None and not turn.held and self.rolled_out(turn)
        was_serving = turn.previous.get("serving")
        serving = {"generation": turn.plan.generation, "runtimeHash": turn.plan.runtime_hash}
        view = View(
            generation=turn.resource["metadata"]["generation"],
            class_name=turn.prepared.class_name,
            url=turn.plan.url,
            stalled=refused or _not_applied(turn) or turn.provisioning.stalled,
            pending=self._pending(turn, rolled=rolled, settled=was_serving == serving),
            provision=turn.provisioning.status if refused is None else turn.previous.get("provision"),
            provision_cause=turn.provisioning.cause if refused is None else told(turn.previous, "Provisioned"),
            bindings=turn.provisioning.bindings or _bindings(turn),
            children=_children(own),
            contract=next((ref.name for ref in sorted(own) if _is_contract(ref)), ""),
            api=_part(turn, own, "api"),
            worker=_part(turn, own, "worker"),
            scaled=autoscaling.is_scaled(each.ref for each in turn.wanted()),
            scaling_fault=scaling_fault,
            scaling_seconds=scaling_seconds,
            scaling_note=_scaling_note(turn.plan),
            left_out=tuple(each.message for each in turn.plan.left_out if not each.feature.startswith("scaling")),
            embedded=turn.prepared.embedded,
            serving=serving if rolled else was_serving,
            image=turn.prepared.image,
            requested_at=annotation(turn.resource, names.ANNOTATION_RECONCILE_REQUESTED_AT),
        )
        return await self._explain(turn, view)

    def _pending(self, turn: PassContext, *, rolled: bool, settled: bool) -> ConditionDetail | None:
        """What is waited for. Once a version serves, a pod that comes and goes is no rollout."""
        if turn.prepared.refused or turn.applied.stalled or turn.provisioning.stalled:
            return None
        if turn.applied.errors or turn.applied.waiting:
            return ConditionDetail(Reason.APPLYING, "not every child could be written yet; trying again")
        if turn.provisioning.pending:
            return turn.provisioning.pending
        if turn.queued:
            return turn.queued
        was_pending = any(told(turn.previous, name) for name in ("Reconciling", "Stalled"))
        if rolled or (settled and not was_pending and not turn.held and not turn.applied.written):
            return None
        return ConditionDetail(Reason.ROLLING_OUT, "the new version's pods are not all available yet")

    async def _explain(self, turn: PassContext, view: View) -> View:
        """Look for what ails the workloads, when something does; a rollout out of time is stalled."""
        parts = {}
        stalled = view.stalled
        for name, part in (("api", view.api), ("worker", view.worker)):
            seen = part.seen
            if seen is None or not part.wanted or (not view.pending and seen.available) or _written(turn, name):
                continue
            if (seen.complete and seen.available) or (view.pending and self._examiner.goes_on(seen)):
                continue
            cause = await self._cause(turn.owner, name, seen)
            if cause and cause.reason == Reason.NOT_READY and view.pending and not seen.failed:
                cause = None  # every pod is so for a while
            parts[name] = replace(part, cause=cause)
            if seen.failed and view.pending and not stalled:
                known = cause.message if cause else seen.failed
                stalled = ConditionDetail(
                    Reason.ROLLOUT_FAILED, f"Deployment {turn.owner[1]}-{name}: {known}{_serving(view)}"
                )
        return replace(view, stalled=stalled, **parts)  # type: ignore[arg-type]

    async def _cause(self, owner: Name, component: str, seen: Rollout) -> ConditionDetail | None:
        ref = Ref("apps", kinds.DEPLOYMENT.name, f"{owner[1]}-{component}")
        selector = f"{names.LABEL_APISVC}={owner[1]},app.kubernetes.io/component={component}"
        return await self._examiner.deployment(ref, seen, namespace=owner[0], selector=selector)

    def unplanned(self, resource: Manifest, trouble: ConditionDetail) -> View:
        """The view when there is no plan: what runs goes on, and the status keeps what it said of it."""
        previous = resource.get("status", {})
        owner = resource["metadata"]["namespace"], resource["metadata"]["name"]
        live = self._world.of(owner)
        own = owned(live, resource["metadata"]["uid"])
        scaling_fault, scaling_seconds = autoscaling.assess(live, own, previous, now=self._now())
        is_of_class = trouble.reason == Reason.INVALID_CLASS and _serves_as_asked(resource)
        return View(
            generation=resource["metadata"]["generation"],
            class_name=previous.get("className", ""),
            url=previous.get("url", ""),
            stalled=None if is_of_class else trouble,
            class_fault=trouble if is_of_class else None,
            provision=previous.get("provision"),
            provision_cause=told(previous, "Provisioned"),
            bindings=list(previous.get("bindings", ())),
            children=_children(own),
            contract=next((ref.name for ref in sorted(own) if _is_contract(ref)), ""),
            api=Part(wanted=True, seen=_seen(own, "api")),
            worker=Part(wanted=_seen(own, "worker") is not None, seen=_seen(own, "worker")),
            scaled=autoscaling.is_scaled(own),
            scaling_fault=scaling_fault,
            scaling_seconds=scaling_seconds,
            embedded=told(previous, "NotForProduction") is not None,
            serving=previous.get("serving"),
            image=previous.get("runtimeVersion", ""),
            requested_at=annotation(resource, names.ANNOTATION_RECONCILE_REQUESTED_AT),
        )


def _serves_as_asked(resource: Manifest) -> bool:
    """Whether nothing is under way, and nothing was asked for since it was well."""
    is_unwell = any(told(resource.get("status", {}), name) for name in ("Reconciling", "Stalled"))
    return not (is_unwell or rollout_gate.is_own(resource) or "deletionTimestamp" in resource["metadata"])


def _not_applied(turn: PassContext) -> ConditionDetail | None:
    """What a person has to clear, and where it is mended when it is in what was asked for."""
    found, class_name = turn.applied.stalled, turn.prepared.class_name
    if found is None or found.reason != Reason.REFUSED or not turn.applied.is_final:
        return found
    or_class = "" if class_name == classes.BUILT_IN else f", or its class {class_name}"
    return ConditionDetail(Reason.REFUSED, f"{found.message}; mend the ApiService{or_class}")


def _children(own: Mapping[Ref, CachedChild]) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in (("group", ref.group), ("kind", ref.kind), ("name", ref.name)) if value}
        | {"uid": child.uid, "hash": child.digest}
        for ref, child in sorted(own.items(), key=lambda item: item[0])
        if not child.deleting
    ]


def _seen(own: Mapping[Ref, CachedChild], component: str) -> Rollout | None:
    rollouts = [child.facts for child in own.values() if isinstance(child.facts, Rollout) and not child.deleting]
    return next((each for each in rollouts if each.component == component), None)


def _part(turn: PassContext, own: Mapping[Ref, CachedChild], component: str) -> Part:
    planned = [each.component for each in turn.wanted() if each.kind is kinds.DEPLOYMENT]
    return Part(wanted=component in planned, seen=_seen(own, component))


def _scaling_note(planned: Plan) -> ConditionDetail | None:
    notes = [each for each in planned.left_out if each.feature.startswith("scaling")]
    return ConditionDetail(notes[0].reason, "; ".join(each.message for each in notes)) if notes else None


def _bindings(turn: PassContext) -> list[dict[str, Any]]:
    if turn.prepared.refused or turn.plan.provision_hash is not None:
        return list(turn.previous.get("bindings", ()))
    return listed(turn.plan.bindings, "Ready")


def _is_contract(ref: Ref) -> bool:
    return ref.kind == kinds.CONFIG_MAP.name and ref.name.endswith("-contract")


def _written(turn: PassContext, component: str) -> bool:
    return Ref("apps", kinds.DEPLOYMENT.name, f"{turn.owner[1]}-{component}") in turn.applied.written


def _serving(view: View) -> str:
    return f"; generation {view.serving['generation']} goes on serving" if view.serving else ""
