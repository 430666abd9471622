"""Plays the kubelet: pods become ready, fail to pull their image, or end with a message; real controllers do the rest.

It plays the controller of autoscalers, too, for there are no metrics. It changes nothing but the status of these
two, so Deployments, ReplicaSets and Jobs report what they would on nodes. It watches them, so it costs next to nothing
while nothing happens.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable
from typing import Any

import aiohttp

from . import autoscalers
from .autoscalers import Conditions
from .client import MERGE, Client, Manifest

PERIOD_SECONDS = 0.05
WATCH_SECONDS = 600
CLOSING_SECONDS = 0.1  # connections close in the next turns of the loop, after they were asked to
Verdict = str  # "ready", "pull", "mount", "secret", "config", "unschedulable", "wait"; of a Job's pod also "end"
MISSING_SECRET = "shop-db"


def ready_pods(pod: Manifest) -> Verdict:
    """What usually becomes of a pod."""
    return "ready"


def ends(pod: Manifest) -> Verdict:
    """What usually becomes of a Job's pod; `Simulator.job_message` says how it ends."""
    return "end"


class Simulator:
    """Runs in a thread of its own between `start` and `stop`. `job_message` ends Jobs; None lets them run on.

    `verdict` and `job_message` are asked again and again about a pod that is not in that state yet, and `scaling`
    always about an autoscaler; None leaves it as it is.
    """

    def __init__(self, client: Client, namespace: str) -> None:
        self._connection = client.connection
        self._fates: dict[str, Callable[[Manifest], Manifest | None]] = {
            f"/api/v1/namespaces/{namespace}/pods": self._pod_status,
            f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers": self._look,
        }
        self._live: dict[str, dict[str, Manifest]] = {path: {} for path in self._fates}
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._main, daemon=True)
        self.verdict: Callable[[Manifest], Verdict] = ready_pods
        self.job_verdict: Callable[[Manifest], Verdict] = ends
        self.job_message: Callable[[Manifest], tuple[bool, str] | None] = provisioned
        self.scaling: Callable[[Manifest], Conditions | None] = autoscalers.first_unmeasured

    def start(self) -> None:
        self._task = self._loop.create_task(self._run())
        self._thread.start()

    def stop(self) -> None:
        """End it; a defect it met is raised here."""
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()
        if not self._task.cancelled():
            self._task.result()

    def _main(self) -> None:
        assert self._task is not None
        with contextlib.suppress(asyncio.CancelledError, Exception):  # shown by `stop`
            self._loop.run_until_complete(self._task)
        self._loop.run_until_complete(asyncio.sleep(CLOSING_SECONDS))
        self._loop.close()

    async def _run(self) -> None:
        self._http = aiohttp.ClientSession(
            self._connection.cluster["server"],
            headers=dict(self._connection.headers()),
            connector=aiohttp.TCPConnector(ssl=self._connection.ssl_context()),
            timeout=aiohttp.ClientTimeout(),
            read_bufsize=2**24,
        )
        tasks = [asyncio.create_task(each) for each in (*map(self._watch, self._live), self._play_all())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            # First, because the connection of a request that is cancelled waits for the server to close it.
            await self._http.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, path: str) -> None:
        while True:
            parameters = {"watch": "true", "timeoutSeconds": str(WATCH_SECONDS)}
            self._live[path].clear()
            async with self._http.get(path, params=parameters) as answer:
                answer.raise_for_status()
                async for line in answer.content:
                    event = json.loads(line)
                    self._take(event["type"], path, event["object"])

    def _take(self, event: str, path: str, live: Manifest) -> None:
        if event == "ERROR":
            raise RuntimeError(f"watching {path}: {live}")
        if event == "DELETED":
            self._live[path].pop(live["metadata"]["name"], None)
        else:
            self._live[path][live["metadata"]["name"]] = live

    async def _play_all(self) -> None:
        while True:
            everything = [(path, each) for path, live in self._live.items() for each in live.values()]
            await asyncio.gather(*(self._play(path, each) for path, each in everything))
            await asyncio.sleep(PERIOD_SECONDS)

    async def _play(self, path: str, live: Manifest) -> None:
        is_pod = path.endswith("/pods")
        if "deletionTimestamp" in live["metadata"] and is_pod:
            # A pod without a node goes at once; one that looks started waits for its kubelet, which is us.
            await self._send("DELETE", path, live, "", {"gracePeriodSeconds": 0})
        elif (status := self._fates[path](live)) is not None:
            if is_pod and self._judge(live) == "secret":
                await self._send("POST", path.replace("/pods", "/events"), live, "", missing_secret(live))
            await self._send("PATCH", path, live, "/status", {"status": status})

    def _look(self, autoscaler: Manifest) -> Manifest | None:
        """The status that an autoscaler gets now, or None."""
        conditions = self.scaling(autoscaler)
        if conditions is None or conditions == autoscaler.get("status", {}).get("conditions"):
            return None
        return autoscalers.status(autoscaler, conditions)

    def _pod_status(self, pod: Manifest) -> Manifest | None:
        """The status it gets now, or None."""
        status, verdict = pod.get("status", {}), self._judge(pod)
        if verdict == "end":
            end = None if status.get("phase") in {"Succeeded", "Failed"} else self.job_message(pod)
            return ended_status(pod, *end) if end else None
        if verdict == "ready" and status.get("phase") != "Running":
            return ready_status(pod)
        stuck = STUCK.get(verdict)
        is_new = not (status.get("containerStatuses") or status.get("conditions"))
        return stuck(pod) if stuck and is_new else None

    def _judge(self, pod: Manifest) -> Verdict:
        is_of_job = "batch.kubernetes.io/job-name" in pod["metadata"]["labels"]
        return self.job_verdict(pod) if is_of_job else self.verdict(pod)

    async def _send(self, method: str, collection: str, live: Manifest, subresource: str, body: Manifest) -> None:
        name = live["metadata"]["name"]
        path = collection if method == "POST" else f"{collection}/{name}{subresource}"
        headers = {"Content-Type": MERGE if method == "PATCH" else "application/json"}
        async with self._http.request(method, path, data=json.dumps(body), headers=headers) as answer:
            said = await answer.json()
            if answer.status not in {200, 201, 404, 409}:
                raise RuntimeError(f"{method} {path}: {said}")
            if answer.status == 200 and method == "PATCH":
                # What the watch reports later is newer; until then this keeps it from being sent again.
                self._live[collection][name] = said


def provisioned(pod: Manifest) -> tuple[bool, str]:
    """A provision Job that did all it was asked for. The hash is the end of the Job's name."""
    return True, message(pod, state="Ready")


def failed(pod: Manifest) -> tuple[bool, str]:
    """A provision Job that may not log in."""
    return False, message(pod, state="Failed", reason="AccessDenied", text="password authentication failed")


def message(pod: Manifest, *, state: str, reason: str = "", text: str = "") -> str:
    """A termination message as the workload writes it."""
    expected = pod["metadata"]["labels"]["batch.kubernetes.io/job-name"].rpartition("-")[2]
    binding = {"role": "datastore", "type": "PostgreSQL", "name": "shop", "state": state}
    return json.dumps({"version": 1, "hash": expected, "bindings": [binding | {"reason": reason, "message": text}]})


def _containers(pod: Manifest, *, state: Manifest, ready: bool) -> list[Manifest]:
    return [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": ready,
            "restartCount": 0,
            "state": state,
        }
        for container in pod["spec"]["containers"]
    ]


def _conditions(**states: str) -> list[dict[str, Any]]:
    now = "2026-01-01T00:00:00Z"
    return [{"type": name, "status": state, "lastTransitionTime": now} for name, state in states.items()]


def ready_status(pod: Manifest) -> Manifest:
    """What a kubelet reports of a pod that serves."""
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    conditions = _conditions(PodScheduled="True", Initialized="True", ContainersReady="True", Ready="True")
    return {
        "phase": "Running",
        "conditions": conditions,
        "containerStatuses": _containers(pod, state=running, ready=True),
    }


def _unmounted(pod: Manifest) -> Manifest:
    """On a node, and waiting for a volume: what for is reported in Events only."""
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    return {
        "phase": "Pending",
        "conditions": _conditions(PodScheduled="True", Ready="False"),
        "containerStatuses": _containers(pod, state=waiting, ready=False),
    }


def _unpulled(pod: Manifest) -> Manifest:
    return _waiting(pod, "ImagePullBackOff", "Back-off pulling image")


def _unconfigured(pod: Manifest) -> Manifest:
    return _waiting(pod, "CreateContainerConfigError", 'configmap "settings" not found')


def _unscheduled(pod: Manifest) -> Manifest:
    (condition,) = _conditions(PodScheduled="False")
    said = {"reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient cpu."}
    return {"phase": "Pending", "conditions": [condition | said]}


def _waiting(pod: Manifest, reason: str, text: str) -> Manifest:
    return {
        "phase": "Pending",
        "conditions": _conditions(PodScheduled="True", Ready="False"),
        "containerStatuses": _containers(pod, state={"waiting": {"reason": reason, "message": text}}, ready=False),
    }


STUCK = {
    "pull": _unpulled,
    "mount": _unmounted,
    "secret": _unmounted,
    "config": _unconfigured,
    "unschedulable": _unscheduled,
}


def missing_secret(pod: Manifest, *, secret: str = MISSING_SECRET) -> Manifest:
    """What a kubelet says of a pod whose Secret is not there."""
    metadata = pod["metadata"]
    about = {"apiVersion": "v1", "kind": "Pod", **{key: metadata[key] for key in ("name", "namespace", "uid")}}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.mount", "namespace": metadata["namespace"]},
        "involvedObject": about,
        "type": "Warning",
        "reason": "FailedMount",
        "message": f'MountVolume.SetUp failed for volume "secrets" : secret "{secret}" not found',
    }


def ended_status(pod: Manifest, succeeded: bool, text: str) -> Manifest:
    """What a kubelet reports of a pod that ended; `text` is its termination message."""
    end = {"exitCode": 0 if succeeded else 1, "message": text, "finishedAt": "2026-01-01T00:00:01Z"}
    return {
        "phase": "Succeeded" if succeeded else "Failed",
        "containerStatuses": _containers(pod, state={"terminated": end}, ready=False),
    }
