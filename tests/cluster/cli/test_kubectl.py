"""What a person sees with a real kubectl: one line that says all is well, and the deepest cause when it is not."""

import json
import subprocess
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

import pytest

from fairlead_contract.validation.sizes import apply_findings

from ..client import Manifest
from ..operator.apisvc import Resource
from ..simulator import Simulator
from ..waiting import eventually

BAD = "registry.example/absent:1"


@pytest.fixture
def kubectl(tools: dict[str, Path], admin_config: Path, namespace: str) -> Callable[..., str]:
    """Run kubectl in the test's namespace; its standard output."""

    def run(*arguments: str) -> str:
        command = [str(tools["kubectl"]), "--kubeconfig", str(admin_config), "-n", namespace, *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout

    return run


def test_kubectl_shows_its_state_and_the_cause(
    orders: Resource, simulator: Simulator, kubectl: Callable[..., str]
) -> None:
    header, row = kubectl("get", "apisvc", "orders").splitlines()
    shown = dict(zip(header.split(), row.split(), strict=True))
    assert shown.pop("AGE")
    assert shown == {
        "NAME": "orders",
        "URL": f"http://orders-api.{orders.namespace}.svc",
        "READY": "True",
        "REASON": "Ready",
        "API": orders.live()["status"]["api"]["replicas"],
        "WORKER": orders.live()["status"]["worker"]["replicas"],
    }

    simulator.verdict = lambda pod: "pull" if pod["spec"]["containers"][0]["image"] == BAD else "ready"
    orders.edit(runtime={"image": BAD})
    cause = f"image {BAD} cannot be pulled"

    def described() -> str | None:
        text = " ".join(kubectl("describe", "apisvc", "orders").split())
        return text if cause in text else None

    assert "RollingOut" in eventually(described, what="kubectl shows the image")
    _, row = kubectl("get", "apisvc", "orders").splitlines()
    assert row.split()[2:4] == ["Unknown", "RollingOut"]


def of_size(namespace: str, count: int, character: str) -> Manifest:
    """An ApiService with so many characters of a kind in the descriptions of its schema."""
    texts = [character * min(count - start, 20_000) for start in range(0, count, 20_000)]
    properties = {f"p{number}": {"type": "string", "description": text} for number, text in enumerate(texts)}
    schema = {"type": "object", "properties": {"id": {"type": "string"}, **properties}}
    resource = {"name": "large", "key": {"partition": "id"}, "schema": schema}
    head = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "ApiService"}
    spec = {"api": {"resources": [resource]}, "datastore": {"type": "SQLite"}}
    return head | {"metadata": {"name": "large", "namespace": namespace}, "spec": spec}


@pytest.mark.parametrize("character", ["a", "<", "\u2028", "ü", '"'], ids=["plain", "HTML", "U+2028", "ü", "quote"])
def test_lint_knows_what_client_side_apply_takes(
    kubectl: Callable[..., str], namespace: str, tmp_path: Path, character: str
) -> None:
    def is_reported(count: int) -> bool:
        return bool(list(apply_findings(of_size(namespace, count, character))))

    def apply(count: int) -> str:
        file = tmp_path / "large.json"
        file.write_text(json.dumps(of_size(namespace, count, character)))
        return kubectl("apply", "--dry-run=server", "--validate=false", "-f", str(file))

    first = bisect_left(range(262_144), True, key=is_reported)
    assert "created (server dry run)" in apply(first - 1)
    with pytest.raises(subprocess.CalledProcessError):
        apply(first)
