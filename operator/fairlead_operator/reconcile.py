"""The story of one resource: observe, plan, apply, prune, report.

Called again and again with a name, in any state of the world; everything follows from what is there now. The spec's new
version replaces the old one in stages: what runs is rolled out after provisioning, and traffic moves to it after its
pods are available, so a bad spec leaves the last good version serving.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fairlead_contract import names
from fairlead_operator import causes, inventory, kinds, status, teardown
from fairlead_operator.apply import Applied, Applier
from fairlead_operator.cluster.client import Client, Manifest
from fairlead_operator.cluster.store import Child, Name, Whole
from fairlead_operator.cluster.world import World
from fairlead_operator.errors import NotFound
from fairlead_operator.facts import Rollout, Scaler
from fairlead_operator.inventory import Ref
from fairlead_operator.plan import Capabilities, Plan, Stage
from fairlead_operator.prepare import Prepared, Preparer
from fairlead_operator.provisioning import Provisioner, Provisioning, listed
from fairlead_operator.reasons import Reason, Trouble
from fairlead_operator.status import Part, View

LOG = logging.getLogger(__name__)
POLL_SECONDS = 5.0
STALLED_SECONDS = 30.0
Announce = Callable[[Manifest, str, str, str], Awaitable[None]]


@dataclass
class Pass:
    """One pass over one resource, as far as it has come."""

    resource: Manifest
    prepared: Prepared
    applied: Applied = field(default_factory=Applied)
    provisioning: Provisioning = field(default_factory=lambda: Provisioning(None))
    held: bool = False
    pruned: set[Ref] = field(default_factory=set)

    @property
    def plan(self) -> Plan:
        return self.prepared.plan

    @property
    def previous(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.resource.get("status", {})
        return found

    @property
    def uid(self) -> str:
        return str(self.resource["metadata"]["uid"])

    @property
    def owner(self) -> Name:
        return self.resource["metadata"]["namespace"], self.resource["metadata"]["name"]

    @property
    def token(self) -> str:
        """The reconcile request that has not been handled yet, or empty."""
        wanted = _annotation(self.resource, names.ANNOTATION_RECONCILE_REQUESTED_AT)
        return wanted if wanted != self.previous.get("lastHandledReconcileAt", "") else ""

    def manifests(self, *stages: Stage) -> list[Manifest]:
        """What the plan has in these stages."""
        return [child.manifest for child in self.plan.children if child.stage in stages]


class Reconciler:
    """`now` gives the time for conditions; `capabilities` what the cluster serves at this moment."""

    def __init__(
        self,
        client: Client,
        world: World,
        *,
        preparer: Preparer,
        capabilities: Callable[[], Capabilities],
        announce: Announce,
        now: Callable[[], str],
    ) -> None:
        self._client = client
        self._world = world
        self._preparer = preparer
        self._capabilities = capabilities
        self._announce = announce
        self._now = now
        self._applier = Applier(client, world)
        self._provisioner = Provisioner(client, self._applier)
        self._teardown = teardown.Teardown(client, world)

    async def reconcile(self, name: Name) -> float | None:
        """One pass. Seconds after which to look again by ourselves, or None; an OperatorError means soon again."""
        record = self._world.services.get(name)
        if record is None:
            self._applier.forget(name)
            return None
        resource = record.content
        if "deletionTimestamp" in resource["metadata"]:
            return await self._delete(resource)
        if _annotation(resource, names.ANNOTATION_PAUSED) == "true":
            await self._report(resource, View(resource["metadata"]["generation"], paused=True))
            return None
        prepared = self._prepare(resource)
        if isinstance(prepared, Trouble):
            await self._report(resource, self._unplanned(resource, prepared))
            return STALLED_SECONDS
        turn = Pass(resource, prepared)
        if prepared.refused is None:
            turn.resource = await self._finalizer(resource, prepared)
            await self._apply(turn)
            await self._prune(turn)
        view = await self._view(turn)
        await self._report(turn.resource, view)
        if turn.applied.errors:
            raise turn.applied.errors[0]
        return STALLED_SECONDS if view.stalled else POLL_SECONDS if view.pending else None

    def _prepare(self, resource: Manifest) -> Prepared | Trouble:
        available = {record.content["metadata"]["name"]: record.content for record in self._world.classes.values()}
        return self._preparer.prepare(resource, available, self._capabilities())

    async def _apply(self, turn: Pass) -> None:
        """Bring every child that may change now; `held` says that some may not yet."""
        owner, live = turn.owner, self._world.of(turn.owner)
        desired = [Ref.of(child.manifest) for child in turn.plan.children]
        for ref in inventory.prune_first(_mine(live, turn.uid), desired):
            await self._remove(turn, ref, live[ref])
        first = turn.manifests(Stage.BASE)
        traffic = turn.manifests(Stage.TRAFFIC)
        first += [manifest for manifest in traffic if Ref.of(manifest) not in live]
        await self._bring(turn, first)
        for job in turn.manifests(Stage.PROVISION):
            turn.provisioning = await self._provisioner.advance(
                owner,
                turn.uid,
                job,
                expected=turn.plan.provision_hash or "",
                bindings=turn.plan.bindings,
                previous=turn.previous,
                live=live,
                applied=turn.applied,
                again=bool(turn.token),
            )
        if not turn.provisioning.done or not turn.applied.complete:
            turn.held = True
            return
        await self._bring(turn, turn.manifests(Stage.ROLLOUT))
        live = self._world.of(owner)
        changed = [manifest for manifest in traffic if self._applier.differs(owner, manifest, live)]
        if changed and not self._rolled_out(turn):
            turn.held = True
            return
        await self._bring(turn, traffic if turn.token else changed)

    async def _bring(self, turn: Pass, manifests: list[Manifest]) -> None:
        force = bool(turn.token)
        await self._applier.bring(turn.owner, turn.uid, manifests, applied=turn.applied, force=force)

    async def _prune(self, turn: Pass) -> None:
        """Delete what is ours and no longer planned, once all that replaces it is in place and serves."""
        if turn.held or not turn.applied.complete or not self._rolled_out(turn):
            return
        live = self._world.of(turn.owner)
        desired = [Ref.of(child.manifest) for child in turn.plan.children]
        surplus = inventory.prune(_mine(live, turn.uid), desired)
        if any(ref.kind == kinds.CONFIG_MAP.name for ref in surplus):
            surplus = inventory.prune(surplus, desired, in_use=await self._mounted(turn.owner))
        for ref in surplus:
            await self._remove(turn, ref, live[ref])

    async def _remove(self, turn: Pass, ref: Ref, child: Child) -> None:
        if not child.deleting:
            await self._applier.delete(turn.owner, ref, child)
        turn.pruned.add(ref)

    async def _mounted(self, owner: Name) -> set[Ref]:
        """ConfigMaps that a ReplicaSet, also one kept for a rollback, mounts."""
        selector = f"{names.LABEL_APISVC}={owner[1]}"
        sets, _ = await self._client.list_all(kinds.REPLICA_SET, namespace=owner[0], selector=selector)
        return {
            Ref("", kinds.CONFIG_MAP.name, mounted)
            for each in sets
            for volume in each["spec"]["template"]["spec"].get("volumes", ())
            for mounted in _config_maps(volume)
        }

    def _rolled_out(self, turn: Pass) -> bool:
        """Whether the newest pods of every planned Deployment have replaced all others."""
        live = self._world.of(turn.owner)
        for manifest in turn.manifests(Stage.ROLLOUT):
            if manifest["kind"] == kinds.DEPLOYMENT.name:
                child = live.get(Ref.of(manifest))
                if child is None or not child.facts.complete or self._applier.differs(turn.owner, manifest, live):
                    return False
        return True

    async def _view(self, turn: Pass) -> View:
        live = {ref: child for ref, child in self._world.of(turn.owner).items() if ref not in turn.pruned}
        mine = _mine(live, turn.uid)
        refused = turn.prepared.refused
        troubles = [refused] if refused else turn.applied.troubles
        rolled = refused is None and not turn.held and self._rolled_out(turn)
        was_serving = turn.previous.get("serving")
        serving = {"generation": turn.plan.generation, "runtimeHash": turn.plan.runtime_hash}
        view = View(
            generation=turn.resource["metadata"]["generation"],
            class_name=turn.prepared.class_name,
            url=turn.plan.url,
            stalled=troubles[0] if troubles else turn.provisioning.stalled,
            pending=self._pending(turn, rolled=rolled, settled=was_serving == serving),
            provision=turn.provisioning.status if refused is None else turn.previous.get("provision"),
            bindings=turn.provisioning.bindings or _bindings(turn),
            children=_children(mine),
            contract=next((ref.name for ref in sorted(mine) if _is_contract(ref)), ""),
            api=_part(turn.plan, mine, "api"),
            worker=_part(turn.plan, mine, "worker"),
            scaling_fault=_scaling_fault(mine),
            scaling_note=_scaling_note(turn.plan),
            left_out=tuple(each.message for each in turn.plan.left_out if not each.feature.startswith("scaling")),
            embedded=turn.prepared.embedded,
            serving=serving if rolled else was_serving,
            image=turn.prepared.image,
            requested_at=_annotation(turn.resource, names.ANNOTATION_RECONCILE_REQUESTED_AT),
        )
        return await self._explain(turn, view)

    def _pending(self, turn: Pass, *, rolled: bool, settled: bool) -> Trouble | None:
        """What is waited for. Once a version serves, a pod that comes and goes is no rollout."""
        if turn.prepared.refused or turn.applied.troubles or turn.provisioning.stalled:
            return None
        if turn.applied.errors or turn.applied.waiting:
            return Trouble(Reason.APPLYING, "not every child could be written yet; trying again")
        if turn.provisioning.pending:
            return turn.provisioning.pending
        was_pending = _condition(turn.previous, "Reconciling") is not None
        if rolled or (settled and not was_pending and not turn.held and not turn.applied.written):
            return None
        return Trouble(Reason.ROLLING_OUT, "the new version's pods are not all available yet")

    async def _explain(self, turn: Pass, view: View) -> View:
        """Look for what ails the workloads, when something does; a rollout out of time is stalled."""
        parts = {}
        stalled = view.stalled
        for name, part in (("api", view.api), ("worker", view.worker)):
            seen = part.seen
            if seen is None or not part.wanted or (not view.pending and seen.available) or _written(turn, name):
                continue
            if seen.complete and seen.available:
                continue
            cause = await self._cause(turn.owner, name, seen)
            parts[name] = replace(part, cause=cause)
            if seen.failed and view.pending and not stalled:
                known = cause.message if cause else seen.failed
                stalled = Trouble(Reason.ROLLOUT_FAILED, f"Deployment {turn.owner[1]}-{name}: {known}{_serving(view)}")
        return replace(view, stalled=stalled, **parts)  # type: ignore[arg-type]

    async def _cause(self, owner: Name, component: str, seen: Rollout) -> Trouble | None:
        if seen.refused:
            return Trouble(Reason.QUOTA_EXCEEDED, f"Deployment {owner[1]}-{component}: {seen.refused[:300]}")
        selector = f"{names.LABEL_APISVC}={owner[1]},app.kubernetes.io/component={component}"
        pods, _ = await self._client.list_all(kinds.POD, namespace=owner[0], selector=selector)
        events, _ = await self._client.list_all(kinds.EVENT, namespace=owner[0])
        found = causes.deepest(pods, events)
        return replace(found, message=f"Deployment {owner[1]}-{component}: {found.message}") if found else None

    def _unplanned(self, resource: Manifest, trouble: Trouble) -> View:
        """The view when there is no plan: what runs goes on, and the status keeps what it said of it."""
        previous = resource.get("status", {})
        owner = resource["metadata"]["namespace"], resource["metadata"]["name"]
        mine = _mine(self._world.of(owner), resource["metadata"]["uid"])
        return View(
            generation=resource["metadata"]["generation"],
            class_name=previous.get("className", ""),
            url=previous.get("url", ""),
            stalled=trouble,
            provision=previous.get("provision"),
            bindings=list(previous.get("bindings", ())),
            children=_children(mine),
            contract=next((ref.name for ref in sorted(mine) if _is_contract(ref)), ""),
            api=Part(wanted=True, seen=_seen(mine, "api")),
            worker=Part(wanted=_seen(mine, "worker") is not None, seen=_seen(mine, "worker")),
            serving=previous.get("serving"),
            image=previous.get("runtimeVersion", ""),
            requested_at=_annotation(resource, names.ANNOTATION_RECONCILE_REQUESTED_AT),
        )

    async def _report(self, resource: Manifest, view: View) -> None:
        before = resource.get("status", {})
        after = status.assess(view, before, now=self._now())
        patch = status.change(before, after)
        if patch is None:
            return
        metadata = resource["metadata"]
        body = {"metadata": {"uid": metadata["uid"]}, "status": patch}
        try:
            answer = await self._client.merge(
                kinds.API_SERVICE, body, namespace=metadata["namespace"], name=metadata["name"], subresource="status"
            )
        except NotFound:
            return
        self._learn(answer)
        for kind, reason, message in status.transitions(before, after):
            await self._announce(resource, kind, reason, message)

    async def _finalizer(self, resource: Manifest, prepared: Prepared) -> Manifest:
        """Hold on to a resource whose tables and queues go with it, before they are made; let go of any other."""
        wanted = resource["spec"].get("deletionPolicy") == "Delete" and bool(prepared.teardown)
        if wanted == teardown.has_finalizer(resource):
            return resource
        others = [each for each in resource["metadata"].get("finalizers", ()) if each != teardown.FINALIZER]
        return await self._set_finalizers(resource, [*others, teardown.FINALIZER] if wanted else others)

    async def _delete(self, resource: Manifest) -> float | None:
        """With our finalizer, remove what is outside the cluster first; what is inside goes by its owner reference."""
        if not teardown.has_finalizer(resource):
            return None
        owner = resource["metadata"]["namespace"], resource["metadata"]["name"]
        prepared = self._prepare(resource)
        skip = _annotation(resource, names.ANNOTATION_SKIP_TEARDOWN) == "true"
        never_made = "provision" not in resource.get("status", {})
        manifests = [] if isinstance(prepared, Trouble) else [child.manifest for child in prepared.teardown]
        waiting = prepared if isinstance(prepared, Trouble) else None
        if not skip and not never_made and waiting is None:
            waiting = await self._teardown.advance(owner, manifests)
        if waiting is not None and not skip and not never_made and waiting.reason != Reason.TEARDOWN_SKIPPED:
            is_stalled = waiting.reason != Reason.DELETING
            view = self._unplanned(resource, waiting)
            await self._report(resource, view if is_stalled else replace(view, stalled=None, pending=waiting))
            return STALLED_SECONDS if is_stalled else None
        if waiting is not None and waiting.reason == Reason.TEARDOWN_SKIPPED:
            await self._announce(resource, "Warning", waiting.reason, waiting.message)
        await self._teardown.clear(owner, manifests)
        others = [each for each in resource["metadata"]["finalizers"] if each != teardown.FINALIZER]
        await self._set_finalizers(resource, others)
        return None

    async def _set_finalizers(self, resource: Manifest, finalizers: list[str]) -> Manifest:
        metadata = resource["metadata"]
        change = {"resourceVersion": metadata["resourceVersion"], "finalizers": finalizers}
        try:
            answer = await self._client.merge(
                kinds.API_SERVICE, {"metadata": change}, namespace=metadata["namespace"], name=metadata["name"]
            )
        except NotFound:
            return resource
        self._learn(answer)
        return Whole.read(answer).content

    def _learn(self, answer: Manifest) -> None:
        record = Whole.read(answer)
        self._world.services.put(record.owner, record, silent=True)


def _annotation(resource: Manifest, name: str) -> str:
    return str(resource["metadata"].get("annotations", {}).get(name, ""))


def _condition(found: Mapping[str, Any], name: str) -> Manifest | None:
    return next((each for each in found.get("conditions", ()) if each["type"] == name), None)


def _mine(live: Mapping[Ref, Child], uid: str) -> dict[Ref, Child]:
    return {ref: child for ref, child in live.items() if child.owner_uid == uid}


def _children(mine: Mapping[Ref, Child]) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in (("group", ref.group), ("kind", ref.kind), ("name", ref.name)) if value}
        | {"uid": child.uid, "hash": child.digest}
        for ref, child in sorted(mine.items(), key=lambda item: item[0])
        if not child.deleting
    ]


def _seen(mine: Mapping[Ref, Child], component: str) -> Rollout | None:
    rollouts = [child.facts for child in mine.values() if isinstance(child.facts, Rollout) and not child.deleting]
    return next((each for each in rollouts if each.component == component), None)


def _part(planned: Plan, mine: Mapping[Ref, Child], component: str) -> Part:
    labels = [
        child.manifest["metadata"]["labels"].get("app.kubernetes.io/component")
        for child in planned.children
        if child.kind == kinds.DEPLOYMENT.name
    ]
    return Part(wanted=component in labels, seen=_seen(mine, component))


def _scaling_fault(mine: Mapping[Ref, Child]) -> str:
    faults = {ref: child.facts.fault for ref, child in mine.items() if isinstance(child.facts, Scaler)}
    return next((f"{ref}: {fault[:300]}" for ref, fault in sorted(faults.items()) if fault), "")


def _scaling_note(planned: Plan) -> Trouble | None:
    notes = [each for each in planned.left_out if each.feature.startswith("scaling")]
    return Trouble(notes[0].reason, "; ".join(each.message for each in notes)) if notes else None


def _bindings(turn: Pass) -> list[dict[str, Any]]:
    if turn.prepared.refused or turn.plan.provision_hash is not None:
        return list(turn.previous.get("bindings", ()))
    return listed(turn.plan.bindings, "Ready")


def _config_maps(volume: Manifest) -> list[str]:
    sources = [volume, *volume.get("projected", {}).get("sources", ())]
    return [source["configMap"]["name"] for source in sources if "configMap" in source]


def _is_contract(ref: Ref) -> bool:
    return ref.kind == kinds.CONFIG_MAP.name and ref.name.endswith("-contract")


def _written(turn: Pass, component: str) -> bool:
    return Ref("apps", kinds.DEPLOYMENT.name, f"{turn.owner[1]}-{component}") in turn.applied.written


def _serving(view: View) -> str:
    return f"; generation {view.serving['generation']} goes on serving" if view.serving else ""
