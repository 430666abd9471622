"""The life of one resource on a real API server: made, edited, interfered with, paused, deleted."""

from collections.abc import Callable

import pytest

from ...kstatus import reading
from ..client import Client, Manifest
from ..simulator import Simulator, failed
from ..waiting import eventually
from .harness import Running, StatusRecorder, example

pytestmark = pytest.mark.usefixtures("recorder")
KINDS = (
    ("v1", "ServiceAccount"),
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("apps/v1", "Deployment"),
    ("batch/v1", "Job"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
    ("monitoring.coreos.com/v1", "PodMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("keda.sh/v1alpha1", "ScaledObject"),
)


def condition(resource: Manifest, name: str) -> Manifest:
    """One condition, or an empty one."""
    return next((each for each in resource.get("status", {}).get("conditions", ()) if each["type"] == name), {})


def until(client: Client, resource: Manifest, name: str, state: str, reason: str = "") -> Manifest:
    """Wait for a condition that is about the newest spec; the live resource."""

    def check() -> Manifest | None:
        live = client.get(resource)
        assert live is not None
        found = condition(live, name)
        current = live.get("status", {}).get("observedGeneration") == live["metadata"]["generation"]
        return live if current and found.get("status") == state and reason in ("", found.get("reason")) else None

    try:
        return eventually(check, what=f"{name} is {state} {reason}", timeout_seconds=20)
    except AssertionError as error:
        live = client.get(resource)
        raise AssertionError(f"{error}\n{live and live.get('status')}") from error


def children(client: Client, namespace: str) -> dict[tuple[str, str], Manifest]:
    """Everything that carries the label, by kind and name."""
    return {
        (kind, each["metadata"]["name"]): each
        for version, kind in KINDS
        for each in client.list(version, kind, namespace=namespace, labelSelector="fairlead.dev/apisvc")
    }


def test_a_new_resource_becomes_ready(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    operator = start()
    resource = example(namespace)
    admin.create(resource)
    live = until(admin, resource, "Ready", "True")
    operator.settle()
    assert reading(live) == "Current"
    assert live["status"]["url"] == f"http://orders-api.{namespace}.svc"
    assert live["status"]["provision"]["state"] == "Succeeded"
    assert live["status"]["serving"]["generation"] == 1
    names = {(each["kind"], each["name"]) for each in live["status"]["children"]}
    assert names == set(children(admin, namespace))
    writes = [each for each in operator.writes() if "/apisvcs/" not in each.path]
    status_writes = [each for each in operator.writes() if "/apisvcs/" in each.path]
    assert len(writes) == len(names)
    assert len(status_writes) <= 4, status_writes
    print(f"a new resource: {len(names)} children, {len(writes)} + {len(status_writes)} writes")


def test_workloads_wait_for_provisioning(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    simulator.job_message = lambda pod: None
    start()
    resource = example(namespace)
    admin.create(resource)
    until(admin, resource, "Ready", "Unknown", "Provisioning")
    found = children(admin, namespace)
    assert ("Service", "orders-api") in found
    assert not [name for kind, name in found if kind == "Deployment"]


def test_failed_provisioning_is_told_and_tried_again_on_request(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    working = simulator.job_message
    simulator.job_message = lambda pod: (True, failed(pod)[1])
    start()
    resource = example(namespace)
    admin.create(resource)
    live = until(admin, resource, "Stalled", "True", "ProvisionFailed")
    assert "password authentication failed" in condition(live, "Ready")["message"]
    assert reading(live) == "Failed"
    simulator.job_message = working
    admin.merge(resource, {"metadata": {"annotations": {"fairlead.dev/reconcile-requested-at": "one"}}})
    live = until(admin, resource, "Ready", "True")
    assert live["status"]["lastHandledReconcileAt"] == "one"


def test_an_edit_reaches_the_children_and_old_generations_stay_for_a_rollback(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    operator = start()
    resource = example(namespace)
    admin.create(resource)
    before = until(admin, resource, "Ready", "True")
    operator.settle()
    count = len(operator.writes())
    admin.merge(resource, {"spec": {"api": {"title": "Other"}}})
    after = until(admin, resource, "Ready", "True")
    operator.settle()
    assert after["status"]["serving"]["generation"] == 2
    assert after["status"]["serving"]["runtimeHash"] != before["status"]["serving"]["runtimeHash"]
    generations = [name for kind, name in children(admin, namespace) if "-runtime-" in name]
    assert len(generations) == 2
    changed = operator.writes()[count:]
    assert len(changed) <= 8, changed
    print(f"an edit: {[each.path.rpartition('/namespaces/')[2] for each in changed]}")


@pytest.mark.parametrize(
    ("version", "kind", "name", "change"),
    [
        ("v1", "Service", "orders-api", {"spec": {"selector": {"somebody": "else"}}}),
        ("v1", "ServiceAccount", "orders-api", {"automountServiceAccountToken": True}),
        ("apps/v1", "Deployment", "orders-api", {"spec": {"revisionHistoryLimit": 7}}),
        ("networking.k8s.io/v1", "NetworkPolicy", "orders-api", {"spec": {"policyTypes": ["Ingress"]}}),
    ],
)
def test_what_somebody_changes_comes_back(
    admin: Client,
    namespace: str,
    start: Callable[..., Running],
    simulator: Simulator,
    version: str,
    kind: str,
    name: str,
    change: Manifest,
) -> None:
    operator = start()
    resource = example(namespace)
    admin.create(resource)
    until(admin, resource, "Ready", "True")
    operator.settle()
    child = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}}
    before = admin.get(child)
    assert before is not None
    admin.merge(child, change)

    def restored() -> bool:
        live = admin.get(child)
        return live is not None and _content(live) == _content(before)

    eventually(restored, what=f"{kind} is as it was", timeout_seconds=10)
    admin.delete(child)
    eventually(restored, what=f"{kind} is there again", timeout_seconds=10)
    operator.settle()
    count = len(operator.writes())
    operator.resync()
    assert operator.writes()[count:] == []


def test_what_is_no_longer_asked_for_goes(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    start()
    resource = example(namespace)
    admin.create(resource)
    until(admin, resource, "Ready", "True")
    assert ("Deployment", "orders-worker") in children(admin, namespace)
    live = admin.get(resource)
    assert live is not None
    live["spec"]["api"]["resources"][1] |= {"writes": "Sync"}
    del live["spec"]["queue"], live["spec"]["worker"]
    admin.replace(live)
    until(admin, resource, "Ready", "True")

    def gone() -> bool:
        names = {name for kind, name in children(admin, namespace) if kind != "ConfigMap"}
        return not any("worker" in name for name in names)

    eventually(gone, what="nothing of the worker is left")
    admin.delete(resource)
    eventually(lambda: not children(admin, namespace), what="nothing is left")


def test_a_paused_resource_is_left_alone(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    operator = start()
    resource = example(namespace)
    admin.create(resource)
    until(admin, resource, "Ready", "True")
    admin.merge(resource, {"metadata": {"annotations": {"fairlead.dev/paused": "true"}}})
    until(admin, resource, "Ready", "Unknown", "Paused")
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "orders-api", "namespace": namespace}}
    admin.delete(service)
    operator.settle()
    assert admin.get(service) is None
    admin.merge(resource, {"metadata": {"annotations": {"fairlead.dev/paused": None}}})
    until(admin, resource, "Ready", "True")
    assert admin.get(service) is not None


def test_a_stranger_in_the_way_is_not_touched(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    stranger: Manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "orders-api", "namespace": namespace},
        "spec": {"ports": [{"port": 1234}]},
    }
    before = admin.create(stranger)
    start()
    resource = example(namespace)
    admin.create(resource)
    live = until(admin, resource, "Stalled", "True", "Conflict")
    assert "Service orders-api" in condition(live, "Ready")["message"]
    after = admin.get(stranger)
    assert after is not None
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    admin.delete(stranger)
    admin.merge(resource, {"metadata": {"annotations": {"fairlead.dev/reconcile-requested-at": "now"}}})
    until(admin, resource, "Ready", "True")


def test_a_bad_spec_leaves_the_last_good_version_serving(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    start()
    resource = example(namespace)
    admin.create(resource)
    until(admin, resource, "Ready", "True")
    bad = "registry.example/absent:1"
    simulator.verdict = lambda pod: "pull" if pod["spec"]["containers"][0]["image"] == bad else "ready"
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "orders-api", "namespace": namespace}}
    before = admin.get(service)
    change = {"runtime": {"image": bad}, "security": {"tls": {"secret": {"name": "orders-tls"}}}}
    admin.merge(resource, {"spec": change})

    def told() -> bool:
        live = admin.get(resource)
        return live is not None and bad in condition(live, "Ready").get("message", "")

    eventually(told, what="Ready tells of the image", timeout_seconds=15)
    live, after = admin.get(resource), admin.get(service)
    assert live is not None
    assert before is not None
    assert after is not None
    assert live["status"]["serving"]["generation"] == 1
    assert after["spec"] == before["spec"]
    assert condition(live, "ApiAvailable")["status"] == "True"


def test_nothing_is_written_when_nothing_changes_nor_at_a_restart(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    operator = start()
    resource = example(namespace)
    admin.create(resource)
    until(admin, resource, "Ready", "True")
    operator.settle()
    count = len(operator.writes())
    operator.resync()
    operator.resync()
    assert operator.writes()[count:] == []
    operator.stop()
    second = start()
    second.settle()
    assert second.writes() == []
    assert [each for each in second.sent_by_us() if each.method == "GET"], "it did not look at all"


def test_an_unknown_class_makes_nothing(
    admin: Client, namespace: str, start: Callable[..., Running], recorder: StatusRecorder
) -> None:
    operator = start()
    resource = example(namespace, className="nowhere")
    admin.create(resource)
    until(admin, resource, "Stalled", "True", "ClassNotFound")
    operator.settle()
    assert children(admin, namespace) == {}


def _content(live: Manifest) -> Manifest:
    metadata = {key: live["metadata"].get(key) for key in ("labels", "annotations", "ownerReferences")}
    rest = {key: value for key, value in live.items() if key not in {"metadata", "status"}}
    rest.get("spec", {}).pop("clusterIP", None)
    rest.get("spec", {}).pop("clusterIPs", None)
    metadata["annotations"] = None
    return rest | {"metadata": metadata}
