"""The Jobs and pods of an ApiService on PostgreSQL, as processes: what they do, and what they say when they cannot."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.integration.workload.container import Container, Folder
from tests.integration.workload.documents import PRODUCTS, Json, runtime
from tests.integration.workload.waiting import until
from tests.servers.postgresql import GROUP, PASSWORD, PostgreSQL

from fairlead_contract.runtime import RuntimeDocument
from fairlead_workload.credentials import mounted_secrets
from fairlead_workload.provisioning import Work, provision, teardown

pytestmark = pytest.mark.xdist_group(GROUP)

SYNC = {**PRODUCTS, "writes": "Sync", "cache": {"strategy": "None"}}
PRODUCT = {"id": "p1", "price": 2.5}


class Shop:
    """An ApiService whose datastore is a database of its own, which its role owns, and its Secret."""

    def __init__(self, server: PostgreSQL, folder: Folder) -> None:
        self.server, self._folder = server, folder
        self.name = f"shop_{secrets.token_hex(4)}"
        server.execute(f"CREATE ROLE {self.name} LOGIN PASSWORD '{PASSWORD}'")
        server.execute(f"CREATE DATABASE {self.name} OWNER {self.name}")
        self.log_in(self.name, PASSWORD)

    def log_in(self, username: str, password: str) -> None:
        """Write the Secret."""
        secret = self._folder.path / "secrets" / "datastore"
        secret.mkdir(parents=True, exist_ok=True)
        (secret / "username").write_text(username)
        (secret / "password").write_text(password)

    def document(self, *resources: Json, **settings: Any) -> Json:
        database: Json = {
            "host": self.server.host,
            "port": self.server.port,
            "database": self.name,
            "credentialsSecret": {"name": "shop-db"},
            "tls": {"mode": "Disable"},
        }
        bound = {"type": "PostgreSQL", "postgresql": database | settings}
        api = {"resources": list(resources or [SYNC])}
        return runtime(api=api, datastore=bound, cache=None, queue=None, worker=None)

    def start(self, task: str, document: Json, *arguments: str) -> Container:
        return self._folder.start(task, document, "--secrets-dir", str(self._folder.path / "secrets"), *arguments)

    def run(self, task: str, document: Json, *, connections: int = 0, expected: str = "") -> Json:
        """The state of the datastore after what a Job does; in this process, which costs less."""
        secrets_ = mounted_secrets(self._folder.path / "secrets")
        parsed = RuntimeDocument.model_validate(document)
        work = Work(parsed, secrets=secrets_, connections=connections, expected_mark=expected)
        result = {"provision": provision, "teardown": teardown}[task](work)
        [binding] = json.loads(result.text())["bindings"]
        assert PASSWORD not in result.text()
        found: Json = binding
        return found

    def run_job(self, task: str, document: Json, *arguments: str) -> Json:
        """The same as a Job's container does it; what it leaves in message and log is checked."""
        container = self.start(task, document, *arguments)
        code = container.wait()
        assert PASSWORD not in container.message + container.log_path.read_text()
        [binding] = json.loads(container.message)["bindings"]
        assert (binding["state"] == "Ready") == (code == 0)
        [line] = [line for line in container.log if line["message"] == "binding"]
        assert (line["reason"], line["detail"]) == (binding["reason"], binding["message"])
        found: Json = binding
        return found

    def schemas(self) -> list[str]:
        """Those that are nobody's by default."""
        found = self.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)'")
        return [name for (name,) in found]

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """As an administrator, in the service's database."""
        return self.server.execute(sql, database=self.name)


@pytest.fixture
def shop(postgresql: PostgreSQL, folder: Folder) -> Iterator[Shop]:
    made = Shop(postgresql, folder)
    yield made
    folder.clear()
    postgresql.execute(f"DROP DATABASE {made.name} WITH (FORCE)")
    postgresql.execute(f"DROP ROLE {made.name}")


def ready(container: Container) -> httpx.Response:
    return httpx.get(f"{container.admin_url}/ready", timeout=10)


def waits_for(container: Container, reason: str) -> Json:
    """What `/ready` says of the datastore once it is for this reason that the process is not ready."""

    def says() -> bool:
        assert container.process.poll() is None, container.message
        try:
            return ready(container).json()["dependencies"].get("datastore", {}).get("reason") == reason
        except httpx.TransportError:
            return False

    until(says, f"/ready to say {reason}")
    answer = ready(container)
    assert answer.status_code == 503
    assert PASSWORD not in answer.text + container.log_path.read_text()
    found: Json = answer.json()["dependencies"]["datastore"]
    return found


def test_provision_serve_and_teardown(shop: Shop) -> None:
    document = shop.document()
    shop.log_in(shop.name, "wrong")
    assert shop.run_job("provision", document)["reason"] == "WrongPassword"
    shop.log_in(shop.name, PASSWORD)
    first = shop.run_job("provision", document, "--hash", "0123456789", "--connections", "58")
    assert (first["reason"], first["name"]) == ("TooFewConnections", f"127.0.0.1/{shop.name}")
    assert shop.run_job("provision", document, "--expected-mark", first["mark"])["mark"] == first["mark"]
    assert shop.schemas() == ["shop_products"]

    api = shop.start("serve", document)
    api.wait_ready()
    assert httpx.post(f"{api.url}/v1/products", json=PRODUCT, timeout=10).status_code == 201
    assert httpx.get(f"{api.url}/v1/products/p1", timeout=10).json() == PRODUCT
    assert api.stop() == 0

    grown = {**SYNC, "indexes": [{"name": "byPrice", "partition": "price"}]}
    assert shop.run("provision", shop.document(grown))["state"] == "Ready"
    incompatible = json.loads(json.dumps(SYNC).replace('"number"', '"string"'))
    refused = shop.run("provision", shop.document(incompatible))
    assert (refused["state"], refused["reason"]) == ("Failed", "IncompatibleChange")
    assert "properties.price" in refused["message"]

    for words in ('the schema "shop_products" is deleted', 'there is no schema "shop_products"'):
        removed = (shop.run_job if shop.schemas() else shop.run)("teardown", document)
        assert (removed["reason"], removed["message"]) == ("Deleted", words)
    assert shop.schemas() == []
    assert shop.run("provision", document, expected=first["mark"])["reason"] == "StoreChanged"
    assert shop.schemas() == []


def test_a_job_says_what_has_to_be_corrected(shop: Shop) -> None:
    document = shop.document()
    assert shop.run("provision", shop.document(database="nothing"))["reason"] == "DatabaseNotFound"
    shop.execute(f"ALTER DATABASE {shop.name} OWNER TO fairlead")
    missing = shop.run("provision", document)
    assert missing["reason"] == "MissingRight"
    shop.execute(missing["message"].rpartition("; ")[2])
    assert shop.run("provision", document)["state"] == "Ready"
    assert shop.run("teardown", document)["reason"] == "Deleted"
    shop.execute("CREATE SCHEMA shop_products; CREATE TABLE shop_products.products (id text)")
    assert shop.run("provision", document)["reason"] == "SchemaNotOurs"
    assert shop.run("teardown", document)["reason"] == "SchemaNotOurs"
    assert shop.execute("SELECT count(*) FROM shop_products.products") == [(0,)]
    assert shop.run("provision", shop.document() | {"datastore": existing(document)})["reason"] == "NotServed"
    shop.execute(f"REVOKE ALL ON DATABASE {shop.name} FROM {shop.name}")


def existing(document: Json) -> Json:
    return document["datastore"] | {"provision": "Existing"}


def test_too_few_connections_are_reported_and_fail_nothing(shop: Shop) -> None:
    found = shop.run("provision", shop.document(), connections=58)
    assert (found["state"], found["reason"]) == ("Ready", "TooFewConnections")
    assert "up to 58 connections may be asked for, and there are 57" in found["message"]
    assert shop.run("provision", shop.document(), connections=57)["reason"] == "Provisioned"


def test_a_pod_waits_for_the_provision_job_and_says_so(shop: Shop) -> None:
    document = shop.document()
    api = shop.start("serve", document)
    found = waits_for(api, "NotProvisioned")
    assert "run the provision Job" in found["error"]
    assert httpx.get(f"{api.admin_url}/health", timeout=10).status_code == 200
    assert shop.run("provision", document)["state"] == "Ready"
    api.wait_ready()
    assert httpx.post(f"{api.url}/v1/products", json=PRODUCT, timeout=10).status_code == 201
    assert api.stop() == 0


def test_a_pod_says_what_it_waits_for_and_what_it_has_lost(shop: Shop) -> None:
    document = shop.document()
    shop.run("provision", document)
    shop.log_in(shop.name, "wrong")
    api = shop.start("serve", document)
    assert "credentialsSecret" in waits_for(api, "WrongPassword")["error"]
    shop.log_in(shop.name, PASSWORD)
    api.wait_ready()

    shop.execute(f"REVOKE ALL ON SCHEMA shop_products FROM {shop.name}")
    shop.execute("ALTER SCHEMA shop_products OWNER TO fairlead")
    lost = waits_for(api, "MissingRight")
    assert any(line["message"] == "dependency down" and line["code"] == "MissingRight" for line in api.log)
    answer = httpx.get(f"{api.url}/v1/products/p1", timeout=10)
    assert answer.status_code == 503
    assert shop.name not in answer.text
    shop.execute(lost["error"].rpartition("; ")[2])
    api.wait_ready()
    assert api.stop() == 0
