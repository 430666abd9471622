"""An operator and a simulator for every test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..client import Client
from ..identity import LEASE_NAME, Identity, await_grant, lease_rules
from ..recording import Record, StatusRecorder
from ..simulator import Simulator
from .apisvc import Resource
from .harness import Running, example, info, settings


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
def recorder(statuses: StatusRecorder, namespace: str) -> Iterator[Record]:
    """What is recorded of the test's namespace; the test fails when that is nothing."""
    record = statuses.record(namespace)
    yield record
    statuses.catch_up(namespace)
    assert record.statuses, "no status was written, so none was checked"


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
