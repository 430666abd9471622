"""An operator, a simulator and a recorder for every test; every status is checked at its end."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..client import Client
from ..controlplane import ADMINS, Cluster
from ..simulator import Simulator
from .harness import Running, StatusRecorder, info, settings


@pytest.fixture
def admin_config(cluster: Cluster) -> Path:
    """A kubeconfig of the administrator."""
    return cluster.kubeconfig("admin", groups=ADMINS)


@pytest.fixture
def start(namespace: str, admin_config: Path) -> Iterator[Callable[..., Running]]:
    """Start an operator confined to the test's namespace; each is stopped at the end."""
    running: list[Running] = []

    def begin(**changes: Any) -> Running:
        found = Running(settings(namespace, **changes), lambda: info(admin_config))
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
