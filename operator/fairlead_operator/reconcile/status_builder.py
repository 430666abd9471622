"""The result of a pass, as the view that the status is made from. Pods and Events are read only when unhealthy.

Once a version serves, Ready follows whether the Deployments are available, and pods that come and go are no rollout.
A rollout that makes progress is healthy: to read pods for each of its steps would cost more than all the rest.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from fairlead_contract import names
from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.records import CachedChild, Name, name_of
from fairlead_operator.cache.workload_state import Rollout
from fairlead_operator.diagnosis import autoscaling
from fairlead_operator.diagnosis.inspector import Inspector
from fairlead_operator.diagnosis.job_result import listed
from fairlead_operator.kube import kinds
from fairlead_operator.manifests import LABEL_COMPONENT, Manifest, Ref
from fairlead_operator.plan import Plan, Stage, classes
from fairlead_operator.reasons import ConditionDetail, Reason
from fairlead_operator.reconcile import rollout_gate
from fairlead_operator.reconcile.applier import Applier
from fairlead_operator.reconcile.context import PassContext, annotation, owned
from fairlead_operator.status.conditions import Scaling, View, Workload, condition_detail


class StatusBuilder:
    """Reads the cache, and has inspected what is unhealthy. `now` gives the time as RFC 3339."""

    def __init__(self, cache: ClusterCache, applier: Applier, inspector: Inspector, *, now: Callable[[], str]) -> None:
        self._cache = cache
        self._applier = applier
        self._inspector = inspector
        self._now = now

    def rolled_out(self, context: PassContext) -> bool:
        """Whether the newest pods of every planned Deployment have replaced all others."""
        live = self._cache.of(context.owner)
        for each in context.desired(Stage.ROLLOUT):
            if each.kind is kinds.DEPLOYMENT:
                child = live.get(each.ref)
                if child is None or not child.facts.complete or self._applier.differs(context.owner, each, live):
                    return False
        return True

    async def view(self, context: PassContext) -> View:
        """The view after a pass that had a plan."""
        live = {ref: child for ref, child in self._cache.of(context.owner).items() if ref not in context.pruned}
        own = owned(live, context.uid)
        refused = context.prepared.refused
        planned = (each.ref for each in context.desired())
        rolled = refused is None and not context.held and self.rolled_out(context)
        was_serving = context.previous.get("serving")
        serving = {"generation": context.plan.generation, "runtimeHash": context.plan.runtime_hash}
        view = View(
            generation=context.resource["metadata"]["generation"],
            class_name=context.prepared.class_name,
            url=context.plan.url,
            stalled=refused or _not_applied(context) or context.provisioning.stalled,
            pending=self._pending(context, rolled=rolled, settled=was_serving == serving),
            provision=context.previous.get("provision") if refused else context.provisioning.status,
            provision_cause=_provision_cause(context),
            bindings=context.provisioning.bindings or _bindings(context),
            children=_children(own),
            contract=_contract(own),
            api=_workload(context, own, "api"),
            worker=_workload(context, own, "worker"),
            scaling=self._scaling(live, own, context.previous, planned=planned, note=_scaling_note(context.plan)),
            left_out=tuple(each.message for each in context.plan.left_out if not each.feature.startswith("scaling")),
            embedded=context.prepared.embedded,
            serving=serving if rolled else was_serving,
            image=context.prepared.image,
            requested_at=annotation(context.resource, names.ANNOTATION_RECONCILE_REQUESTED_AT),
        )
        return await self._explain(context, view)

    def _pending(self, context: PassContext, *, rolled: bool, settled: bool) -> ConditionDetail | None:
        """What is waited for. Once a version serves, a pod that comes and goes is no rollout."""
        if context.prepared.refused or context.applied.stalled or context.provisioning.stalled:
            return None
        if context.applied.errors or context.applied.waiting:
            return ConditionDetail(Reason.APPLYING, "not every child could be written yet; trying again")
        if context.provisioning.pending:
            return context.provisioning.pending
        if context.queued:
            return context.queued
        was_pending = any(condition_detail(context.previous, name) for name in ("Reconciling", "Stalled"))
        if rolled or (settled and not was_pending and not context.held and not context.applied.written):
            return None
        return ConditionDetail(Reason.ROLLING_OUT, "the new version's pods are not all available yet")

    async def _explain(self, context: PassContext, view: View) -> View:
        """Add why workloads are not available; a rollout out of time is stalled."""
        workloads = {}
        stalled = view.stalled
        for name, workload in (("api", view.api), ("worker", view.worker)):
            rollout = workload.rollout
            if (
                rollout is None
                or not workload.planned
                or (not view.pending and rollout.available)
                or _written(context, name)
            ):
                continue
            if (rollout.complete and rollout.available) or (view.pending and self._inspector.goes_on(rollout)):
                continue
            cause = await self._cause(context.owner, name, rollout)
            if cause and cause.reason == Reason.NOT_READY and view.pending and not rollout.failed:
                cause = None  # every pod is so for a while
            workloads[name] = replace(workload, cause=cause)
            if rollout.failed and view.pending and not stalled:
                known = cause.message if cause else rollout.failed
                stalled = ConditionDetail(
                    Reason.ROLLOUT_FAILED, f"Deployment {context.owner[1]}-{name}: {known}{_serving(view)}"
                )
        return replace(view, stalled=stalled, **workloads)  # type: ignore[arg-type]

    async def _cause(self, owner: Name, component: str, rollout: Rollout) -> ConditionDetail | None:
        ref = Ref("apps", kinds.DEPLOYMENT.name, f"{owner[1]}-{component}")
        selector = f"{names.LABEL_APISVC}={owner[1]},{LABEL_COMPONENT}={component}"
        return await self._inspector.deployment(ref, rollout, namespace=owner[0], selector=selector)

    def _scaling(
        self,
        live: Mapping[Ref, CachedChild],
        own: Mapping[Ref, CachedChild],
        previous: Mapping[str, Any],
        *,
        planned: Iterable[Ref],
        note: ConditionDetail | None = None,
    ) -> Scaling:
        fault, look_again_seconds = autoscaling.assess(live, own, previous, now=self._now())
        return Scaling(autoscaling.is_scaled(planned), fault, look_again_seconds, note)

    def unplanned(self, resource: Manifest, detail: ConditionDetail) -> View:
        """The view when there is no plan: what runs goes on, and the status keeps what it says of it."""
        previous = resource.get("status", {})
        live = self._cache.of(name_of(resource))
        own = owned(live, resource["metadata"]["uid"])
        is_of_class = detail.reason == Reason.INVALID_CLASS and _serves_as_asked(resource)
        return View(
            generation=resource["metadata"]["generation"],
            class_name=previous.get("className", ""),
            url=previous.get("url", ""),
            stalled=None if is_of_class else detail,
            class_fault=detail if is_of_class else None,
            provision=previous.get("provision"),
            provision_cause=condition_detail(previous, "Provisioned"),
            bindings=list(previous.get("bindings", ())),
            children=_children(own),
            contract=_contract(own),
            api=Workload(planned=True, rollout=_rollout(own, "api")),
            worker=Workload(planned=_rollout(own, "worker") is not None, rollout=_rollout(own, "worker")),
            scaling=self._scaling(live, own, previous, planned=own),
            embedded=condition_detail(previous, "NotForProduction") is not None,
            serving=previous.get("serving"),
            image=previous.get("runtimeVersion", ""),
            requested_at=annotation(resource, names.ANNOTATION_RECONCILE_REQUESTED_AT),
        )


def _serves_as_asked(resource: Manifest) -> bool:
    """Whether nothing is under way, and nothing was requested since it was ready."""
    is_unwell = any(condition_detail(resource.get("status", {}), name) for name in ("Reconciling", "Stalled"))
    return not (is_unwell or rollout_gate.is_own(resource) or "deletionTimestamp" in resource["metadata"])


def _not_applied(context: PassContext) -> ConditionDetail | None:
    """What a person has to clear, and where to correct it when it follows from the spec."""
    detail, class_name = context.applied.stalled, context.prepared.class_name
    if detail is None or detail.reason != Reason.REFUSED or not context.applied.is_final:
        return detail
    or_class = "" if class_name == classes.BUILT_IN else f", or its class {class_name}"
    return ConditionDetail(Reason.REFUSED, f"{detail.message}; correct the ApiService{or_class}")


def _children(own: Mapping[Ref, CachedChild]) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in (("group", ref.group), ("kind", ref.kind), ("name", ref.name)) if value}
        | {"uid": child.uid, "hash": child.digest}
        for ref, child in sorted(own.items(), key=lambda item: item[0])
        if not child.deleting
    ]


def _rollout(own: Mapping[Ref, CachedChild], component: str) -> Rollout | None:
    rollouts = [child.facts for child in own.values() if isinstance(child.facts, Rollout) and not child.deleting]
    return next((each for each in rollouts if each.component == component), None)


def _workload(context: PassContext, own: Mapping[Ref, CachedChild], component: str) -> Workload:
    planned = [each.component for each in context.desired() if each.kind is kinds.DEPLOYMENT]
    return Workload(planned=component in planned, rollout=_rollout(own, component))


def _scaling_note(planned: Plan) -> ConditionDetail | None:
    notes = [each for each in planned.left_out if each.feature.startswith("scaling")]
    return ConditionDetail(notes[0].reason, "; ".join(each.message for each in notes)) if notes else None


def _bindings(context: PassContext) -> list[dict[str, Any]]:
    if context.prepared.refused or context.plan.provision_hash is not None:
        return list(context.previous.get("bindings", ()))
    return listed(context.plan.bindings, "Ready")


def _provision_cause(context: PassContext) -> ConditionDetail | None:
    refused = context.prepared.refused
    return condition_detail(context.previous, "Provisioned") if refused else context.provisioning.cause


def _contract(own: Collection[Ref]) -> str:
    """The ConfigMap with the published contract, or empty."""
    config_maps = (ref.name for ref in sorted(own) if ref.kind == kinds.CONFIG_MAP.name)
    return next((name for name in config_maps if name.endswith("-contract")), "")


def _written(context: PassContext, component: str) -> bool:
    return Ref("apps", kinds.DEPLOYMENT.name, f"{context.owner[1]}-{component}") in context.applied.written


def _serving(view: View) -> str:
    return f"; generation {view.serving['generation']} goes on serving" if view.serving else ""
