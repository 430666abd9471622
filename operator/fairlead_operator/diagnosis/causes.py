"""Why a workload does not come up: the deepest cause that its pods and their Events show. Pure.

Messages name the object and what is wrong with it, and leave out what differs from pod to pod and from try to try.
"""

import re
from collections.abc import Iterable
from typing import TypeVar

from fairlead_operator.cache.workload_state import JobEnd, lasting
from fairlead_operator.diagnosis import job_result
from fairlead_operator.diagnosis.redaction import redact
from fairlead_operator.manifests import ReadOnlyManifest
from fairlead_operator.reasons import ConditionDetail, Reason

_PULL = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"})
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError"})
_BEFORE_VOLUMES = frozenset({"", "ContainerCreating", "PodInitializing"})
_MISSING = re.compile(r'(secret|configmap) "([^"]+)" not found|references non-existent (secret|config) key: (\S+)')
_LONGEST = 300
Pod = TypeVar("Pod", bound=ReadOnlyManifest)


def known(reported: ConditionDetail | None, ref: object) -> str:
    """The cause that a condition has of an object; empty when it has none."""
    return reported.message.removeprefix(f"{ref}: ") if reported and reported.message.startswith(f"{ref}: ") else ""


def deepest(pods: Iterable[ReadOnlyManifest], events: Iterable[ReadOnlyManifest]) -> ConditionDetail | None:
    """The cause that explains most: mounts before images, images before crashes, crashes before scheduling."""
    living = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    names = {pod["metadata"]["name"] for pod in living if not _has_ended(pod)}
    mounts = [event for event in events if _is_mount(event) and event["involvedObject"].get("name") in names]
    details = [detail for event in mounts if (detail := _missing(str(event.get("message", ""))))]
    for pod in living:
        details += _of_pod(pod)
    order = list(_DEPTH)
    return min(details, key=lambda detail: (order.index(Reason(detail.reason)), detail.message), default=None)


def latest(pods: Iterable[Pod]) -> list[Pod]:
    """The pods of a Job without those that ended before its last try did: their cause may be gone."""
    all_pods = list(pods)
    ended = [pod for pod in all_pods if _has_ended(pod)]
    last = max(ended, key=_ended_at, default=None)
    return [pod for pod in all_pods if pod is last or pod not in ended]


def refused(events: Iterable[ReadOnlyManifest]) -> ConditionDetail | None:
    """Why a Job gets no pod, such as a quota, by the last Event about it."""
    failures = [event for event in events if event.get("reason") == "FailedCreate"]
    last = max(failures, key=_seen_at, default=None)
    return ConditionDetail(Reason.QUOTA_EXCEEDED, _short(lasting(last.get("message", "")))) if last else None


def failure(
    ref: object,
    end: JobEnd,
    pods: Iterable[ReadOnlyManifest],
    *,
    reported: ConditionDetail | None,
    reason: Reason,
    remedy: str,
) -> ConditionDetail:
    """Why a Job failed, where `reported` is the condition of it so far.

    With the end of its time a Job loses the pod that was stuck, so what was known while it ran says more than the pods
    of tries before. Else the last try says most.
    """
    all_pods = list(pods)
    crash = deepest(latest(all_pods), [])
    last = _short(job_result.failure_message(termination_message(all_pods))) or (crash.message if crash else "")
    if reported and reported.reason == reason and (end.is_late or not last):
        return reported
    before = known(reported, ref)
    cause = (before or last) if end.is_late else (last or before)
    late = f" ({end.message})" if end.is_late and cause else ""
    return ConditionDetail(reason, f"{ref} failed: {cause or end.message or 'no message'}{late}; {remedy}")


def may_lack_volumes(pods: Iterable[ReadOnlyManifest]) -> bool:
    """Whether Events can show more than `pods` do: one of these is on a node, and nothing of it has started.

    Worth asking first: no server has an index of Events, so a list of some reads all that the namespace has.
    """
    return any(_is_starting(pod) for pod in pods if "deletionTimestamp" not in pod["metadata"])


def termination_message(pods: Iterable[ReadOnlyManifest]) -> str:
    """What the last container that ended wrote, as it is; empty when none wrote anything."""
    ended = []
    for pod in pods:
        for container in pod.get("status", {}).get("containerStatuses", ()):
            end = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated")
            if end:
                ended.append((end.get("finishedAt") or "", end.get("message") or ""))
    return max(ended, default=("", ""))[1]


_ENDED = frozenset({"Succeeded", "Failed"})
_DEPTH = (
    Reason.MISSING_SECRET,
    Reason.MISSING_CONFIG,
    Reason.IMAGE_PULL,
    Reason.CRASHING,
    Reason.UNSCHEDULABLE,
    Reason.NOT_READY,
)


def _has_ended(pod: ReadOnlyManifest) -> bool:
    return pod.get("status", {}).get("phase") in _ENDED


def _ended_at(pod: ReadOnlyManifest) -> tuple[str, str]:
    ends = [
        container.get("state", {}).get("terminated") or {} for container in pod["status"].get("containerStatuses", ())
    ]
    return max((end.get("finishedAt") or "" for end in ends), default=""), pod["metadata"].get("creationTimestamp", "")


def _seen_at(event: ReadOnlyManifest) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _is_starting(pod: ReadOnlyManifest) -> bool:
    status = pod.get("status", {})
    containers = status.get("containerStatuses", ())
    scheduled = {condition["type"]: condition["status"] for condition in status.get("conditions", ())}
    on_node = bool(containers) or scheduled.get("PodScheduled") == "True"
    return on_node and not any(_got_its_volumes(container) for container in containers)


def _got_its_volumes(container: ReadOnlyManifest) -> bool:
    state = container.get("state", {})
    ran = "running" in state or "terminated" in state or container.get("lastState", {}).get("terminated")
    return bool(ran) or (state.get("waiting") or {}).get("reason", "") not in _BEFORE_VOLUMES


def _of_pod(pod: ReadOnlyManifest) -> list[ConditionDetail]:
    status = pod.get("status", {})
    details = []
    for container in status.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting") or {}
        details += _of_container(container, waiting)
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            details.append(
                ConditionDetail(Reason.UNSCHEDULABLE, _short(condition.get("message", "no node takes the pod")))
            )
    return details


def _of_container(container: ReadOnlyManifest, waiting: ReadOnlyManifest) -> list[ConditionDetail]:
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _PULL:
        return [ConditionDetail(Reason.IMAGE_PULL, f"image {container.get('image', '')} cannot be pulled")]
    if reason in _CONFIG:
        return [_missing(message) or ConditionDetail(Reason.MISSING_CONFIG, _short(message))]
    last = container.get("lastState", {}).get("terminated") or container.get("state", {}).get("terminated")
    if last and last.get("exitCode"):
        ending = job_result.failure_message(last.get("message") or "") or f"exit code {last['exitCode']}"
        return [ConditionDetail(Reason.CRASHING, f"container {container['name']} ends: {_short(ending)}")]
    if not container.get("ready") and "running" in container.get("state", {}):
        return [ConditionDetail(Reason.NOT_READY, f"container {container['name']} runs but does not answer its probe")]
    return []


def _is_mount(event: ReadOnlyManifest) -> bool:
    return event.get("reason") in {"FailedMount", "Failed"} and event.get("involvedObject", {}).get("kind") == "Pod"


def _missing(message: str) -> ConditionDetail | None:
    match = _MISSING.search(message)
    if match is None:
        return None
    kind, name, keyed, key = match.groups()
    reason = Reason.MISSING_SECRET if (kind or keyed) == "secret" else Reason.MISSING_CONFIG
    noun = "Secret" if reason is Reason.MISSING_SECRET else "ConfigMap"
    return ConditionDetail(reason, f"{noun} {name} is missing" if name else f"a {noun} lacks the key {key}")


def _short(text: str) -> str:
    line = " ".join(redact(text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
