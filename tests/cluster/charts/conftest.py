"""The tools for charts: helm, kubeconform and kube-score, built as the control plane is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..binaries import binaries
from ..client import Client
from ..waiting import eventually
from .helm import OPERATOR, Helm
from .resources import PROTECTED, api_service, named, refused


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """helm without a cluster."""
    return Helm(binaries("helm")["helm"], tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def checkers() -> dict[str, Path]:
    """kubeconform and kube-score."""
    return binaries("kubeconform", "kube-score")


@pytest.fixture(scope="module")
def policies(helm: Helm, admin: Client) -> Iterator[None]:
    """The chart's policies, without the rest of it."""
    wanted = [each for each in helm.manifests(OPERATOR) if each["kind"].startswith("ValidatingAdmissionPolicy")]
    assert len(wanted) == 6
    for manifest in wanted:
        admin.apply(manifest)
    yield
    for manifest in wanted:
        admin.delete(manifest)


@pytest.fixture(scope="module")
def shop(admin: Client, policies: None) -> Iterator[str]:
    """A namespace in which the policies are known to be in force."""
    name = named("shop")
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    admin.create(manifest)
    probe = admin.create(
        api_service(name, name="probe") | {"metadata": {"name": "probe", "namespace": name, "annotations": PROTECTED}}
    )
    path = admin.path(probe["apiVersion"], probe["kind"], namespace=name, name="probe")
    eventually(lambda: refused(lambda: admin.request("DELETE", path, dryRun="All")), what="no policy is in force")
    yield name
    admin.delete(manifest)
