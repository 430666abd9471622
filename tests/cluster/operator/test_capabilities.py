"""Optional kinds come and go on a control plane of this file's own: KEDA, Prometheus, the Gateway API, cert-manager.

What a cluster does not serve is left out and said; it appears when the kinds do, and is forgotten when they go. The
operator looks often here, so that the tests need not wait.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairlead_operator.kube import kinds

from ..binaries import binaries
from ..client import ApiError, Client, Manifest
from ..conftest import OWN_DEFINITIONS, RUNNING
from ..controlplane import ADMINS, ControlPlane, definition_path, install_definitions
from ..identity import Identity, chart_rules
from ..recording import StatusRecorder
from ..simulator import Simulator
from ..waiting import eventually
from .apisvc import Resource
from .harness import Running, example

LOOK_SECONDS = 0.4
OPTIONAL = [kind for kind in kinds.CHILDREN if kind.capability]
LEFT_OUT = {
    "prometheus": "the Prometheus operator is not installed",
    "gateway": "the Gateway API is not installed",
    "cert_manager": "cert-manager is not installed",
}


@pytest.fixture(scope="module")
def plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that serves our kinds alone."""
    servers = binaries("etcd", "kube-apiserver", "kube-controller-manager")
    plane = ControlPlane.start(tmp_path_factory.mktemp("bare"), servers, definitions=OWN_DEFINITIONS)
    shared = request.config.stash.get(RUNNING, None)
    request.config.stash[RUNNING] = plane
    yield plane
    plane.stop()
    if shared is not None:
        request.config.stash[RUNNING] = shared


@pytest.fixture(scope="module")
def admin_config(plane: ControlPlane) -> Path:
    return plane.kubeconfig("admin", groups=ADMINS)


@pytest.fixture(scope="module")
def admin(admin_config: Path) -> Iterator[Client]:
    with Client(admin_config) as client:
        yield client


@pytest.fixture(scope="module")
def statuses(admin: Client) -> Iterator[StatusRecorder]:
    with StatusRecorder(admin) as statuses:
        yield statuses


@pytest.fixture(scope="module")
def operator_account(admin: Client) -> Identity:
    account = Identity(admin, "default").create()
    account.grant(chart_rules())
    return account


@pytest.fixture
def bare(admin: Client, tools: dict[str, Path]) -> Iterator[dict[str, list[Path]]]:
    """The definitions of each capability. None is installed when a test begins."""
    files: dict[str, list[Path]] = {}
    for kind in OPTIONAL:
        files.setdefault(kind.capability, []).append(tools["crds"] / f"{kind.group}_{kind.plural}.yaml")
    yield files
    for each in files.values():
        remove(admin, each)


def remove(admin: Client, files: list[Path]) -> None:
    """Take the definitions away, and with them every object of theirs."""
    for file in files:
        try:
            admin.request("DELETE", definition_path(file))
        except ApiError as error:
            if error.code != 404:
                raise
    for file in files:
        eventually(lambda file=file: not _exists(admin, definition_path(file)), what=f"{file.stem} is gone")  # type: ignore[misc]


def _exists(admin: Client, path: str) -> bool:
    try:
        admin.request("GET", path)
    except ApiError as error:
        return error.code != 404
    return True


def everything(admin: Client, namespace: str) -> Resource:
    """A resource with a child of every optional kind but a TriggerAuthentication."""
    kafka = {"type": "Kafka", "kafka": {"bootstrapServers": ["kafka:9092"], "topic": "orders"}}
    tls = {"secret": {"name": "orders-tls"}, "issuer": {"name": "internal"}}
    gateway = {"parentRef": {"name": "public"}, "hostnames": ["api.example.com"]}
    security = {"authentication": {"anonymous": "Allow"}, "tls": tls}
    exposure = {"type": "Gateway", "gateway": gateway}
    return Resource(admin, example(namespace, queue=kafka, security=security, exposure=exposure))


def listed_kinds(resource: Resource) -> set[str]:
    """The kinds that the status lists."""
    return {each["kind"] for each in resource.live().get("status", {}).get("children", ())}


def settled(resource: Resource, *, has: set[str], lacks: set[str]) -> Manifest:
    """Wait until the resource is Ready with these kinds and without those."""

    def check() -> bool:
        found = listed_kinds(resource)
        return has <= found and not lacks & found

    eventually(check, what=f"{sorted(has)} and not {sorted(lacks)}")
    return resource.until("Ready", "True")


def until_said(resource: Resource, *left_out: str) -> None:
    """Wait until Ready names these as left out. Objects may go before the operator knows that their kind did."""

    def check() -> bool:
        message = resource.condition("Ready").get("message", "")
        return all(text in message for text in left_out)

    eventually(check, what=f"Ready says {left_out}")


def errors(operator: Running) -> float:
    """How many passes have failed."""
    assert operator.operator
    found = re.search(
        rb"^controller_runtime_reconcile_errors_total\S* (\S+)$", operator.operator.metrics.render(), re.MULTILINE
    )
    return float(found[1]) if found else 0.0


def optional_kinds(*but: str) -> set[str]:
    return {kind.name for kind in OPTIONAL} - {"TriggerAuthentication", *but}


def test_what_a_cluster_lacks_is_said_and_appears_when_it_comes(
    admin: Client,
    namespace: str,
    start: Callable[..., Running],
    simulator: Simulator,
    bare: dict[str, list[Path]],
) -> None:
    operator = start(discovery_seconds=LOOK_SECONDS)
    resource = everything(admin, namespace).create()
    live = settled(resource, has={"HorizontalPodAutoscaler"}, lacks=optional_kinds())
    until_said(resource, *LEFT_OUT.values())
    assert resource.condition("AutoscalingReady")["reason"] == "KedaNotInstalled"
    assert live["status"]["url"] == f"https://orders-api.{namespace}.svc"
    for files in bare.values():
        install_definitions(admin, files)
    live = settled(resource, has=optional_kinds(), lacks=set())
    message = resource.condition("Ready")["message"]
    assert not any(text in message for text in LEFT_OUT.values()), message
    assert resource.condition("AutoscalingReady")["reason"] == "Scaling"
    assert live["status"]["url"] == "https://api.example.com"
    assert errors(operator) == 0


def test_what_goes_is_forgotten_and_nothing_fails_for_it(
    admin: Client,
    namespace: str,
    start: Callable[..., Running],
    simulator: Simulator,
    bare: dict[str, list[Path]],
) -> None:
    for files in bare.values():
        install_definitions(admin, files)
    operator = start(discovery_seconds=LOOK_SECONDS)
    resource = everything(admin, namespace).create()
    settled(resource, has=optional_kinds(), lacks=set())
    route = resource.child("HTTPRoute", "api")
    before = admin.get(route)
    remove(admin, bare["prometheus"])
    gone = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
    settled(resource, has=optional_kinds(*gone), lacks=gone)
    until_said(resource, LEFT_OUT["prometheus"])
    assert before
    assert admin.get(route) == before, "another capability was touched"
    for files in bare.values():
        remove(admin, files)
    settled(resource, has={"HorizontalPodAutoscaler"}, lacks=optional_kinds())
    until_said(resource, *LEFT_OUT.values())
    operator.settle()
    failed, requests, writes = errors(operator), len(operator.sent), len(operator.writes())
    operator.resync()
    resource.edit(api={"title": "Other"})
    resource.until("Ready", "True")
    assert errors(operator) == failed
    assert len(operator.writes()) > writes
    asked = [each for each in operator.sent[requests:] if any(f"/{kind.plural}" in each.path for kind in OPTIONAL)]
    assert asked == []


def test_an_autoscaler_never_meets_a_scaled_object(
    admin: Client,
    namespace: str,
    start: Callable[..., Running],
    simulator: Simulator,
    bare: dict[str, list[Path]],
) -> None:
    """KEDA refuses a ScaledObject whose target has an autoscaler of somebody else, and makes its own."""
    operator = start(discovery_seconds=LOOK_SECONDS)
    resource = everything(admin, namespace).create()
    settled(resource, has={"HorizontalPodAutoscaler"}, lacks={"ScaledObject"})
    autoscaler = resource.child("HorizontalPodAutoscaler", "worker")
    assert admin.get(autoscaler)
    install_definitions(admin, bare["keda"])
    settled(resource, has={"ScaledObject"}, lacks=set())
    assert admin.get(autoscaler) is None
    order = [
        (each.method, each.path.rpartition("/namespaces/")[2].split("/")[1])
        for each in operator.writes()
        if each.path.endswith(("/horizontalpodautoscalers/orders-worker", "/scaledobjects/orders-worker"))
    ]
    assert order[:3] == [
        ("PATCH", "horizontalpodautoscalers"),
        ("DELETE", "horizontalpodautoscalers"),
        ("PATCH", "scaledobjects"),
    ]
    remove(admin, bare["keda"])
    settled(resource, has={"HorizontalPodAutoscaler"}, lacks={"ScaledObject"})
    eventually(lambda: admin.get(autoscaler), what="the autoscaler is back")
    resource.until("AutoscalingReady", "True", "KedaNotInstalled")
