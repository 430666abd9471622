"""The tools for charts: helm, kubeconform and kube-score, built as the control plane is."""

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from ..binaries import binaries
from ..client import Client
from ..controlplane import ADMINS, Cluster
from ..identity import LEASE_NAME, await_grant
from ..waiting import eventually
from .helm import CHARTS, OPERATOR, Helm
from .resources import PROTECTED, api_service, named, refused


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """helm without a cluster."""
    return Helm(binaries("helm")["helm"], tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def umbrella(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chart that depends on both of ours, one of them under another name too."""
    folder = tmp_path_factory.mktemp("umbrella") / "platform"
    folder.mkdir()
    version = yaml.safe_load((OPERATOR / "Chart.yaml").read_text())["version"]
    depends = [
        {"name": chart, "version": version, "repository": f"file://{CHARTS / chart}", "condition": f"{name}.enabled"}
        | ({"alias": name} if name != chart else {})
        for chart, name in (("fairlead", "fairlead"), ("fairlead", "second"), ("fairlead-crds", "fairlead-crds"))
    ]
    head = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": depends}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(head))
    values = {"global": {"region": "eu"}, "fairlead": {"replicas": 3}, "second": {"enabled": False}}
    (folder / "values.yaml").write_text(yaml.safe_dump(values))
    helm.run("dependency", "update", str(folder))
    return folder


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


@pytest.fixture(scope="module")
def online(helm: Helm, cluster: Cluster) -> Helm:
    """helm as an administrator of the cluster."""
    return replace(helm, kubeconfig=cluster.kubeconfig("admin", groups=ADMINS))


@pytest.fixture
def system(admin: Client) -> Iterator[str]:
    """A namespace for the release, as the charts want it."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    name = f"system-{uuid.uuid4().hex[:10]}"
    manifest = admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield name
    admin.delete(manifest)


@pytest.fixture
def install(online: Helm, system: str) -> Iterator[Callable[..., str]]:
    """Install or upgrade the release `fairlead` of the operator's chart; it is uninstalled at the end.

    What helm prints has the notes in it.
    """

    def run(*settings: str) -> str:
        sets = [part for setting in settings for part in ("--set", setting)]
        return online.run("upgrade", "--install", "fairlead", str(OPERATOR), "--namespace", system, *sets)

    yield run
    online.run("uninstall", "fairlead", "--namespace", system, "--ignore-not-found")


@pytest.fixture
def account(cluster: Cluster, system: str) -> Callable[[str], Path]:
    """A kubeconfig of the operator's ServiceAccount, once the server knows what it may do in a namespace."""

    def write(namespace: str) -> Path:
        config = cluster.kubeconfig(f"system:serviceaccount:{system}:fairlead", groups=("system:serviceaccounts",))
        with Client(config) as client:
            await_grant(client, f"/apis/fairlead.dev/v1alpha1/namespaces/{namespace}/apisvcs/none")
            await_grant(client, f"/apis/coordination.k8s.io/v1/namespaces/{system}/leases/{LEASE_NAME}")
        return config

    return write


@pytest.fixture
def shell(
    cluster: Cluster, tools: dict[str, Path], tmp_path: Path
) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Run commands as an administrator, with kubectl."""
    path = f"{tools['kubectl'].parent}:{os.environ['PATH']}"
    # kubectl keeps what it found out about servers in its home.
    config = cluster.kubeconfig("admin", groups=ADMINS)
    environment = {"PATH": path, "KUBECONFIG": str(config), "HOME": str(tmp_path)}

    def run(commands: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", "-euc", commands]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)

    return run
