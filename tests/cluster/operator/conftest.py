"""An operator, a simulator and a recorder for every test; every status is checked at its end."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..client import Client
from ..controlplane import ADMINS, Cluster
from ..identity import LEASE_NAME, Identity, await_grant, chart_rules, lease_rules
from ..simulator import Simulator
from .apisvc import Resource
from .harness import Running, StatusRecorder, example, info, settings


@pytest.fixture
def admin_config(cluster: Cluster) -> Path:
    """A kubeconfig of the administrator."""
    return cluster.kubeconfig("admin", groups=ADMINS)


@pytest.fixture(scope="session")
def operator_account(admin: Client) -> Iterator[Identity]:
    """A ServiceAccount that may do, everywhere, what the chart's ClusterRole says."""
    account = Identity(admin, "default").create()
    account.grant(chart_rules())
    yield account
    account.remove()


@pytest.fixture
def operator_config(operator_account: Identity, namespace: str, admin_config: Path, tmp_path: Path) -> Path:
    """A kubeconfig of the operator: its own rules, and its Lease in the test's namespace. Never an administrator."""
    operator_account.grant(lease_rules(), namespace=namespace)
    path = operator_account.kubeconfig(admin_config, tmp_path)
    with Client(path) as client:
        await_grant(client, f"/apis/fairlead.dev/v1alpha1/namespaces/{namespace}/apisvcs/none")
        await_grant(client, f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE_NAME}")
    return path


@pytest.fixture
def start(namespace: str, operator_config: Path) -> Iterator[Callable[..., Running]]:
    """Start an operator confined to the test's namespace, with the rights it has in production."""
    running: list[Running] = []

    def begin(**changes: Any) -> Running:
        found = Running(settings(namespace, **changes), lambda: info(operator_config))
        running.append(found)
        found.start()
        return found

    yield begin
    for each in running:
        each.stop()


@pytest.fixture
def simulator(namespace: str, admin_config: Path) -> Iterator[Simulator]:
    """Pods become ready and Jobs succeed, unless the test says otherwise."""
    with Client(admin_config) as client:
        simulator = Simulator(client, namespace)
        simulator.start()
        yield simulator
        simulator.stop()


@pytest.fixture
def recorder(admin: Client, namespace: str) -> Iterator[StatusRecorder]:
    """Fails the test when any status that was written breaks the rules."""
    recorder = StatusRecorder(admin, namespace)
    with recorder.recording():
        yield recorder
    assert recorder.faults == []
    assert recorder.statuses, "no status was written, so none was checked"


@pytest.fixture
def make(admin: Client, namespace: str) -> Callable[..., Resource]:
    """Create an ApiService: the example under this name, keywords replace parts of its spec."""

    def create(name: str = "orders", **spec: Any) -> Resource:
        return Resource(admin, example(namespace, name=name, **spec)).create()

    return create


@pytest.fixture
def operator(start: Callable[..., Running]) -> Running:
    """The one operator of the test."""
    return start()


@pytest.fixture
def orders(operator: Running, simulator: Simulator, make: Callable[..., Resource]) -> Resource:
    """The example, Ready, and its operator at rest."""
    resource = make()
    resource.until("Ready", "True")
    operator.settle()
    return resource
