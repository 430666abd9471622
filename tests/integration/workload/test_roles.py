"""What runs in the pods: each role does its part, answers its probes on the admin port, and drains on SIGTERM."""

import httpx
import pytest
from tests.integration.workload.container import Container, Folder
from tests.integration.workload.documents import PRODUCTS, runtime
from tests.integration.workload.waiting import until

PRODUCT = {"id": "p1", "price": 2.5}
SYNC = {"resources": [{name: value for name, value in PRODUCTS.items() if name != "writes"}]}


def accept(container: Container) -> str:
    """Have a product accepted, and return the path of its operation."""
    accepted = httpx.post(f"{container.url}/v1/products", json=PRODUCT, timeout=10)
    assert accepted.status_code == 202
    return httpx.URL(accepted.headers["location"]).path


def status_of(container: Container, operation: str) -> str:
    return str(httpx.get(f"{container.url}{operation}", timeout=10).json()["status"])


def wait_for(container: Container, operation: str, status: str) -> None:
    until(lambda: status_of(container, operation) == status, f"the operation to become {status}")


def handled(container: Container) -> float:
    """How many events this process has brought to their end, by its own metrics."""
    text = httpx.get(f"{container.admin_url}/metrics", timeout=10).text
    lines = (line for line in text.splitlines() if line.startswith("fairlead_worker_events_total{"))
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_serve_accepts_and_work_applies(folder: Folder) -> None:
    document = runtime()
    api = folder.start("serve", document)
    api.wait_ready()
    operation = accept(api)
    assert status_of(api, operation) == "Pending"
    assert api.stop() == 0

    worker = folder.start("work", document)
    worker.wait_ready()
    until(lambda: handled(worker) > 0, "the event to be handled")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{worker.url}/ready", timeout=5)
    assert worker.stop() == 0

    again = folder.start("serve", document)
    again.wait_ready()
    assert status_of(again, operation) == "Succeeded"
    assert httpx.get(f"{again.url}/v1/products/p1", timeout=10).json() == PRODUCT
    assert again.stop() == 0


def test_all_does_both_and_writes_nothing_but_its_data(folder: Folder) -> None:
    container = folder.start("all", runtime())
    container.wait_ready()
    wait_for(container, accept(container), "Succeeded")
    assert container.stop() == 0
    assert list(folder.work.iterdir()) == []
    assert (container.message, container.log[-1]["message"]) == ("", "drained")
    assert {(line["service"], line["namespace"]) for line in container.log if "logger" in line} == {
        ("products", "shop")
    }


@pytest.mark.parametrize("task", ["serve", "work", "all"])
def test_probes_and_metrics_answer_on_the_admin_port(folder: Folder, task: str) -> None:
    container = folder.start(task, runtime())
    container.wait_ready()
    health = httpx.get(f"{container.admin_url}/health", timeout=10)
    ready = httpx.get(f"{container.admin_url}/ready", timeout=10)
    assert (health.status_code, ready.status_code) == (200, 200)
    assert "fairlead_" in httpx.get(f"{container.admin_url}/metrics", timeout=10).text
    assert container.stop() == 0


def test_an_api_publishes_events_while_there_is_no_worker(folder: Folder) -> None:
    handlers = [{"event": "products.created", "steps": [{"name": "touch", "set": {"price": "1.0"}}]}]
    document = runtime(api=SYNC, worker={"timeout": "5s", "handlers": handlers})
    api = folder.start("serve", document)
    api.wait_ready()
    assert httpx.post(f"{api.url}/v1/products", json=PRODUCT, timeout=10).status_code == 201
    published = "fairlead_outbox_published_total 1.0"
    until(lambda: published in httpx.get(f"{api.admin_url}/metrics", timeout=10).text, "the event to be published")
    assert api.stop() == 0

    worker = folder.start("work", document)
    worker.wait_ready()
    until(lambda: handled(worker) > 0, "the event to be handled")
    assert worker.stop() == 0
