"""A fault proxy before the run's control plane."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..controlplane import ADMINS, Cluster
from .proxy import FaultProxy


@pytest.fixture
def admin_config(cluster: Cluster) -> Path:
    """A kubeconfig of the administrator."""
    return cluster.kubeconfig("admin", groups=ADMINS)


@pytest.fixture
def proxy(admin_config: Path) -> Iterator[FaultProxy]:
    """A proxy without any fault yet; what passes is done as the administrator."""
    with FaultProxy(admin_config) as proxy:
        yield proxy
