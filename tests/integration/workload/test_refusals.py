"""What a workload cannot serve ends it with code 1, and the reason is in the log and in the termination message."""

import json
from typing import Any

import pytest
from tests.integration.workload.container import Folder
from tests.integration.workload.documents import MYSQL, PRODUCTS, runtime

NEWER = (
    "version: 2 is not known, this image knows 1; "
    "use a workload image of the operator's own release (runtime.image of the resource or its class)"
)
API_KEYS = {"authentication": {"anonymous": "Allow", "apiKeys": {"secret": {"name": "keys"}}}}
REDIS = {"type": "Redis", "redis": {"address": "redis:6379"}}
BINDINGS = (
    "datastore.type: MySQL is not served yet; use SQLite or PostgreSQL\n"
    "cache.type: Redis is not served yet; use Memory or None"
)
SYNC = {"resources": [{name: value for name, value in PRODUCTS.items() if name != "writes"}]}
REFUSED = {
    "a version it does not know": ("serve", runtime() | {"version": 2}, NEWER),
    "a security field": (
        "serve",
        runtime(security=API_KEYS),
        "security.authentication.apiKeys: apiKeys is not served yet; leave it out",
    ),
    "a store and a cache": ("work", runtime(datastore=MYSQL, cache=REDIS), BINDINGS),
    "no queue to work on": (
        "work",
        runtime(api=SYNC, queue=None, worker=None),
        "queue: there is no queue to work on; add spec.queue, or run no worker",
    ),
}


@pytest.mark.parametrize(("task", "document", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_served_is_named(folder: Folder, task: str, document: dict[str, Any], message: str) -> None:
    container = folder.start(task, document)
    assert container.wait() == 1
    assert container.message == message
    refused = [line for line in container.log if line["message"] == "cannot be served"]
    assert [line["path"] for line in refused] == [line.partition(":")[0] for line in message.splitlines()]
    assert not list(folder.data.iterdir())


def test_a_port_that_is_taken_is_named(folder: Folder) -> None:
    first = folder.start("all", runtime())
    first.wait_ready()
    port = first.admin_url.rpartition(":")[2]
    second = folder.start("serve", runtime(), "--admin-port", port)
    assert second.wait() == 1
    assert second.message.startswith(f"admin port: 127.0.0.1:{port}: ")
    assert first.stop() == 0


def test_a_missing_document_is_named(folder: Folder) -> None:
    container = folder.start("serve", folder.path / "absent.json")
    assert container.wait() == 1
    assert container.message.startswith(f"{folder.path}/absent.json: cannot be read: No such file or directory; ")


@pytest.mark.parametrize("task", ["provision", "teardown"])
def test_a_job_has_nothing_to_do_for_embedded_bindings(folder: Folder, task: str) -> None:
    container = folder.start(task, runtime(), "--hash", "0123456789")
    assert container.wait() == 0
    result = json.loads(container.message)
    assert (result["version"], result["hash"]) == (1, "0123456789")
    assert [(each["role"], each["type"], each["state"], each["reason"]) for each in result["bindings"]] == [
        ("datastore", "SQLite", "Ready", "Embedded"),
        ("cache", "Memory", "Ready", "Embedded"),
        ("queue", "SQLite", "Ready", "Embedded"),
        ("deadLetter", "SQLite", "Ready", "Embedded"),
    ]


@pytest.mark.parametrize("task", ["provision", "teardown"])
def test_a_job_fails_for_a_binding_that_is_not_served(folder: Folder, task: str) -> None:
    container = folder.start(task, runtime(datastore=MYSQL))
    assert container.wait() == 1
    datastore, *others = json.loads(container.message)["bindings"]
    assert (datastore["state"], datastore["reason"]) == ("Failed", "NotServed")
    assert datastore["message"] == "MySQL is not served yet; use SQLite or PostgreSQL"
    assert {each["state"] for each in others} == {"Ready"}


@pytest.mark.parametrize("task", ["provision", "teardown"])
def test_a_job_fails_for_what_it_is_only_to_verify(folder: Folder, task: str) -> None:
    container = folder.start(task, runtime(datastore={"type": "SQLite", "provision": "Existing"}))
    assert container.wait() == 1
    datastore, *_ = json.loads(container.message)["bindings"]
    assert (datastore["state"], datastore["reason"]) == ("Failed", "NotServed")
    assert datastore["message"] == "provision: Existing is not served yet; leave it out"


def test_a_wrong_argument_is_a_usage_error(folder: Folder) -> None:
    assert folder.start("run", runtime()).wait() == 2
