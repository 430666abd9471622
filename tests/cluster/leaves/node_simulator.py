"""What nodes and users do meanwhile: provision Jobs succeed, and every Deployment is scaled to nothing.

Without replicas a rollout needs no pods, which is what makes hundreds of resources affordable; the number of replicas
belongs to whoever scales, and has to stay at zero whatever is edited.
"""

import json
import threading
from collections.abc import Callable

from ..client import MERGE, ApiError, Client, Manifest
from ..simulator import ended_status, provisioned

WATCH_SECONDS = 2
JOB_LABEL = "batch.kubernetes.io/job-name"


class NodeSimulator:
    """Follows the pods and Deployments of one namespace, each in a thread, between `start` and `stop`."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._stop = threading.Event()
        followed = (("v1", "Pod", self._end_job), ("apps/v1", "Deployment", self._scale_to_nothing))
        self._threads = [
            threading.Thread(target=self._follow, args=(client.path(version, kind, namespace=namespace), handle))
            for version, kind, handle in followed
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _follow(self, path: str, handle: Callable[[Manifest], None]) -> None:
        version = ""
        while not self._stop.is_set():
            if not version:
                listed = self._client.request("GET", path)
                version = listed["metadata"]["resourceVersion"]
                for item in listed["items"]:
                    handle(item)
            version = self._watch(path, version, handle)

    def _watch(self, path: str, version: str, handle: Callable[[Manifest], None]) -> str:
        """Handle what a short watch reports; the version to go on from, or nothing when it is too old."""
        parameters = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(WATCH_SECONDS)}
        with self._client._http.stream("GET", path, params=parameters) as answer:
            for line in answer.iter_lines():
                event = json.loads(line)
                if event.get("type", "ERROR") == "ERROR":
                    return ""
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] in {"ADDED", "MODIFIED"}:
                    handle(event["object"])
        return version

    def _end_job(self, pod: Manifest) -> None:
        is_over = pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
        if JOB_LABEL in pod["metadata"]["labels"] and not is_over and "deletionTimestamp" not in pod["metadata"]:
            self._patch(f"pods/{pod['metadata']['name']}/status", {"status": ended_status(pod, *provisioned(pod))})

    def _scale_to_nothing(self, deployment: Manifest) -> None:
        if deployment["spec"]["replicas"] != 0 and "deletionTimestamp" not in deployment["metadata"]:
            self._patch(f"deployments/{deployment['metadata']['name']}/scale", {"spec": {"replicas": 0}})

    def _patch(self, path: str, body: Manifest) -> None:
        group = "apis/apps/v1" if path.startswith("deployments") else "api/v1"
        try:
            self._client.request(
                "PATCH", f"/{group}/namespaces/{self._namespace}/{path}", body=body, content_type=MERGE
            )
        except ApiError as error:
            if error.code not in {404, 409}:
                raise
