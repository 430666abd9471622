"""How the children of a plan are applied: in stages, so that a bad spec leaves the last good version serving.

What runs is rolled out after provisioning, and traffic moves to it after its pods are available. What is no longer
planned is deleted when all that replaces it serves.
"""

from collections.abc import Callable

from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.records import CachedChild
from fairlead_operator.drift import inventory, pruning
from fairlead_operator.drift.desired import DesiredChild
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client
from fairlead_operator.manifests import Ref
from fairlead_operator.plan import Stage
from fairlead_operator.reconcile import rollout_gate
from fairlead_operator.reconcile.applier import Applier
from fairlead_operator.reconcile.context import PassContext, owned
from fairlead_operator.reconcile.provisioning import Provisioner, ProvisionRequest
from fairlead_operator.reconcile.rollout_gate import Rollouts


class Stages:
    """`rolled_out` says whether the newest pods of every planned Deployment have replaced all others."""

    def __init__(
        self,
        client: Client,
        cache: ClusterCache,
        applier: Applier,
        provisioner: Provisioner,
        rollouts: Rollouts,
        *,
        rolled_out: Callable[[PassContext], bool],
    ) -> None:
        self._client = client
        self._cache = cache
        self._applier = applier
        self._provisioner = provisioner
        self._rollouts = rollouts
        self._rolled_out = rolled_out

    async def apply(self, context: PassContext) -> None:
        """Apply the stages in their order, up to one that has to wait: `held` says that the rest may not change yet."""
        await self._delete_replaced_autoscalers(context)
        for stage in (self._apply_base, self._provision, self._roll_out, self._move_traffic):
            if not await stage(context):
                context.held = True
                return

    async def _delete_replaced_autoscalers(self, context: PassContext) -> None:
        live = self._cache.of(context.owner)
        for ref in inventory.prune_first(owned(live, context.uid), context.desired_refs()):
            await self._remove(context, ref, live[ref])

    async def _apply_base(self, context: PassContext) -> bool:
        """Apply what others need, and of what is published and moves traffic what is new: it replaces nothing."""
        live = self._cache.of(context.owner)
        absent = [each for each in context.desired(Stage.PUBLISH, Stage.TRAFFIC) if each.ref not in live]
        serving = context.previous, context.plan.runtime_hash
        new = [each for each in absent if not rollout_gate.is_switch(each, *serving)]
        await self._apply_children(context, [*context.desired(Stage.BASE), *new])
        return True

    async def _provision(self, context: PassContext) -> bool:
        """Take the provision Job one step on. Whether workloads may be rolled out."""
        if context.plan.provision_hash is None:
            self._provisioner.forget(context.owner)
        for job in context.desired(Stage.PROVISION):
            request = ProvisionRequest(
                context.owner,
                context.uid,
                job,
                expected=context.plan.provision_hash or "",
                bindings=context.plan.bindings,
                previous=context.previous,
                live=self._cache.of(context.owner),
                again=bool(context.token),
            )
            context.provisioning = await self._provisioner.advance(request, applied=context.applied)
        return context.provisioning.done and context.applied.complete

    async def _roll_out(self, context: PassContext) -> bool:
        """Apply the workloads. Running pods that only the class or the operator changes may have to wait."""
        children = context.desired(Stage.ROLLOUT, Stage.PUBLISH)
        changed = [] if rollout_gate.is_own(context.resource) else self._changed_deployments(context, children)
        class_name, most = context.prepared.class_name, context.prepared.most_rollouts
        if changed and not self._rollouts.admit(context.owner, class_name, most=most):
            context.queued = rollout_gate.queued(class_name)
            await self._apply_unchanged(context, changed)
            return False
        await self._apply_children(context, children)
        if not context.applied.errors:
            self._rollouts.begun(context.owner)
        return True

    async def _apply_unchanged(self, context: PassContext, changed: list[DesiredChild]) -> None:
        """Apply all but the Deployments that wait: other workloads, and what another manager has changed."""
        others = [each for each in context.desired(Stage.ROLLOUT) if each not in changed]
        await self._apply_children(context, others)
        later = context.desired(Stage.PUBLISH, Stage.TRAFFIC)
        await self._apply_children(context, [each for each in later if context.is_repair(each)])

    async def _move_traffic(self, context: PassContext) -> bool:
        """Apply what leads to the pods, once the newest of them have replaced all others."""
        live, traffic = self._cache.of(context.owner), context.desired(Stage.TRAFFIC)
        changed = [each for each in traffic if self._applier.differs(context.owner, each, live)]
        if changed and not self._rolled_out(context):
            return False
        await self._apply_children(context, traffic if context.token else changed)
        return True

    def _changed_deployments(self, context: PassContext, desired: list[DesiredChild]) -> list[DesiredChild]:
        live = owned(self._cache.of(context.owner), context.uid)
        return [
            each
            for each in desired
            if each.kind is kinds.DEPLOYMENT
            and each.ref in live
            and self._applier.differs(context.owner, each, live)
            and not context.is_repair(each)
        ]

    async def _apply_children(self, context: PassContext, desired: list[DesiredChild]) -> None:
        force = bool(context.token)
        await self._applier.apply(context.owner, context.uid, desired, applied=context.applied, force=force)

    async def prune(self, context: PassContext) -> None:
        """Delete what is ours and no longer planned, once all that replaces it is in place and serves."""
        if context.held or not context.applied.complete or not self._rolled_out(context):
            return
        live = self._cache.of(context.owner)
        for ref in await pruning.surplus(self._client, context.owner, owned(live, context.uid), context.desired_refs()):
            await self._remove(context, ref, live[ref])

    async def _remove(self, context: PassContext, ref: Ref, child: CachedChild) -> None:
        if not child.deleting:
            await self._applier.delete(context.owner, ref, child)
        context.pruned.add(ref)
