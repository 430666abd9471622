"""Plays the kubelet: pods become ready, fail to pull their image, or end with a message; real controllers do the rest.

It changes nothing but pods' status, so Deployments, ReplicaSets and Jobs report what they would on nodes.
"""

import json
import threading
from collections.abc import Callable
from typing import Any

from .client import MERGE, ApiError, Client, Manifest

PERIOD_SECONDS = 0.05
Verdict = str  # "ready", "pull", "wait"


def ready_pods(pod: Manifest) -> Verdict:
    """The ordinary fate of a pod."""
    return "ready"


class Simulator:
    """Runs in a thread of its own between `start` and `stop`. `job_message` ends Jobs; None lets them run on."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.verdict: Callable[[Manifest], Verdict] = ready_pods
        self.job_message: Callable[[Manifest], tuple[bool, str] | None] = provisioned

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_SECONDS):
            for pod in self._client.list("v1", "Pod", namespace=self._namespace):
                if "deletionTimestamp" in pod["metadata"]:
                    self._remove(pod)
                else:
                    self._play(pod)

    def _play(self, pod: Manifest) -> None:
        status = pod.get("status", {})
        if "batch.kubernetes.io/job-name" in pod["metadata"]["labels"]:
            end = self.job_message(pod)
            if end is not None and status.get("phase") not in {"Succeeded", "Failed"}:
                self._patch(pod, ended_status(pod, *end))
            return
        verdict = self.verdict(pod)
        if verdict == "ready" and status.get("phase") != "Running":
            self._patch(pod, ready_status(pod))
        if verdict == "pull" and not status.get("containerStatuses"):
            self._patch(pod, _unpulled(pod))

    def _patch(self, pod: Manifest, status: Manifest) -> None:
        name = pod["metadata"]["name"]
        path = f"/api/v1/namespaces/{self._namespace}/pods/{name}/status"
        try:
            self._client.request("PATCH", path, body={"status": status}, content_type=MERGE)
        except ApiError as error:
            if error.code not in {404, 409}:
                raise

    def _remove(self, pod: Manifest) -> None:
        """A pod without a node goes at once; one that looks started waits for its kubelet, which is us."""
        path = f"/api/v1/namespaces/{self._namespace}/pods/{pod['metadata']['name']}"
        try:
            self._client.request("DELETE", path, body={"gracePeriodSeconds": 0})
        except ApiError as error:
            if error.code not in {404, 409}:
                raise


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
