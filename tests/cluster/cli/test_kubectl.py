"""What a person sees with a real kubectl: one line that says all is well, and the deepest cause when it is not."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

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


def test_kubectl_shows_how_it_is_and_what_ails_it(
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

    def told() -> str | None:
        text = " ".join(kubectl("describe", "apisvc", "orders").split())
        return text if cause in text else None

    assert "RollingOut" in eventually(told, what="kubectl tells of the image")
    _, row = kubectl("get", "apisvc", "orders").splitlines()
    assert row.split()[2:4] == ["Unknown", "RollingOut"]
