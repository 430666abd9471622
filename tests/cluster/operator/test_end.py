"""The end of a resource, what is outside the cluster included, and the change of the replica that writes."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairlead_operator import kinds

from ..client import Client
from ..simulator import Simulator
from ..waiting import eventually
from .harness import Running, StatusRecorder, example, settings
from .test_life import children, condition, until

SHUTDOWN_SECONDS = 20


def test_with_delete_the_teardown_job_runs_before_the_resource_goes(
    admin: Client,
    namespace: str,
    start: Callable[..., Running],
    simulator: Simulator,
    recorder: StatusRecorder,
) -> None:
    start()
    resource = example(namespace, deletionPolicy="Delete")
    admin.create(resource)
    live = until(admin, resource, "Ready", "True")
    assert live["metadata"]["finalizers"] == ["fairlead.dev/teardown"]
    simulator.job_message = lambda pod: None
    admin.delete(resource)
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "orders-teardown", "namespace": namespace}}
    eventually(lambda: admin.get(job), what="the teardown Job is there")
    live = admin.get(resource)
    assert live is not None
    simulator.job_message = lambda pod: (True, "")
    eventually(lambda: admin.get(resource) is None, what="the resource is gone")
    eventually(lambda: not children(admin, namespace), what="nothing is left")


def test_skip_teardown_lets_a_resource_go(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    start()
    resource = example(namespace, deletionPolicy="Delete")
    admin.create(resource)
    until(admin, resource, "Ready", "True")
    simulator.job_message = lambda pod: (False, "no such table")
    admin.delete(resource)

    def stalled() -> bool:
        live = admin.get(resource)
        return live is not None and condition(live, "Stalled").get("reason") == "TeardownFailed"

    # A Job whose pods fail is tried six times with growing pauses; ours is told to end at once.
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "orders-teardown", "namespace": namespace}}
    eventually(lambda: admin.get(job), what="the teardown Job is there")
    admin.merge(job, {"spec": {"activeDeadlineSeconds": 1}})
    eventually(stalled, what="the failed teardown is told", timeout_seconds=30)
    admin.merge(resource, {"metadata": {"annotations": {"fairlead.dev/skip-teardown": "true"}}})
    eventually(lambda: admin.get(resource) is None, what="the resource is gone")
    eventually(lambda: not children(admin, namespace), what="nothing is left")


def test_with_retain_there_is_no_finalizer_and_no_job(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    operator = start()
    resource = example(namespace)
    admin.create(resource)
    live = until(admin, resource, "Ready", "True")
    assert "finalizers" not in live["metadata"]
    operator.settle()
    count = len(operator.writes())
    admin.delete(resource)
    eventually(lambda: not children(admin, namespace), what="nothing is left")
    operator.settle()
    assert operator.writes()[count:] == []


def test_a_second_replica_takes_over_within_seconds_and_does_not_write_before(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    first = start(identity="one")
    second = Running(settings(namespace, identity="two"), first.source)
    starting = threading.Thread(target=second.start, daemon=True)
    starting.start()
    resource = example(namespace)
    admin.create(resource)
    until(admin, resource, "Ready", "True")
    assert second.writes() == []
    before = time.monotonic()
    first.stop()
    starting.join(30)
    assert time.monotonic() - before < 3.0 + 2.0  # the drain and one try, on a busy machine
    try:
        admin.merge(resource, {"spec": {"api": {"title": "Other"}}})
        until(admin, resource, "Ready", "True")
        assert second.writes()
    finally:
        second.stop()


def test_every_request_is_allowed_by_the_rules_and_none_is_about_secrets(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    operator = start()
    resource = example(namespace, deletionPolicy="Delete")
    admin.create(resource)
    until(admin, resource, "Ready", "True")
    admin.merge(resource, {"spec": {"deletionPolicy": "Retain", "api": {"title": "Other"}}})
    until(admin, resource, "Ready", "True")
    operator.settle()
    asked = {found for each in operator.sent if (found := _asked(each.method, each.path))}
    allowed = {
        (rule["apiGroups"][0], resource_, verb)
        for rule in kinds.rbac_rules()
        for resource_ in rule["resources"]
        for verb in rule["verbs"]
    }
    assert asked - allowed == set()
    assert not [found for found in asked if found[1] == "secrets"]


def test_the_process_runs_and_ends_on_sigterm(
    admin: Client, namespace: str, operator_config: Path, tmp_path: Path
) -> None:
    chosen = settings(namespace)
    environment = dict(os.environ) | {
        "KUBECONFIG": str(operator_config),
        "FAIRLEAD_NAMESPACE": namespace,
        "FAIRLEAD_LEASE_NAMESPACE": namespace,
        "FAIRLEAD_PORT": str(chosen.port),
        "FAIRLEAD_HOST": "127.0.0.1",
        "FAIRLEAD_IMAGE": "registry.example/fairlead-workload:1",
    }
    command = [sys.executable, "-m", "fairlead_operator"]
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stderr=file)
    try:
        resource = example(namespace)
        admin.create(resource)
        until(admin, resource, "Ready", "Unknown", "Provisioning")
        process.send_signal(signal.SIGTERM)
        process.wait(SHUTDOWN_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, log.read_text()
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    live = admin.get(lease | {"metadata": {"name": "fairlead-operator", "namespace": namespace}})
    assert live is not None
    assert not live["spec"].get("holderIdentity")


_PATH = re.compile(
    r"^/(?:api|apis/(?P<group>[^/]+))/(?P<version>v[^/]+)(?:/namespaces/[^/]+)?"
    r"/(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?$"
)


def _asked(method: str, path: str) -> tuple[str, str, str] | None:
    """Group, resource and verb, as the API server's authorizer sees a request; None for discovery."""
    found = _PATH.match(path)
    if found is None:
        return None
    part: dict[str, Any] = found.groupdict()
    verbs = {"PATCH": "patch", "POST": "create", "PUT": "update", "DELETE": "delete", "WATCH": "watch"}
    verb = verbs.get(method) or ("get" if part["name"] else "list")
    resource = part["resource"] + (f"/{part['sub']}" if part["sub"] else "")
    return part["group"] or "", resource, verb
