"""The tools for charts: helm, kubeconform and kube-score, built as the control plane is."""

from pathlib import Path

import pytest

from ..binaries import binaries
from .helm import Helm


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """helm without a cluster."""
    return Helm(binaries("helm")["helm"], tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def checkers() -> dict[str, Path]:
    """kubeconform and kube-score."""
    return binaries("kubeconform", "kube-score")
