"""Deleting what is outside the cluster, for `deletionPolicy: Delete`: a finalizer, and a Job that outlives all.

The Job, its ServiceAccount and its ConfigMap have no owner, so that a foreground deletion does not take them first;
they are known by their name and label. They are cleared after the finalizer is gone, so a Job that succeeded is there
for as long as it may be needed; whatever ends the operator in between, they are found again as left over. In a
namespace that is being deleted no Job can start: what is outside stays.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fairlead_contract import names
from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.records import CachedChild, Name
from fairlead_operator.cache.workload_state import OF_KIND
from fairlead_operator.diagnosis import causes
from fairlead_operator.diagnosis.inspector import Inspector
from fairlead_operator.drift.fresh_read import confirm
from fairlead_operator.errors import Forbidden, Invalid, Outdated, Refused, Terminating
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client
from fairlead_operator.kube.managed_fields import digest
from fairlead_operator.manifests import Manifest, Ref
from fairlead_operator.reasons import ConditionDetail, Reason
from fairlead_operator.status.conditions import condition_detail

LOG = logging.getLogger(__name__)
FINALIZER = f"{names.GROUP}/teardown"


def has_finalizer(resource: Mapping[str, Any]) -> bool:
    """Whether the resource waits for us before it goes."""
    return FINALIZER in resource["metadata"].get("finalizers", ())


def is_left_over(name: Name, child: CachedChild) -> bool:
    """Whether the object is one that a teardown needed, and ours."""
    return name[1] == f"{child.owner[1]}-teardown" and not child.owner_uid and bool(child.digest)


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing outside the cluster is left."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the deletion waits for."""

    detail: ConditionDetail


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why what is outside the cluster stays."""

    detail: ConditionDetail


Progress = Done | Waiting | Skipped


class Teardown:
    """One step at a time; the Job's end brings us back."""

    def __init__(self, client: Client, cache: ClusterCache, inspector: Inspector) -> None:
        self._client = client
        self._cache = cache
        self._inspector = inspector

    async def advance(self, owner: Name, manifests: Iterable[Manifest], *, previous: Mapping[str, Any]) -> Progress:
        """One step of the teardown.

        Refused when the API server does not take what the teardown needs.
        `previous` is the status: when the Job's time is over, it knows what the Job waited for.
        """
        live = self._cache.of(owner)
        job: CachedChild | None = None
        for manifest in manifests:
            try:
                child = await self._ensure(owner, manifest, live.get(Ref.of(manifest)))
            except Terminating:
                text = "the namespace is being deleted, so tables, queues and topics stay"
                return Skipped(ConditionDetail(Reason.TEARDOWN_SKIPPED, text))
            except (Invalid, Forbidden) as error:
                text = f"the API server refuses {Ref.of(manifest)}: {error.message[:500]}"
                raise Refused(text, is_final=isinstance(error, Invalid)) from error
            if child is None:
                return Waiting(self._conflict(manifest))
            if manifest["kind"] == kinds.JOB.name:
                job = child
        return Done() if job is None or job.facts.state == "Succeeded" else await self._wait(owner, job, previous)

    async def _wait(self, owner: Name, job: CachedChild, previous: Mapping[str, Any]) -> Waiting:
        ref = Ref(kinds.JOB.group, kinds.JOB.name, f"{owner[1]}-teardown")
        reported = condition_detail(previous, "Ready")
        if job.facts.state == "Failed":
            return Waiting(await self._failure(owner, ref, job, reported))
        cause = await self._inspector.job(ref, job, namespace=owner[0], reported=reported)
        return Waiting(ConditionDetail(Reason.DELETING, cause.message if cause else "the teardown Job runs"))

    async def clear(self, owner: Name) -> None:
        """Remove the Job and what it needed: the resource is gone, or not being deleted at all."""
        for ref, child in self._cache.of(owner).items():
            name = (owner[0], ref.name)
            if is_left_over(name, child) and not child.deleting:
                await confirm(self._client, self._cache, owner)
                kind = kinds.find(ref.group, ref.kind)
                await self._client.delete(kind, namespace=owner[0], name=ref.name, uid=child.uid)
                self._cache.children[kind].remove(name, version=child.version)

    async def _ensure(self, owner: Name, manifest: Manifest, child: CachedChild | None) -> CachedChild | None:
        """The object as planned; None when it is an unowned object."""
        child = child or await self._create(owner, manifest)
        if child is None or not child.digest:
            return None
        if child.digest != digest(manifest) and manifest["kind"] == kinds.CONFIG_MAP.name:
            # It says which tables go. Whoever wrote it, they are those of this resource.
            self._learn(owner, manifest, await self._client.apply_known(kinds.CONFIG_MAP, manifest, uid=child.uid))
        return child

    async def _create(self, owner: Name, manifest: Manifest) -> CachedChild | None:
        """The object, new or existing; None when it is an unowned object."""
        live, is_new = await self._client.create_or_get(kinds.of(manifest), manifest)
        if live is None:
            raise Outdated(f"{Ref.of(manifest)} was there, and is gone")
        if not is_new and live["metadata"].get("labels", {}).get(names.LABEL_APISVC) != owner[1]:
            return None
        return self._learn(owner, manifest, live)

    def _learn(self, owner: Name, manifest: Manifest, answer: Manifest) -> CachedChild:
        kind = kinds.of(manifest)
        child = CachedChild.read(answer, OF_KIND.get(kind.name))
        self._cache.children[kind].put((owner[0], manifest["metadata"]["name"]), child, silent=True)
        return child

    def _conflict(self, manifest: Manifest) -> ConditionDetail:
        text = f"{Ref.of(manifest)}, which the teardown needs, is there already and not this ApiService's"
        return ConditionDetail(Reason.CONFLICT, f"{text}; delete or rename it, or set {names.ANNOTATION_SKIP_TEARDOWN}")

    async def _failure(
        self, owner: Name, ref: Ref, job: CachedChild, reported: ConditionDetail | None
    ) -> ConditionDetail:
        pods = await self._inspector.pods_of_job(job, namespace=owner[0])
        remedy = f"correct it and delete the Job to try again, or set {names.ANNOTATION_SKIP_TEARDOWN}"
        return causes.failure(ref, job.facts, pods, reported=reported, reason=Reason.TEARDOWN_FAILED, remedy=remedy)
