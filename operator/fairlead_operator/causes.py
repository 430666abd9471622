"""Why a workload does not come up: the deepest cause that its pods and their Events tell. Pure.

Messages name the object and what is wrong with it, and leave out what differs from pod to pod and from try to try.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fairlead_operator.reasons import Reason, Trouble
from fairlead_operator.redaction import redact

_PULL = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"})
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError"})
_BEFORE_VOLUMES = frozenset({"", "ContainerCreating", "PodInitializing"})
_MISSING = re.compile(r'(secret|configmap) "([^"]+)" not found|references non-existent (secret|config) key: (\S+)')
_LONGEST = 300
Manifest = Mapping[str, Any]


def deepest(pods: Iterable[Manifest], events: Iterable[Manifest]) -> Trouble | None:
    """The cause that explains most: mounts before images, images before crashes, crashes before scheduling."""
    living = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    names = {pod["metadata"]["name"] for pod in living}
    mounts = [event for event in events if _is_mount(event) and event["involvedObject"].get("name") in names]
    found = [trouble for event in mounts if (trouble := _missing(str(event.get("message", ""))))]
    for pod in living:
        found += _of_pod(pod)
    order = list(_DEPTH)
    return min(found, key=lambda trouble: (order.index(Reason(trouble.reason)), trouble.message), default=None)


def may_lack_volumes(pods: Iterable[Manifest]) -> bool:
    """Whether Events can tell more than `pods` do: one of these is on a node, and nothing of it has started.

    Worth asking first: no server has an index of Events, so a list of some reads all that the namespace has.
    """
    return any(_is_starting(pod) for pod in pods if "deletionTimestamp" not in pod["metadata"])


def termination_message(pods: Iterable[Manifest]) -> str:
    """What the last container that ended wrote, as it is; empty when none wrote anything."""
    ended = []
    for pod in pods:
        for container in pod.get("status", {}).get("containerStatuses", ()):
            end = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated")
            if end:
                ended.append((end.get("finishedAt") or "", end.get("message") or ""))
    return max(ended, default=("", ""))[1]


_DEPTH = (
    Reason.MISSING_SECRET,
    Reason.MISSING_CONFIG,
    Reason.IMAGE_PULL,
    Reason.CRASHING,
    Reason.UNSCHEDULABLE,
    Reason.NOT_READY,
)


def _is_starting(pod: Manifest) -> bool:
    status = pod.get("status", {})
    containers = status.get("containerStatuses", ())
    scheduled = {condition["type"]: condition["status"] for condition in status.get("conditions", ())}
    on_node = bool(containers) or scheduled.get("PodScheduled") == "True"
    return on_node and not any(_got_its_volumes(container) for container in containers)


def _got_its_volumes(container: Manifest) -> bool:
    state = container.get("state", {})
    ran = "running" in state or "terminated" in state or container.get("lastState", {}).get("terminated")
    return bool(ran) or (state.get("waiting") or {}).get("reason", "") not in _BEFORE_VOLUMES


def _of_pod(pod: Manifest) -> list[Trouble]:
    status = pod.get("status", {})
    found = []
    for container in status.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting") or {}
        found += _of_container(container, waiting)
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            found.append(Trouble(Reason.UNSCHEDULABLE, _short(condition.get("message", "no node takes the pod"))))
    return found


def _of_container(container: Manifest, waiting: Manifest) -> list[Trouble]:
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _PULL:
        return [Trouble(Reason.IMAGE_PULL, f"image {container.get('image', '')} cannot be pulled")]
    if reason in _CONFIG:
        return [_missing(message) or Trouble(Reason.MISSING_CONFIG, _short(message))]
    last = container.get("lastState", {}).get("terminated") or container.get("state", {}).get("terminated")
    if last and last.get("exitCode"):
        said = last.get("message") or f"exit code {last['exitCode']}"
        return [Trouble(Reason.CRASHING, f"container {container['name']} ends: {_short(said)}")]
    if not container.get("ready") and "running" in container.get("state", {}):
        return [Trouble(Reason.NOT_READY, f"container {container['name']} runs but does not answer its probe")]
    return []


def _is_mount(event: Manifest) -> bool:
    return event.get("reason") in {"FailedMount", "Failed"} and event.get("involvedObject", {}).get("kind") == "Pod"


def _missing(message: str) -> Trouble | None:
    found = _MISSING.search(message)
    if found is None:
        return None
    kind, name, keyed, key = found.groups()
    reason = Reason.MISSING_SECRET if (kind or keyed) == "secret" else Reason.MISSING_CONFIG
    noun = "Secret" if reason is Reason.MISSING_SECRET else "ConfigMap"
    return Trouble(reason, f"{noun} {name} is missing" if name else f"a {noun} lacks the key {key}")


def _short(text: str) -> str:
    line = " ".join(redact(text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
