"""Plays the kubelet: pods become ready, fail to pull their image, or end with a message; real controllers do the rest.

It changes nothing but pods' status, so Deployments, ReplicaSets and Jobs report what they would on nodes. It watches
them, so it costs next to nothing while nothing happens.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable
from typing import Any

import aiohttp

from .client import MERGE, Client, Manifest

PERIOD_SECONDS = 0.05
WATCH_SECONDS = 600
CLOSING_SECONDS = 0.1  # connections are told to close, and do so when the loop comes round
Verdict = str  # "ready", "pull", "mount", "wait"


def ready_pods(pod: Manifest) -> Verdict:
    """The ordinary fate of a pod."""
    return "ready"


class Simulator:
    """Runs in a thread of its own between `start` and `stop`. `job_message` ends Jobs; None lets them run on.

    `verdict` and `job_message` are asked again and again about a pod that has not met its fate.
    """

    def __init__(self, client: Client, namespace: str) -> None:
        self._connection = client.connection
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._pods: dict[str, Manifest] = {}
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._main, daemon=True)
        self.verdict: Callable[[Manifest], Verdict] = ready_pods
        self.job_message: Callable[[Manifest], tuple[bool, str] | None] = provisioned

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
        tasks = [asyncio.create_task(each) for each in (self._watch(), self._play_all())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            # First, because the connection of a request that is cancelled waits for the server's goodbye.
            await self._http.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            parameters = {"watch": "true", "timeoutSeconds": str(WATCH_SECONDS)}
            self._pods.clear()
            async with self._http.get(self._path, params=parameters) as answer:
                answer.raise_for_status()
                async for line in answer.content:
                    event = json.loads(line)
                    self._take(event["type"], event["object"])

    def _take(self, event: str, pod: Manifest) -> None:
        if event == "ERROR":
            raise RuntimeError(f"watching pods: {pod}")
        if event == "DELETED":
            self._pods.pop(pod["metadata"]["name"], None)
        else:
            self._pods[pod["metadata"]["name"]] = pod

    async def _play_all(self) -> None:
        while True:
            await asyncio.gather(*(self._play(pod) for pod in list(self._pods.values())))
            await asyncio.sleep(PERIOD_SECONDS)

    async def _play(self, pod: Manifest) -> None:
        if "deletionTimestamp" in pod["metadata"]:
            # A pod without a node goes at once; one that looks started waits for its kubelet, which is us.
            await self._send("DELETE", pod, "", {"gracePeriodSeconds": 0})
        elif (status := self._fate(pod)) is not None:
            await self._send("PATCH", pod, "/status", {"status": status})

    def _fate(self, pod: Manifest) -> Manifest | None:
        """The status it gets now, or None."""
        status = pod.get("status", {})
        if "batch.kubernetes.io/job-name" in pod["metadata"]["labels"]:
            end = None if status.get("phase") in {"Succeeded", "Failed"} else self.job_message(pod)
            return ended_status(pod, *end) if end else None
        verdict = self.verdict(pod)
        if verdict == "ready" and status.get("phase") != "Running":
            return ready_status(pod)
        stuck = {"pull": _unpulled, "mount": _unmounted}.get(verdict)
        return stuck(pod) if stuck and not status.get("containerStatuses") else None

    async def _send(self, method: str, pod: Manifest, subresource: str, body: Manifest) -> None:
        path = f"{self._path}/{pod['metadata']['name']}{subresource}"
        headers = {"Content-Type": MERGE if method == "PATCH" else "application/json"}
        async with self._http.request(method, path, data=json.dumps(body), headers=headers) as answer:
            said = await answer.json()
            if answer.status not in {200, 404, 409}:
                raise RuntimeError(f"{method} {path}: {said}")
            if answer.status == 200 and method == "PATCH":
                # What the watch tells later is newer; until then this keeps it from being sent again.
                self._pods[pod["metadata"]["name"]] = said


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
    """On a node, and waiting for a volume: what for is told in Events only."""
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    return {
        "phase": "Pending",
        "conditions": _conditions(PodScheduled="True", Ready="False"),
        "containerStatuses": _containers(pod, state=waiting, ready=False),
    }


def _unpulled(pod: Manifest) -> Manifest:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    return {
        "phase": "Pending",
        "conditions": _conditions(PodScheduled="True", Ready="False"),
        "containerStatuses": _containers(pod, state=waiting, ready=False),
    }


def ended_status(pod: Manifest, succeeded: bool, text: str) -> Manifest:
    """What a kubelet reports of a pod that ended; `text` is its termination message."""
    end = {"exitCode": 0 if succeeded else 1, "message": text, "finishedAt": "2026-01-01T00:00:01Z"}
    return {
        "phase": "Succeeded" if succeeded else "Failed",
        "containerStatuses": _containers(pod, state={"terminated": end}, ready=False),
    }
