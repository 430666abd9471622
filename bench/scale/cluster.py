"""The control plane of a measurement, with everything that both sides share: simulator, audit log, quiet."""

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path

from tests.cluster.binaries import binaries
from tests.cluster.controlplane import ADMINS, ControlPlane
from tests.cluster.operator.harness import info

from bench.machine import cpu_seconds
from bench.scale import resources
from bench.scale.audit import Log
from bench.scale.processes import Python
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client, Manifest
from fairlead_operator.kube.credentials import Credentials
from fairlead_operator.kube.kinds import Kind

NAMESPACE = Kind("", "v1", "namespaces", "Namespace", (), namespaced=False)
OWN_DEFINITIONS = Path(__file__).resolve().parents[2] / "crds"
QUIET_CORES = 0.15
QUIET_SECONDS = 2.0
SETUP_IN_FLIGHT = 8


class Cluster:
    """One control plane with its simulator. Use it as a context."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = Log(folder)

    async def __aenter__(self) -> "Cluster":
        needed = binaries("etcd", "kube-apiserver", "kube-controller-manager", "crds")
        definitions = [*sorted(OWN_DEFINITIONS.glob("*.yaml")), *sorted(needed["crds"].glob("*.yaml"))]
        self.plane = ControlPlane.start(self.folder, needed, definitions=definitions, apiserver_flags=self.log.flags())
        self.simulator = Python(
            "bench.scale.simulator", kubeconfig=self.kubeconfig("simulator"), log=self.folder / "simulator.log"
        )
        self.admin, self.editor = self._client("admin"), self._client("editor")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.admin.close()
        await self.editor.close()
        self.simulator.stop()
        self.plane.stop()

    def kubeconfig(self, user: str) -> Path:
        """An administrator who has a name of his own in the log."""
        return self.plane.kubeconfig(user, groups=ADMINS)

    def _client(self, user: str) -> Client:
        config = self.kubeconfig(user)
        clock = asyncio.get_running_loop().time
        return Client(Credentials(lambda: info(config), clock=clock), in_flight=SETUP_IN_FLIGHT)

    async def make_namespaces(self) -> None:
        """The namespaces that everything is in."""
        for manifest in resources.namespaces():
            await self.admin.request("POST", NAMESPACE.path(), body=manifest)

    async def create(self, manifests: Iterable[Manifest]) -> None:
        """Create ApiServices."""
        await asyncio.gather(*(self.admin.create(kinds.API_SERVICE, manifest) for manifest in manifests))

    async def clear(self) -> None:
        """Delete the namespaces, and return when all is gone and quiet."""
        for manifest in resources.namespaces():
            await self.admin.request("DELETE", NAMESPACE.path(name=manifest["metadata"]["name"]))
        while any(each["metadata"]["name"].startswith("scale-") for each in (await self.admin.list_all(NAMESPACE))[0]):
            await asyncio.sleep(1.0)
        await self.quiet()

    async def quiet(self, *others: Python) -> None:
        """Return when neither the control plane nor `others` have had much to do for a while."""
        while True:
            before = self.cpu_seconds(*others)
            began = time.monotonic()
            await asyncio.sleep(QUIET_SECONDS)
            cores = (self.cpu_seconds(*others) - before) / (time.monotonic() - began)
            if cores < QUIET_CORES:
                return

    def cpu_seconds(self, *others: Python) -> float:
        """Processor time of the control plane, the simulator and `others`."""
        pids = [*self.plane.pids().values(), self.simulator.pid, *(each.pid for each in others if not each.ended())]
        return sum(cpu_seconds(pid) for pid in pids)
