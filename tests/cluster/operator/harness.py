"""Run the operator against the control plane, and watch every request it sends."""

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kopf
import yaml

from fairlead_operator.controller import class_file
from fairlead_operator.controller.manager import Operator
from fairlead_operator.kube.credentials import Credentials
from fairlead_operator.settings import Settings

from ..client import Manifest
from ..controlplane import free_ports
from ..kubeconfig import Connection
from ..waiting import connections_closed, eventually

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "orders.yaml"
START_SECONDS = 60.0
LOOK_SECONDS = 0.05


def info(path: Path) -> kopf.ConnectionInfo:
    """A kubeconfig as kopf's login functions give it."""
    connection = Connection.read(path)
    return kopf.ConnectionInfo(
        server=connection.cluster["server"],
        ca_data=connection.cluster["certificate-authority-data"],
        certificate_data=connection.user.get("client-certificate-data"),
        private_key_data=connection.user.get("client-key-data"),
        token=connection.user.get("token"),
    )


@dataclass(frozen=True)
class Sent:
    """One answered request. `at`: seconds of the monotonic clock."""

    method: str
    path: str
    code: int
    at: float = field(default_factory=time.monotonic, compare=False)

    @property
    def is_about_resources(self) -> bool:
        """Whether it is neither about the Lease nor discovery."""
        return "/namespaces/" in self.path and "/leases" not in self.path

    @property
    def writes(self) -> bool:
        """Whether it could change something that is not the Lease."""
        return self.method not in {"GET", "WATCH"} and "/leases" not in self.path


@dataclass
class Running:
    """An operator in a thread of its own, confined to one namespace."""

    settings: Settings
    source: Callable[[], kopf.ConnectionInfo]
    sent: list[Sent] = field(default_factory=list)
    operator: Operator | None = None
    error: BaseException | None = None

    def start(self) -> None:
        """Start it, and return when it leads and has read everything."""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._thread.start()
        self._ready.wait(START_SECONDS)
        eventually(lambda: self.error or self._is_up(), what="the operator leads", timeout_seconds=START_SECONDS)
        if self.error:
            raise self.error

    def stop(self) -> None:
        """End it as SIGTERM does; once more is fine."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(START_SECONDS)
        assert not self._thread.is_alive()
        if self.error:
            raise self.error

    def resync(self) -> None:
        """Have everything reconciled once more, and wait for the end of it."""
        assert self.operator
        self._loop.call_soon_threadsafe(self.operator.resync)
        self.settle()

    def settle(self, *, quiet_seconds: float = 1.2) -> None:
        """Wait until nothing has been sent, was due or under way, for a while of the operator's own time.

        Each look has to come round in its loop: where that is slow, the while is longer.
        """
        quiet, known = 0, -1
        while quiet < quiet_seconds / LOOK_SECONDS:
            is_busy, count = self._ask(self._is_busy), len(self.sent_by_us())
            quiet = 0 if is_busy or count != known else quiet + 1
            known = count
            time.sleep(LOOK_SECONDS)

    def until_known(self, class_: Manifest) -> None:
        """Wait until the operator knows this version of a class, or a later one."""
        name, version = ("", class_["metadata"]["name"]), int(class_["metadata"]["resourceVersion"])

        def is_known() -> bool:
            assert self.operator
            record = self.operator.cache.classes.get(name)
            return record is not None and record.version >= version

        eventually(lambda: self._ask(is_known), what=f"the operator knows the class {name[1]}")

    def sent_by_us(self) -> list[Sent]:
        """What was sent for resources: no Lease, no watch, no discovery."""
        return [each for each in list(self.sent) if each.method != "WATCH" and each.is_about_resources]

    def writes(self) -> list[Sent]:
        """Every write but those of the Lease."""
        return [each for each in list(self.sent) if each.writes]

    def child_writes(self, name: str) -> list[Sent]:
        """Every write to a child of this ApiService."""
        return [each for each in self.writes() if f"/{name}-" in each.path and "/apisvcs/" not in each.path]

    def status_writes(self, name: str) -> list[Sent]:
        """Every write to the status of this ApiService."""
        return [each for each in self.writes() if each.path.endswith(f"/apisvcs/{name}/status")]

    def _is_up(self) -> bool:
        return bool(self.operator and self.operator.election.held.is_set() and not self.operator.unready())

    def _is_busy(self) -> bool:
        assert self.operator
        return bool(self.operator.queue.schedule.running) or self.operator.queue.is_behind()

    def _ask(self, question: Callable[[], bool]) -> bool:
        """The answer of the operator's own thread."""

        async def answer() -> bool:
            return question()

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(START_SECONDS)

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001  # shown by the test's thread
            self.error = error
        finally:
            self._ready.set()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()

        def observe(method: str, path: str, code: int) -> None:
            self.sent.append(Sent(method, path, code))

        credentials = Credentials(self.source, clock=self._loop.time)
        file = self.settings.class_file
        only = class_file.read(Path(file)) if file else None
        self.operator = Operator(self.settings, only_class=only, credentials=credentials, observe=observe)
        self._task = asyncio.create_task(self.operator.run())
        self._ready.set()
        await asyncio.wait([self._task])
        await connections_closed()
        if not self._task.cancelled() and (error := self._task.exception()):
            raise error


def settings(namespace: str, /, **changes: Any) -> Settings:
    """Settings for one test: all in its namespace, and leases that outlast a busy machine; `changes` replace any."""
    given = {
        "image": "registry.example/fairlead-workload:1",
        "namespace": namespace,
        "lease_namespace": namespace,
        "identity": uuid.uuid4().hex[:8],
        "lease_seconds": 15.0,
        "lease_renew_seconds": 10.0,
        "lease_retry_seconds": 0.3,
        "host": "127.0.0.1",
        "port": free_ports(1)[0],
    }
    return Settings(**(given | changes))


def example(namespace: str, *, name: str = "orders", **spec: Any) -> Manifest:
    """The orders example in `namespace`; keywords replace parts of its spec, None removes them."""
    manifest: Manifest = yaml.safe_load(EXAMPLE.read_text())
    manifest["metadata"] = {"name": name, "namespace": namespace}
    del manifest["spec"]["className"]
    for key, value in spec.items():
        if value is None:
            manifest["spec"].pop(key, None)
        else:
            manifest["spec"][key] = value
    return manifest


def side_by_side(*scenarios: Callable[[], None]) -> None:
    """Run them at the same time, each in a thread; the first failure is raised."""
    with ThreadPoolExecutor(len(scenarios)) as pool:
        for future in [pool.submit(scenario) for scenario in scenarios]:
            future.result()
