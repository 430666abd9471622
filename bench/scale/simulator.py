"""Plays every kubelet: pods become ready, Jobs' pods end with the message of a provision Job that did all.

    python -m bench.scale.simulator

It plays the controller of autoscalers, too, which scale from the beginning. One watch for each of the two kinds, and
one small patch for each object: what it costs, it costs both sides.
"""

import asyncio
import signal
from collections.abc import Callable

import uvloop
from tests.cluster import autoscalers
from tests.cluster.simulator import ended_status, provisioned, ready_status

from fairlead_operator.errors import ApiError, OperatorError
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import MERGE, Client, Manifest
from fairlead_operator.kube.credentials import Credentials
from fairlead_operator.kube.kinds import Kind

IN_FLIGHT = 16
ENDED = frozenset({"Succeeded", "Failed"})


class Player:
    """All objects of one kind; `next_status` is what would be reported of one next, or None."""

    def __init__(self, client: Client, kind: Kind, next_status: Callable[[Manifest], Manifest | None]) -> None:
        self._client = client
        self._kind = kind
        self._next_status = next_status
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Follow them until cancelled."""
        since = ""
        while True:
            try:
                if not since:
                    found, since = await self._client.list_all(self._kind)
                    for live in found:
                        self._begin(live)
                async for event, live in self._client.watch(self._kind, since=since):
                    since = live["metadata"]["resourceVersion"]
                    if event in {"ADDED", "MODIFIED"}:
                        self._begin(live)
            except OperatorError:
                since = ""
                await asyncio.sleep(1.0)

    def _begin(self, live: Manifest) -> None:
        is_ending = "deletionTimestamp" in live["metadata"]
        status = None if is_ending else self._next_status(live)
        # What ends goes by itself, but for pods, which wait for their kubelet.
        if status is None and not (is_ending and self._kind is kinds.POD):
            return
        task = asyncio.create_task(self._play(live, status))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _play(self, live: Manifest, status: Manifest | None) -> None:
        namespace, name = live["metadata"]["namespace"], live["metadata"]["name"]
        try:
            if status is None:
                path = self._kind.path(namespace=namespace, name=name)
                await self._client.request("DELETE", path, body={"gracePeriodSeconds": 0})
            else:
                path = self._kind.path(namespace=namespace, name=name, subresource="status")
                await self._client.request("PATCH", path, body={"status": status}, content_type=MERGE)
        except ApiError as error:
            if error.code not in {404, 409}:
                raise


def _of_pod(pod: Manifest) -> Manifest | None:
    phase = pod.get("status", {}).get("phase")
    if "batch.kubernetes.io/job-name" in pod["metadata"]["labels"]:
        return None if phase in ENDED else ended_status(pod, *provisioned(pod))
    return None if phase == "Running" else ready_status(pod)


def _of_autoscaler(live: Manifest) -> Manifest | None:
    has_conditions = live.get("status", {}).get("conditions")
    return None if has_conditions else autoscalers.status(live, autoscalers.measured(live))


async def play() -> None:
    """Play until SIGTERM."""
    loop = asyncio.get_running_loop()
    async with Client(Credentials(clock=loop.time), in_flight=IN_FLIGHT) as client:
        players = (Player(client, kinds.POD, _of_pod), Player(client, kinds.AUTOSCALER, _of_autoscaler))
        task = asyncio.gather(*(each.run() for each in players))
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
        await asyncio.wait([task])


if __name__ == "__main__":
    uvloop.run(play())
