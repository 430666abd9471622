"""A provision Job whose pod is carried out for real: the workload in a child process, on a PostgreSQL server.

What a kubelet does of that is played: the runtime document and the Secrets become files, as the volumes say, and exit
code and termination message become the pod's status.
"""

import base64
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ...servers.postgresql import GROUP, PASSWORD, PostgreSQL
from ..client import Client, Manifest
from ..simulator import Simulator
from .apisvc import Resource, condition
from .harness import side_by_side

pytestmark = [pytest.mark.xdist_group(GROUP), pytest.mark.usefixtures("recorder", "operator")]

API = {
    "resources": [
        {
            "name": "products",
            "key": {"partition": "id"},
            "schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
        }
    ]
}


@dataclass
class Kubelet:
    """Runs the container of each Job's first pod, and reports how it ended.

    Later pods of a Job wait, or all its tries would be over before anybody looks.
    """

    client: Client
    folder: Path
    running: dict[str, tuple[str, "subprocess.Popen[bytes]"]] = field(default_factory=dict)  # of a Job, by its UID

    def report(self, pod: Manifest) -> tuple[bool, str] | None:
        """The end of a pod's container, which is started first; None while it runs, or waits."""
        name, job = pod["metadata"]["name"], pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"]
        if job not in self.running:
            self.running[job] = name, self._start(pod)
        first, process = self.running[job]
        code = process.poll() if first == name else None
        return None if code is None else (code == 0, (self.folder / name / "message").read_text())

    def _start(self, pod: Manifest) -> "subprocess.Popen[bytes]":
        folder = self.folder / pod["metadata"]["name"]
        [container] = pod["spec"]["containers"]
        for mount in container["volumeMounts"]:
            [volume] = [each for each in pod["spec"]["volumes"] if each["name"] == mount["name"]]
            self._mount(volume, folder / mount["name"], pod["metadata"]["namespace"])
        (folder / "message").touch()
        files = ["--runtime", folder / "runtime" / "runtime.json", "--secrets-dir", folder / "secrets"]
        command = [sys.executable, "-P", "-m", "fairlead_workload", *container["args"], *map(str, files)]
        environment = os.environ | {"FAIRLEAD_TERMINATION_LOG": str(folder / "message")}
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    def _mount(self, volume: Manifest, folder: Path, namespace: str) -> None:
        folder.mkdir(parents=True)
        for source in volume.get("projected", {}).get("sources", ()):
            found = self._read("Secret", source["secret"]["name"], namespace)
            for item in source["secret"]["items"]:
                file = folder / item["path"]
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(base64.b64decode(found["data"][item["key"]]))
        if "configMap" in volume:
            for key, text in self._read("ConfigMap", volume["configMap"]["name"], namespace)["data"].items():
                (folder / key).write_text(text)

    def _read(self, kind: str, name: str, namespace: str) -> Manifest:
        found = self.client.get({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}})
        assert found is not None, f"{kind} {name}"
        return found

    def stop(self) -> None:
        """End what still runs."""
        for _, process in self.running.values():
            process.kill()
            process.wait()


@pytest.fixture
def kubelet(admin_config: Path, tmp_path: Path, simulator: Simulator) -> Iterator[Kubelet]:
    with Client(admin_config) as client:
        made = Kubelet(client, tmp_path / "pods")
        simulator.job_message = made.report
        yield made
        simulator.job_verdict = lambda pod: "wait"
        made.stop()


@dataclass
class Shop:
    """An ApiService with a Secret of its name, and a database of its own, of the name of the role that owns it."""

    server: PostgreSQL
    admin: Client
    make: Callable[..., Resource]
    name: str
    namespace: str
    database: str = field(default_factory=lambda: f"shop_{secrets.token_hex(4)}")

    def prepare(self, *, password: str = PASSWORD) -> None:
        self.server.execute(f"CREATE ROLE {self.database} LOGIN PASSWORD '{PASSWORD}'")
        self.server.execute(f"CREATE DATABASE {self.database} OWNER {self.database}")
        data = {"username": self.database, "password": password}
        self.admin.create(self._secret | {"stringData": data})

    @property
    def _secret(self) -> Manifest:
        metadata = {"name": self.name, "namespace": self.namespace}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}

    def change_password(self, password: str) -> None:
        self.admin.merge(self._secret, {"stringData": {"password": password}})

    def create(self, **spec: Any) -> Resource:
        server = {
            "host": self.server.host,
            "port": self.server.port,
            "database": self.database,
            "credentialsSecret": {"name": self.name},
            "tls": {"mode": "Disable"},
        }
        absent = dict.fromkeys(("cache", "queue", "worker", "scaling"))
        datastore = {"type": "PostgreSQL", "postgresql": server}
        return self.make(self.name, api=API, datastore=datastore, **absent, **spec)

    def schemas(self) -> list[str]:
        rows = self.server.execute(
            f"SELECT nspname FROM pg_namespace WHERE nspname LIKE '{self.namespace}%'", database=self.database
        )
        return [name for (name,) in rows]

    def remove(self) -> None:
        self.server.execute(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")
        self.server.execute(f"DROP ROLE IF EXISTS {self.database}")


@pytest.fixture
def shops(
    postgresql: PostgreSQL, admin: Client, namespace: str, make: Callable[..., Resource]
) -> Iterator[Callable[[str], Shop]]:
    made: list[Shop] = []

    def shop(name: str) -> Shop:
        made.append(Shop(postgresql, admin, make, name, namespace))
        return made[-1]

    yield shop
    for each in made:
        each.remove()


def bindings_of(live: Manifest) -> Manifest:
    """What the status says of the datastore."""
    [binding] = live["status"]["bindings"]
    found: Manifest = binding
    return found


@pytest.mark.usefixtures("kubelet")
def test_postgresql_is_provisioned_and_deleted_and_what_is_wrong_is_in_the_status(
    admin: Client, shops: Callable[[str], Shop]
) -> None:
    def fail(resource: Resource, words: str, *, reason: str = "ProvisionFailed") -> Manifest:
        """See that the first try is reported, and, once it was the last, that provisioning failed."""
        live = resource.until("Provisioned", "Unknown", "Crashing")
        assert words in condition(live, "Ready")["message"]
        job = resource.child("Job", f"provision-{live['status']['provision']['hash']}")
        admin.merge(job, {"spec": {"backoffLimit": 0}})
        live = resource.until("Stalled", "True", reason)
        assert words in condition(live, "Ready")["message"]
        assert PASSWORD not in str(live)
        return live

    def failing(resource: Resource, reason: str, words: str) -> str:
        """The message of the datastore's binding; nothing was rolled out."""
        found = bindings_of(fail(resource, words))
        assert (found["state"], found["reason"]) == ("Failed", reason)
        assert not [name for kind, name in resource.children() if kind == "Deployment"]
        return str(found["message"])

    def is_served(shop: Shop, resource: Resource) -> Manifest:
        live = resource.until("Ready", "True")
        found = bindings_of(live)
        assert (found["state"], found["name"]) == ("Ready", f"{shop.server.host}/{shop.database}")
        assert found["mark"] == live["status"]["provision"]["mark"]
        assert ("Deployment", f"{resource.name}-api") in resource.children()
        return found

    def wrong_password() -> None:
        shop = shops("password")
        shop.prepare(password="wrong")
        resource = shop.create()
        failing(resource, "WrongPassword", f'refuses the password of the role "{shop.database}"')
        shop.change_password(PASSWORD)
        resource.annotate("reconcile-requested-at", "one")
        is_served(shop, resource)

    def wrong_database() -> None:
        shop = shops("database")
        shop.prepare()
        good, shop.database = shop.database, "nothing"
        resource = shop.create()
        failing(resource, "DatabaseNotFound", 'has no database "nothing"')
        shop.database = good
        resource.edit(datastore={"postgresql": {"database": good}})
        is_served(shop, resource)
        [schema] = shop.schemas()
        shop.server.execute(f'DROP SCHEMA "{schema}" CASCADE', database=good)
        [product] = API["resources"]
        resource.edit(api={"resources": [product | {"indexes": [{"name": "byId", "partition": "id"}]}]})
        fail(resource, "is gone", reason="StoreChanged")
        assert shop.schemas() == [], "an empty store is no repair"

    def missing_right_and_deletion() -> None:
        shop = shops("right")
        shop.prepare()
        shop.server.execute(f"ALTER DATABASE {shop.database} OWNER TO fairlead")
        resource = shop.create(deletionPolicy="Delete")
        message = failing(resource, "MissingRight", "GRANT CREATE ON DATABASE")
        shop.server.execute(message.rpartition("; ")[2])
        resource.annotate("reconcile-requested-at", "one")
        found = is_served(shop, resource)
        assert found["reason"] == "TooFewConnections"  # as many replicas as the default may want more than the test's
        assert len(shop.schemas()) == 1
        resource.delete()
        resource.until_gone()
        assert shop.schemas() == []

    side_by_side(wrong_password, wrong_database, missing_right_and_deletion)
