"""Everything that the charts render, shown to a real API server: it takes each object as it is, without a warning."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ..client import ApiError, Client, Manifest
from .helm import DEFINITIONS, NAMESPACE, OPERATOR, VALUES, Helm
from .schemas import write

CASES = sorted(VALUES.glob("*.yaml"))
case = pytest.mark.parametrize("values", CASES, ids=lambda path: path.stem)


def namespace(name: str) -> Manifest:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


@pytest.fixture(scope="module")
def restricted(admin: Client) -> Iterator[None]:
    """The namespaces of the values files, with the strictest Pod Security level."""
    manifests = [namespace(NAMESPACE), namespace("shop")]
    for manifest in manifests:
        admin.apply(manifest)
    yield
    for manifest in manifests:
        admin.delete(manifest)


@pytest.fixture(scope="module")
def schemas(admin: Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where kubeconform finds the server's own schemas."""
    return write(admin, tmp_path_factory.mktemp("schemas"))


def kubeconform(checkers: dict[str, Path], schemas: str, manifest: Path) -> subprocess.CompletedProcess[str]:
    command = [str(checkers["kubeconform"]), "-strict", "-summary", "-schema-location", schemas, str(manifest)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@case
@pytest.mark.usefixtures("restricted")
def test_the_server_takes_every_object(helm: Helm, admin: Client, values: Path) -> None:
    for manifest in helm.manifests(OPERATOR, values=[values]):
        admin.warnings.clear()
        admin.apply(manifest, dry_run=True)
        assert admin.warnings == [], manifest["kind"]


def test_the_server_takes_the_definitions(helm: Helm, admin: Client) -> None:
    for manifest in helm.manifests(DEFINITIONS):
        admin.warnings.clear()
        admin.apply(manifest, dry_run=True)
        assert admin.warnings == [], manifest["metadata"]["name"]


def pod(helm: Helm, values: Path) -> tuple[Manifest, Manifest]:
    """The operator's pod and its account."""
    manifests = {each["kind"]: each for each in helm.manifests(OPERATOR, values=[values])}
    template = manifests["Deployment"]["spec"]["template"]
    metadata = template["metadata"] | {"name": "operator", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", **template, "metadata": metadata}, manifests["ServiceAccount"]


@case
@pytest.mark.usefixtures("restricted")
def test_the_pod_passes_the_level_restricted(helm: Helm, admin: Client, values: Path) -> None:
    manifest, account = pod(helm, values)
    admin.apply(account)
    admin.warnings.clear()
    admin.create(manifest, dry_run=True)
    assert admin.warnings == []
    manifest["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(ApiError, match='violates PodSecurity "restricted'):
        admin.create(manifest, dry_run=True)


@case
def test_kubeconform_agrees_with_the_servers_schemas(
    helm: Helm, checkers: dict[str, Path], schemas: str, values: Path, tmp_path: Path
) -> None:
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(helm.template(OPERATOR, values=[values]))
    done = kubeconform(checkers, schemas, rendered)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Invalid: 0, Errors: 0, Skipped: 0" in done.stdout


@pytest.mark.parametrize(
    ("place", "value"),
    [(("spec", "replica"), 2), (("spec", "replicas"), "two"), (("spec", "template", "spec", "volume"), [])],
    ids=["a typo", "a wrong type", "a typo deep inside"],
)
def test_kubeconform_with_these_schemas_finds(
    helm: Helm, checkers: dict[str, Path], schemas: str, tmp_path: Path, place: tuple[str, ...], value: object
) -> None:
    [deployment] = [each for each in helm.manifests(OPERATOR) if each["kind"] == "Deployment"]
    inner = deployment
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    broken = tmp_path / "broken.yaml"
    broken.write_text(yaml.safe_dump(deployment))
    done = kubeconform(checkers, schemas, broken)
    assert done.returncode == 1
    assert place[-1] in done.stdout
