"""Why a Deployment or a Job makes no progress: read from pods, and from Events where pods do not show it.

What may just be slow is not inspected: most that wait are healthy, and to read pods for each of their steps would cost
more than all the rest.
"""

from collections.abc import Callable
from dataclasses import replace

from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.records import CachedChild
from fairlead_operator.cache.workload_state import JobEnd, Rollout
from fairlead_operator.diagnosis import causes
from fairlead_operator.diagnosis.times import seconds_between
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client
from fairlead_operator.manifests import Manifest, Ref
from fairlead_operator.reasons import ConditionDetail, Reason

PATIENCE_SECONDS = 3.0
# A Job does not show its progress, and a healthy one may take as long.
JOB_PATIENCE_SECONDS = 8.0
# With many at a time all are slow, which is no fault.
BUSY_PATIENCE_SECONDS = 30.0
_POD_WARNINGS = "involvedObject.kind=Pod,type=Warning"


class Inspector:
    """`busy` says whether the cluster is slow from much work, `now` gives the time as RFC 3339."""

    def __init__(
        self, client: Client, cache: ClusterCache, *, busy: Callable[[], bool], now: Callable[[], str]
    ) -> None:
        self._client = client
        self._cache = cache
        self._busy = busy
        self._now = now

    def is_busy(self, *, jobs: bool) -> bool:
        """Whether those who wait may just be slow; for Jobs also when many of them run."""
        return self._busy() or (jobs and self._cache.is_running_many_jobs())

    def is_past(self, time: str, *, seconds: float) -> bool:
        """Whether so much time has gone by since. An unknown time is not past."""
        return bool(time) and seconds_between(time, self._now()) >= seconds

    def goes_on(self, seen: Rollout) -> bool:
        """Whether a rollout makes progress, or may do so soon."""
        patience_seconds = BUSY_PATIENCE_SECONDS if self.is_busy(jobs=False) else PATIENCE_SECONDS
        return progresses(seen, now=self._now(), patience_seconds=patience_seconds)

    async def deployment(self, ref: Ref, seen: Rollout, *, namespace: str, selector: str) -> ConditionDetail | None:
        """Why a Deployment is not available."""
        if seen.refused:
            return ConditionDetail(Reason.QUOTA_EXCEEDED, f"{ref}: {seen.refused[:300]}")
        return _about(ref, await self._deepest(namespace, await self.pods(namespace, selector)))

    async def job(
        self, ref: Ref, child: CachedChild, *, namespace: str, reported: ConditionDetail | None
    ) -> ConditionDetail | None:
        """What keeps a Job from its end, once it takes longer than most; nothing is read before.

        Without a pod, as when the Job is about to fail, it is the condition `reported` so far.
        """
        end: JobEnd = child.facts
        patience_seconds = BUSY_PATIENCE_SECONDS if self.is_busy(jobs=True) else JOB_PATIENCE_SECONDS
        if not self.is_past(end.started_at, seconds=patience_seconds):
            return None
        pods = await self.pods_of_job(child, namespace=namespace)
        if all("deletionTimestamp" in pod["metadata"] for pod in pods):
            fields = f"involvedObject.uid={child.uid},type=Warning"
            events, _ = await self._client.list_all(kinds.EVENT, namespace=namespace, fields=fields)
            return _about(ref, causes.refused(events)) or (reported if causes.known(reported, ref) else None)
        detail = await self._deepest(namespace, causes.latest(pods))
        return None if detail and detail.reason == Reason.NOT_READY else _about(ref, detail)

    async def pods_of_job(self, child: CachedChild, *, namespace: str) -> list[Manifest]:
        """The pods of this very Job, not of one of the same name before it."""
        return await self.pods(namespace, f"batch.kubernetes.io/controller-uid={child.uid}")

    async def pods(self, namespace: str, selector: str) -> list[Manifest]:
        """The pods that carry these labels."""
        pods, _ = await self._client.list_all(kinds.POD, namespace=namespace, selector=selector)
        return pods

    async def _deepest(self, namespace: str, pods: list[Manifest]) -> ConditionDetail | None:
        events: list[Manifest] = []
        if causes.may_lack_volumes(pods):
            events, _ = await self._client.list_all(kinds.EVENT, namespace=namespace, fields=_POD_WARNINGS)
        return causes.deepest(pods, events)


def progresses(seen: Rollout, *, now: str, patience_seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether the controller saw the rollout go on a moment ago, or has not looked at it yet."""
    if seen.failed or seen.refused:
        return False
    return not seen.progressed_at or seconds_between(seen.progressed_at, now) < patience_seconds


def _about(ref: Ref, detail: ConditionDetail | None) -> ConditionDetail | None:
    return replace(detail, message=f"{ref}: {detail.message}") if detail else None
