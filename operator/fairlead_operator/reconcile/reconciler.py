"""A pass over one ApiService: observe, plan, apply, prune, report.

Called again and again with a name, in any state of the world; everything follows from what is there now. How a spec
replaces another in stages is in `stages`.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from fairlead_contract import names
from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.records import Name, name_of
from fairlead_operator.diagnosis.inspector import Inspector
from fairlead_operator.drift.fresh_read import confirm
from fairlead_operator.errors import NotFound, Refused
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client
from fairlead_operator.manifests import Manifest, Ref
from fairlead_operator.plan import Capabilities, Stage
from fairlead_operator.reasons import ConditionDetail, Reason
from fairlead_operator.reconcile import teardown
from fairlead_operator.reconcile.applier import Applier
from fairlead_operator.reconcile.context import PassContext, annotation, owned
from fairlead_operator.reconcile.planner import Planner, PreparedPlan
from fairlead_operator.reconcile.provisioning import Provisioner
from fairlead_operator.reconcile.rollout_gate import Rollouts
from fairlead_operator.reconcile.stages import Stages
from fairlead_operator.reconcile.status_builder import StatusBuilder
from fairlead_operator.reconcile.teardown import Done, Progress, Skipped, Waiting
from fairlead_operator.status.conditions import View
from fairlead_operator.status.writer import RecordEvent, StatusWriter

LOG = logging.getLogger(__name__)
POLL_SECONDS = 5.0
# Most Jobs end sooner, so that none of these looks is made. Longer than the patience with them.
JOB_POLL_SECONDS = 10.0
# For what is usually followed by an event, such as an unowned object that goes, and for all while the cluster is slow.
SLOW_SECONDS = 30.0
# A free place wakes who waits; this is only against a defect.
QUEUED_SECONDS = 300.0


class Reconciler:
    """`capabilities` gives what the cluster serves at this moment, `busy` whether it is slow from much work.

    `now` gives the time for conditions, `clock` seconds.
    """

    def __init__(
        self,
        client: Client,
        cache: ClusterCache,
        *,
        planner: Planner,
        rollouts: Rollouts,
        capabilities: Callable[[], Capabilities],
        record_event: RecordEvent,
        busy: Callable[[], bool],
        now: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._cache = cache
        self._planner = planner
        self._rollouts = rollouts
        self._capabilities = capabilities
        self._record_event = record_event
        self._applier = Applier(client, cache)
        self._inspector = Inspector(client, cache, busy=busy, now=now)
        self._provisioner = Provisioner(self._applier, self._inspector)
        self._status_builder = StatusBuilder(cache, self._applier, self._inspector, now=now)
        self._stages = Stages(
            client, cache, self._applier, self._provisioner, rollouts, rolled_out=self._status_builder.rolled_out
        )
        self._status_writer = StatusWriter(client, cache, record_event=record_event, busy=busy, now=now, clock=clock)
        self._teardown = teardown.Teardown(client, cache, self._inspector)

    async def reconcile(self, name: Name) -> float | None:
        """One pass. Seconds after which to look again by ourselves, or None; an OperatorError means soon again."""
        with self._rollouts.deciding(name):
            return await self._reconcile(name)

    async def _reconcile(self, name: Name) -> float | None:
        record = self._cache.services.get(name)
        if record is None:
            await self._forget(name)
            return None
        resource = record.content
        if "deletionTimestamp" in resource["metadata"]:
            return await self._delete(resource)
        if annotation(resource, names.ANNOTATION_PAUSED) == "true":
            return await self._status_writer.write(resource, View(resource["metadata"]["generation"], paused=True))
        prepared = self._prepare(resource)
        if isinstance(prepared, ConditionDetail):
            await self._status_writer.write(resource, self._status_builder.unplanned(resource, prepared))
            return SLOW_SECONDS
        context = PassContext(resource, prepared)
        await self._carry_out(context)
        view = await self._status_builder.view(context)
        held_seconds = await self._status_writer.write(context.resource, view)
        context.applied.raise_error()
        return _sooner(held_seconds, view.scaling.look_again_seconds, _look_again_seconds(view, self._inspector))

    async def _forget(self, name: Name) -> None:
        """Drop what is kept for a resource that is gone."""
        for each in (self._applier, self._planner, self._provisioner, self._status_writer):
            each.forget(name)
        await self._teardown.clear(name)

    async def _carry_out(self, context: PassContext) -> None:
        """Make the children what the plan says, as far as they may change now; a plan that is refused changes none."""
        try:
            if context.prepared.refused is None:
                await self._teardown.clear(context.owner)
                context.resource = await self._finalizer(context.resource, context.prepared)
                await self._stages.apply(context)
                await self._stages.prune(context)
        finally:
            context.prepared.manifests.keep(self._unwritten(context))

    def _prepare(self, resource: Manifest) -> PreparedPlan | ConditionDetail:
        return self._planner.prepare(resource, self._classes(), self._capabilities())

    def _classes(self) -> dict[str, Manifest]:
        return {record.owner[1]: record.content for record in self._cache.classes.values()}

    def _unwritten(self, context: PassContext) -> set[Ref]:
        """Children that a later pass is to write. The Job is never written again."""
        if context.prepared.refused:
            return set()
        live = self._cache.of(context.owner)
        stages = (stage for stage in Stage if stage is not Stage.PROVISION)
        return {each.ref for each in context.desired(*stages) if self._applier.differs(context.owner, each, live)}

    async def _finalizer(self, resource: Manifest, prepared: PreparedPlan) -> Manifest:
        """Hold on to a resource whose tables and queues go with it, before they are made; release any other."""
        is_needed = resource["spec"].get("deletionPolicy") == "Delete" and prepared.plan.provision_hash is not None
        if is_needed == teardown.has_finalizer(resource):
            return resource
        others = [each for each in resource["metadata"].get("finalizers", ()) if each != teardown.FINALIZER]
        return await self._set_finalizers(resource, [*others, teardown.FINALIZER] if is_needed else others)

    async def _delete(self, resource: Manifest) -> float | None:
        """With our finalizer, remove what is outside the cluster first; what is inside goes by its owner reference."""
        owner = name_of(resource)
        if teardown.has_finalizer(resource):
            await confirm(self._client, self._cache, owner)
            progress = await self._tear_down(resource, owner)
            if isinstance(progress, Waiting):
                return await self._wait_for_teardown(resource, progress.detail)
            if isinstance(progress, Skipped):
                await self._report_skipped(resource, progress.detail)
            others = [each for each in resource["metadata"]["finalizers"] if each != teardown.FINALIZER]
            await self._set_finalizers(resource, others)
        await self._teardown.clear(owner)
        return None

    async def _tear_down(self, resource: Manifest, owner: Name) -> Progress:
        if self._needs_no_teardown(resource, owner):
            return Done()
        manifests = self._planner.teardown(resource, self._classes(), self._capabilities())
        if isinstance(manifests, ConditionDetail):
            return Waiting(manifests)
        try:
            return await self._teardown.advance(owner, manifests, previous=resource.get("status", {}))
        except Refused as error:
            detail = ConditionDetail(Reason.REFUSED, f"{error}; or set {names.ANNOTATION_SKIP_TEARDOWN}")
            await self._wait_for_teardown(resource, detail)
            raise

    async def _report_skipped(self, resource: Manifest, detail: ConditionDetail) -> None:
        # The log has it too: an operator of one namespace may write no Event about a namespace that is deleted.
        LOG.warning("the teardown was skipped", extra={"why": detail.message})
        await self._record_event(resource, "Warning", detail.reason, detail.message)

    def _needs_no_teardown(self, resource: Manifest, owner: Name) -> bool:
        """Whether the annotation says so, or nothing was ever made outside the cluster."""
        if annotation(resource, names.ANNOTATION_SKIP_TEARDOWN) == "true":
            return True
        # A Job may have run though its status was never written.
        own = owned(self._cache.of(owner), resource["metadata"]["uid"])
        return "provision" not in resource.get("status", {}) and not any(ref.kind == kinds.JOB.name for ref in own)

    async def _wait_for_teardown(self, resource: Manifest, detail: ConditionDetail) -> float | None:
        view = self._status_builder.unplanned(resource, detail)
        if detail.reason == Reason.DELETING:
            view = replace(view, stalled=None, pending=detail)
        held_seconds = await self._status_writer.write(resource, view)
        return _sooner(held_seconds, _look_again_seconds(view, self._inspector))

    async def _set_finalizers(self, resource: Manifest, finalizers: list[str]) -> Manifest:
        metadata = resource["metadata"]
        await confirm(self._client, self._cache, name_of(resource))
        change = {"resourceVersion": metadata["resourceVersion"], "finalizers": finalizers}
        try:
            answer = await self._client.merge(
                kinds.API_SERVICE, {"metadata": change}, namespace=metadata["namespace"], name=metadata["name"]
            )
        except NotFound:
            return resource
        record = self._cache.learn(answer)
        if not finalizers and "deletionTimestamp" in metadata:
            # With the last of them it is gone, and the answer is still of the version before: no pass may act on that.
            self._cache.services.remove(record.owner, version=record.version)
        return record.content


def _look_again_seconds(view: View, inspector: Inspector) -> float | None:
    """Causes of a rollout, or a Job, that hangs are in pods, which are not watched; the rest is watched."""
    if view.pending and view.pending.reason == Reason.ROLLOUT_QUEUED:
        return QUEUED_SECONDS
    if view.stalled:
        return SLOW_SECONDS
    if view.pending is None:
        return None
    is_job = view.pending.reason in (Reason.PROVISIONING, Reason.DELETING)
    if inspector.is_busy(jobs=is_job):
        return SLOW_SECONDS
    return JOB_POLL_SECONDS if is_job else POLL_SECONDS


def _sooner(*seconds: float | None) -> float | None:
    return min((each for each in seconds if each is not None), default=None)
