"""Plays every kubelet: pods become ready, Jobs' pods end with the message of a provision Job that did all.

    python -m bench.scale.simulator

One watch and one small patch for each pod: what it costs, it costs both sides.
"""

import asyncio
import signal
from typing import Any

import uvloop
from tests.cluster.simulator import ended_status, provisioned, ready_status

from fairlead_operator import kinds
from fairlead_operator.cluster.client import Client
from fairlead_operator.cluster.credentials import Credentials
from fairlead_operator.errors import ApiError, OperatorError

IN_FLIGHT = 16
ENDED = frozenset({"Succeeded", "Failed"})


class Kubelets:
    """All of them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Follow the pods until cancelled."""
        since = ""
        while True:
            try:
                if not since:
                    pods, since = await self._client.list_all(kinds.POD)
                    for pod in pods:
                        self._begin(pod)
                async for event, pod in self._client.watch(kinds.POD, since=since):
                    since = pod["metadata"]["resourceVersion"]
                    if event in {"ADDED", "MODIFIED"}:
                        self._begin(pod)
            except OperatorError:
                since = ""
                await asyncio.sleep(1.0)

    def _begin(self, pod: dict[str, Any]) -> None:
        status = _next_status(pod)
        if status is None and "deletionTimestamp" not in pod["metadata"]:
            return
        task = asyncio.create_task(self._play(pod, status))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _play(self, pod: dict[str, Any], status: dict[str, Any] | None) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        path = kinds.POD.path(namespace=namespace, name=name)
        try:
            if "deletionTimestamp" in pod["metadata"]:
                await self._client.request("DELETE", path, body={"gracePeriodSeconds": 0})
            else:
                change = {"status": status}
                await self._client.merge(kinds.POD, change, namespace=namespace, name=name, subresource="status")
        except ApiError as error:
            if error.code not in {404, 409}:
                raise


def _next_status(pod: dict[str, Any]) -> dict[str, Any] | None:
    """What the kubelet would report next; None when it would not."""
    phase = pod.get("status", {}).get("phase")
    if "deletionTimestamp" in pod["metadata"]:
        return None
    if "batch.kubernetes.io/job-name" in pod["metadata"]["labels"]:
        return None if phase in ENDED else ended_status(pod, *provisioned(pod))
    return None if phase == "Running" else ready_status(pod)


async def play() -> None:
    """Play until SIGTERM."""
    loop = asyncio.get_running_loop()
    async with Client(Credentials(clock=loop.time), in_flight=IN_FLIGHT) as client:
        task = asyncio.create_task(Kubelets(client).run())
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
        await asyncio.wait([task])


if __name__ == "__main__":
    uvloop.run(play())
