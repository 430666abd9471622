"""The images as `make images` built them: what they say of themselves, that they serve, and how they refuse.

Not part of `make test`: `make images-test` builds the images and runs this.
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.images.engine import ROOT, Engine, Mount, Started, output
from tests.integration.process.server import free_ports
from tests.integration.workload.documents import MYSQL, Json, runtime, write
from tests.integration.workload.waiting import until

from fairlead_contract.names import DATA_DIR, RUNTIME_FILE, WORKLOAD_USER_ID

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
WORKLOAD, OPERATOR = f"fairlead-workload:{VERSION}", f"fairlead-operator:{VERSION}"
MESSAGE_FILE = "/var/lib/termination-log"
PRODUCT = {"id": "p1", "price": 2.5}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(output("scripts/images.sh", "--builder"))


class Stage:
    """What a pod would mount, on the host."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.message = path / "termination-log"
        self.message.touch()
        self.message.chmod(0o666)
        self.data = path / "data"
        self.data.mkdir()
        self.data.chmod(0o777)

    def settings(self, document: Json) -> dict[str, Any]:
        file = write(self.path / "runtime.json", document)
        mounts = (
            Mount(file, RUNTIME_FILE),
            Mount(self.data, DATA_DIR, writable=True),
            Mount(self.message, MESSAGE_FILE, writable=True),
        )
        return {"mounts": mounts, "environment": {"FAIRLEAD_TERMINATION_LOG": MESSAGE_FILE}}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.mark.parametrize(
    ("image", "module"),
    [(WORKLOAD, "fairlead_workload"), (OPERATOR, "fairlead_operator")],
    ids=["workload", "operator"],
)
def test_an_image_names_itself_and_its_user_and_needs_no_shell(engine: Engine, image: str, module: str) -> None:
    config = engine.config(image)
    assert config["User"] == f"{WORKLOAD_USER_ID}:{WORKLOAD_USER_ID}"
    assert config["Entrypoint"] == ["/opt/fairlead/bin/python", "-P", "-m", module]
    assert config["Labels"]["org.opencontainers.image.title"] == image.partition(":")[0]
    assert config["Labels"]["org.opencontainers.image.version"] == VERSION


def test_the_operator_starts_and_refuses_a_setting_that_it_cannot_read(engine: Engine) -> None:
    with engine.running(OPERATOR, environment={"FAIRLEAD_WORKERS": "many"}) as started:
        code, said = started.wait()
    assert code != 0
    assert said.startswith("fairlead-operator: FAIRLEAD_WORKERS"), said


@pytest.fixture
def served(engine: Engine, stage: Stage) -> Iterator[tuple[Started, str, str]]:
    port, admin_port = free_ports(2)
    ports = ("--host", "127.0.0.1", "--port", str(port), "--admin-port", str(admin_port))
    with engine.running(WORKLOAD, "all", *ports, **stage.settings(runtime())) as started:
        yield started, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin_port}"


def answers(url: str, started: Started) -> bool:
    assert started.process.poll() is None, started.wait()
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False


def test_the_workload_answers_on_its_probes_and_on_the_api_and_drains(served: tuple[Started, str, str]) -> None:
    started, url, admin_url = served
    until(lambda: answers(f"{admin_url}/ready", started), "ready")
    assert httpx.get(f"{admin_url}/health", timeout=10).status_code == 200
    accepted = httpx.post(f"{url}/v1/products", json=PRODUCT, timeout=10)
    assert accepted.status_code == 202
    operation = f"{url}{httpx.URL(accepted.headers['location']).path}"
    until(lambda: httpx.get(operation, timeout=10).json()["status"] == "Succeeded", "the product to be stored")
    assert httpx.get(f"{url}/v1/products/p1", timeout=10).json() == PRODUCT
    code, log = started.stop()
    assert code == 0, log
    assert json.loads(log.splitlines()[-1])["message"] == "drained"


def test_the_workload_ends_with_the_reason_when_it_is_asked_for_more(engine: Engine, stage: Stage) -> None:
    with engine.running(WORKLOAD, "serve", **stage.settings(runtime(datastore=MYSQL))) as started:
        code, log = started.wait()
    assert code == 1, log
    assert stage.message.read_text() == "datastore.type: MySQL is not served yet; use SQLite or PostgreSQL"


def test_the_provision_job_reports_its_result(engine: Engine, stage: Stage) -> None:
    with engine.running(WORKLOAD, "provision", "--hash", "0123456789", **stage.settings(runtime())) as started:
        code, log = started.wait()
    assert code == 0, log
    assert json.loads(stage.message.read_text())["hash"] == "0123456789"
