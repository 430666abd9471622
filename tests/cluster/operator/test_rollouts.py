"""A change of the class reaches a few ApiServices at a time; a user's own edit does not wait for that."""

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import yaml

from ..client import Client, Manifest
from ..simulator import Simulator
from ..waiting import eventually
from .apisvc import Resource, condition
from .harness import EXAMPLE, Running

MOST = 2
NAMES = [f"shop-{number}" for number in range(8)]
PATIENCE_SECONDS = 120.0
FIRST, SECOND, BAD = (f"registry.example/workload:{tag}" for tag in ("1", "2", "bad"))


@pytest.fixture
def class_(admin: Client) -> Iterator[Manifest]:
    """A class that lets two roll out at a time."""
    manifest = admin.create(
        {
            "apiVersion": "fairlead.dev/v1alpha1",
            "kind": "ApiServiceClass",
            "metadata": {"name": f"test-{uuid.uuid4().hex[:10]}"},
            "spec": {"runtime": {"image": FIRST}, "rollout": {"maxConcurrent": MOST}},
        }
    )
    yield manifest
    admin.delete(manifest)


def embedded(namespace: str, name: str, class_: Manifest) -> Manifest:
    """An ApiService of one Deployment that needs no provisioning."""
    resource: Manifest = yaml.safe_load((EXAMPLE.parent / "products.yaml").read_text())
    resource["metadata"] = {"name": name, "namespace": namespace}
    resource["spec"]["className"] = class_["metadata"]["name"]
    return resource


def image(deployment: Manifest) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


@contextmanager
def rolling_at_once(client: Client, namespace: str) -> Iterator[list[int]]:
    """How many Deployments did not have all their pods of the newest template, after each change of one in the block.

    It is followed along with the block, because a server forgets what was minutes ago; the list is whole at its end.
    """
    path = client.path("apps/v1", "Deployment", namespace=namespace)
    version = client.request("GET", path)["metadata"]["resourceVersion"]
    counts: list[int] = []
    ended = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(_follow, client, path, version, ended, counts)
        try:
            yield counts
        finally:
            ended.set()
        following.result()


def _follow(client: Client, path: str, version: str, ended: threading.Event, counts: list[int]) -> None:
    rolling: set[str] = set()
    is_last = False
    while not is_last:
        is_last = ended.is_set()
        for live in client.watch(path, resourceVersion=version, timeoutSeconds="1"):
            version = live["metadata"]["resourceVersion"]
            rolling.discard(live["metadata"]["name"])
            if not complete(live):
                rolling.add(live["metadata"]["name"])
            counts.append(len(rolling))


def complete(live: Manifest) -> bool:
    """As `kubectl rollout status` sees it."""
    status = live.get("status", {})
    is_current = status.get("observedGeneration", 0) >= live["metadata"]["generation"]
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return bool(is_current and counts == [live["spec"]["replicas"]] * 3)


@pytest.mark.usefixtures("recorder", "simulator")
def test_another_role_of_the_class_reaches_the_pods_a_few_at_a_time(
    admin: Client, namespace: str, start: Callable[..., Running], class_: Manifest
) -> None:
    start()
    resources = [Resource(admin, embedded(namespace, name, class_)).create() for name in NAMES[:4]]
    for resource in resources:
        resource.until("Ready", "True", timeout_seconds=PATIENCE_SECONDS)
    before = {resource.name: admin.get(resource.child("Deployment", "api")) for resource in resources}

    def rolled_out() -> bool:
        for resource in resources:
            live, was = admin.get(resource.child("Deployment", "api")), before[resource.name]
            assert live
            assert was
            if live["spec"]["template"] == was["spec"]["template"] or not complete(live):
                return False
            account = admin.get(resource.child("ServiceAccount", "api"))
            assert account
            assert account["metadata"]["annotations"]["cloud.example/role"] == "new", "pods are younger than the role"
        return True

    with rolling_at_once(admin, namespace) as counts:
        admin.merge(class_, {"spec": {"serviceAccount": {"annotations": {"cloud.example/role": "new"}}}})
        eventually(rolled_out, what="all pods have the role", timeout_seconds=PATIENCE_SECONDS)
    assert 0 < max(counts) <= MOST


@pytest.mark.usefixtures("recorder")
def test_a_change_of_the_class_reaches_few_at_a_time(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator, class_: Manifest
) -> None:
    operator = start()
    resources = [admin.create(embedded(namespace, name, class_)) for name in NAMES]
    for resource in resources:
        Resource(admin, resource).until("Ready", "True", timeout_seconds=PATIENCE_SECONDS)

    def images() -> list[str]:
        return [image(each) for each in admin.list("apps/v1", "Deployment", namespace=namespace)]

    def rolled_out(wanted: str, count: int) -> bool:
        found = admin.list("apps/v1", "Deployment", namespace=namespace)
        return all(map(complete, found)) and [image(each) for each in found].count(wanted) == count

    def reasons() -> list[str]:
        live = [admin.get(resource) or {} for resource in resources]
        return [condition(each, "Reconciling").get("reason", "") for each in live]

    with rolling_at_once(admin, namespace) as counts:
        admin.merge(class_, {"spec": {"runtime": {"image": SECOND}}})
        what = "all have the new image"
        eventually(lambda: rolled_out(SECOND, len(NAMES)), what=what, timeout_seconds=PATIENCE_SECONDS)
    assert 0 < max(counts) <= MOST
    for resource in resources:
        Resource(admin, resource).until("Ready", "True", timeout_seconds=PATIENCE_SECONDS)

    # A change that breaks them reaches no more than two.
    simulator.verdict = lambda pod: "pull" if pod["spec"]["containers"][0]["image"] == BAD else "ready"
    admin.merge(class_, {"spec": {"runtime": {"image": BAD}}})
    eventually(
        lambda: reasons().count("RolloutQueued") == len(NAMES) - MOST,
        what="all but two wait",
        timeout_seconds=PATIENCE_SECONDS,
    )
    operator.settle()
    assert images().count(BAD) == MOST
    writes = len(operator.writes())

    # What somebody changes comes back also where one waits.
    waiting = resources[reasons().index("RolloutQueued")]
    name = {"name": f"{waiting['metadata']['name']}-api", "namespace": namespace}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": name}
    before = admin.get(service) or {}
    admin.merge(service, {"spec": {"selector": {"somebody": "else"}}})
    eventually(lambda: (admin.get(service) or {})["spec"] == before["spec"], what="the Service is as it was")

    # Its owner may edit it.
    admin.merge(waiting, {"spec": {"runtime": {"image": FIRST}}})
    live = Resource(admin, waiting).until("Ready", "True", timeout_seconds=PATIENCE_SECONDS)
    assert live["status"]["serving"]["generation"] == 2
    operator.settle()
    assert images().count(BAD) == MOST
    about = {each.path for each in operator.writes()[writes:] if "/apisvcs/" not in each.path}
    assert all(f"/{waiting['metadata']['name']}-" in path for path in about), about

    # A new leader keeps to it, and correcting the class lets everything go on.
    operator.stop()
    second = start()
    second.settle()
    assert images().count(BAD) == MOST
    admin.merge(class_, {"spec": {"runtime": None}})
    for resource in resources:
        Resource(admin, resource).until("Ready", "True", timeout_seconds=PATIENCE_SECONDS)
    default = second.settings.image
    assert sorted(set(images())) == sorted({FIRST, default})

    # So does an operator with another image.
    second.stop()
    with rolling_at_once(admin, namespace) as counts:
        start(image=SECOND)
        what = "all but one are new"
        eventually(lambda: rolled_out(SECOND, len(NAMES) - 1), what=what, timeout_seconds=PATIENCE_SECONDS)
    assert 0 < max(counts) <= MOST
    for resource in resources:
        Resource(admin, resource).until("Ready", "True", timeout_seconds=PATIENCE_SECONDS)
