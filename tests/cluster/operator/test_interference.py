"""Others at work in the same namespace: unowned objects in the way, edits, deletions, and what is theirs alone.

Every test counts writes: what is repaired is written once, and what is not ours is never written.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from fairlead_contract.names import FIELD_MANAGER
from fairlead_operator.kube import kinds

from ..client import ApiError, Client, Manifest
from ..identity import Identity, lease_rules
from ..recording import Record
from ..waiting import eventually
from .apisvc import LABEL, Resource, content
from .fullest import CLASS_FILE, full, planned
from .harness import Running, example, side_by_side

pytestmark = pytest.mark.usefixtures("recorder", "simulator")
WORKLOADS = ("api", "worker")
INGRESS = {"type": "Ingress", "ingress": {"hostnames": ["orders.example.com"]}}
# An unowned object is looked for again only after half a minute, because no watch reports it.
LOOK_AGAIN_SECONDS = 120.0
BY_CPU = {"backend": "HPA", "worker": {"min": 1, "max": 5}}
NAMED_BY_HASH = re.compile(r"-[0-9a-f]{10}$")
# The Job has a test of its own.
EDITS: dict[tuple[str, str], Manifest] = {
    ("ServiceAccount", "api"): {"automountServiceAccountToken": True},
    ("ConfigMap", "runtime"): {"metadata": {"labels": {"app.kubernetes.io/component": "other"}}},
    ("ConfigMap", "contract"): {"data": {"openapi.json": "{}"}},
    ("ConfigMap", "dead-letter"): {"data": {"dead-letter.json": "{}"}},
    ("Service", "api"): {"spec": {"selector": {"somebody": "else"}}},
    ("Service", "grpc"): {"spec": {"selector": {"somebody": "else"}}},
    ("Deployment", "api"): {"spec": {"revisionHistoryLimit": 7}},
    ("Deployment", "worker"): {"spec": {"revisionHistoryLimit": 7}},
    ("HorizontalPodAutoscaler", "api"): {"spec": {"maxReplicas": 3}},
    ("HorizontalPodAutoscaler", "worker"): {"spec": {"maxReplicas": 3}},
    ("PodDisruptionBudget", "api"): {"spec": {"maxUnavailable": 2}},
    ("NetworkPolicy", "api"): {"spec": {"policyTypes": ["Ingress"]}},
    ("NetworkPolicy", "worker"): {"spec": {"policyTypes": ["Ingress"]}},
    ("NetworkPolicy", "jobs"): {"spec": {"policyTypes": ["Ingress"]}},
    ("ScaledObject", "worker"): {"spec": {"maxReplicaCount": 3}},
    ("TriggerAuthentication", "worker"): {"spec": {"podIdentity": {"provider": "gcp"}}},
    ("ServiceMonitor", "api"): {"spec": {"endpoints": [{"port": "other"}]}},
    ("PodMonitor", "worker"): {"spec": {"podMetricsEndpoints": [{"port": "other"}]}},
    ("PrometheusRule", "api"): {"spec": {"groups": []}},
    ("HTTPRoute", "api"): {"spec": {"hostnames": ["other.example.com"]}},
    ("BackendTLSPolicy", "api"): {"spec": {"validation": {"hostname": "other.example.com"}}},
    ("Certificate", "api"): {"spec": {"secretName": "other"}},
    ("Certificate", "grpc"): {"spec": {"secretName": "other"}},
    ("Ingress", "api"): {"spec": {"rules": [{"host": "other.example.com"}]}},
}


def by_role(*resources: Resource) -> dict[tuple[str, str], Manifest]:
    """One child of every kind and role that these have, but for Jobs."""
    found: dict[tuple[str, str], Manifest] = {}
    for resource in resources:
        for (kind, name), child in resource.children().items():
            role = NAMED_BY_HASH.sub("", name.removeprefix(f"{resource.name}-"))
            if kind != "Job":
                found.setdefault((kind, role), child)
    return found


def assert_untouched(before: Manifest, after: Manifest | None) -> None:
    """Its own controllers may have written a status, and we nothing."""
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"].get("generation") == before["metadata"].get("generation")
    managers = {entry["manager"]: entry.get("subresource") for entry in after["metadata"]["managedFields"]}
    assert FIELD_MANAGER not in managers, before["kind"]
    if "status" not in managers.values():
        assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"], before["kind"]


def assert_quiet(operator: Running) -> None:
    """Nothing is written when everything is looked at once more."""
    count = len(operator.writes())
    operator.resync()
    assert operator.writes()[count:] == []


@contextmanager
def restored(client: Client, child: Manifest) -> Iterator[None]:
    """After the block, wait until the child is what it was before."""
    before = client.get(child)
    assert before is not None, child
    yield
    eventually(lambda: is_again(before, client.get(child)), what=f"{child} is as it was")


def is_again(before: Manifest, live: Manifest | None) -> bool:
    """Whether a child is there and as it was. Replicas are its autoscaler's."""
    if live is None or "deletionTimestamp" in live["metadata"]:
        return False
    was, now = content(before), content(live)
    for each in (was, now):
        each["spec"].pop("replicas", None)
    return was == now


def unowned(manifest: Manifest, chosen: set[str]) -> Iterator[Manifest]:
    """Objects of these kinds, with the names of the children that the ApiService is going to have, but not its own."""
    made = planned(manifest)
    for kind in sorted(chosen):
        child = next(each for each in made.children if each.kind == kind)
        metadata = {"name": child.name, "namespace": manifest["metadata"]["namespace"]}
        yield child.manifest | {"metadata": metadata}


def test_an_unowned_object_of_any_kind_is_named_and_left_alone_until_it_goes(
    admin: Client, namespace: str, start: Callable[..., Running]
) -> None:
    with_ingress = example(namespace, name="ingress", exposure=INGRESS)
    rollout = {"Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "ScaledObject", "TriggerAuthentication"}
    # What is rolled out waits for all that comes before it, so each of these has unowned objects of its own.
    in_the_way = [
        (full(namespace, "running"), rollout),
        (with_ingress, {"Ingress"}),
        (full(namespace, "first"), {kind.name for kind in kinds.CHILDREN} - rollout - {"Ingress"}),
    ]
    start(class_file=str(CLASS_FILE))

    def scenario(manifest: Manifest, chosen: set[str]) -> None:
        resource = Resource(admin, manifest)
        there = [admin.create(each) for each in unowned(manifest, chosen)]
        resource.create()
        live = resource.until("Stalled", "True", "Conflict")
        message = resource.condition("Ready")["message"]
        assert [each["kind"] for each in there if f"{each['kind']} {each['metadata']['name']}" not in message] == []
        others = {name for _, name in ((each["kind"], each["name"]) for each in live["status"]["children"])}
        assert others, "nothing else was applied"
        for each in there:
            assert_untouched(each, admin.get(each))
            admin.delete(each)
        resource.until("Ready", "True", timeout_seconds=LOOK_AGAIN_SECONDS)

    side_by_side(*(lambda each=each: scenario(*each) for each in in_the_way))


def test_each_child_comes_back_by_one_write_of_its_own(
    admin: Client, namespace: str, start: Callable[..., Running]
) -> None:
    operator = start(class_file=str(CLASS_FILE))

    def scenario(name: str, disturb: Callable[[Manifest, Manifest], object]) -> None:
        manifests = full(namespace, name), example(namespace, name=f"{name}-too", exposure=INGRESS, scaling=BY_CPU)
        resources = [Resource(admin, manifest).create() for manifest in manifests]
        for each in resources:
            each.until("Ready", "True")
        operator.settle()
        children = by_role(*resources)
        assert set(children) == set(EDITS)
        for role, child in children.items():
            count = len(operator.child_writes(name))
            with restored(admin, child):
                disturb(child, EDITS[role])
            (written,) = eventually(lambda n=count: operator.child_writes(name)[n:], what=f"{role} was written")
            assert (written.method, written.path.rpartition("/")[2]) == ("PATCH", child["metadata"]["name"])

    side_by_side(
        lambda: scenario("edited", admin.merge),
        lambda: scenario("deleted", lambda child, _: admin.delete(child)),
    )
    operator.settle()
    assert_quiet(operator)


def test_a_provision_job_that_succeeded_is_not_run_again(admin: Client, operator: Running, orders: Resource) -> None:
    job = next(each for (kind, _), each in orders.children().items() if kind == "Job")
    count = len(operator.child_writes(orders.name))
    admin.merge(job, {"spec": {"activeDeadlineSeconds": 1234}})
    operator.settle()
    admin.delete(job)
    operator.settle()
    assert admin.get(job) is None
    assert operator.child_writes(orders.name)[count:] == []
    assert orders.condition("Ready")["status"] == "True"


def test_what_users_add_and_scale_and_restart_is_theirs(admin: Client, operator: Running, orders: Resource) -> None:
    deployment, service = orders.child("Deployment", "api"), orders.child("Service", "api")
    restart = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    owned = {"metadata": {"labels": {"team": "shop"}, "annotations": {"shop.example/owner": "me"}}}
    count = len(operator.child_writes(orders.name))
    admin.merge(service, owned | {"spec": {"externalIPs": ["192.0.2.1"]}})
    admin.merge(deployment, owned | {"spec": {"replicas": 3, "template": {"metadata": {"annotations": restart}}}})
    operator.settle()
    orders.edit(api={"title": "Other"})
    orders.until("Ready", "True")
    operator.settle()
    operator.resync()
    live_service, live = admin.get(service), admin.get(deployment)
    assert live_service is not None
    assert live is not None
    assert live_service["spec"]["externalIPs"] == ["192.0.2.1"]
    assert live["spec"]["template"]["metadata"]["annotations"].items() >= restart.items()
    for each in (live_service, live):
        assert each["metadata"]["labels"]["team"] == "shop"
        assert each["metadata"]["annotations"]["shop.example/owner"] == "me"
    assert live["spec"]["replicas"] == 3
    written = [each.path for each in operator.child_writes(orders.name)[count:]]
    assert not [path for path in written if path.endswith("/services/orders-api")]
    assert len([path for path in written if path.endswith("/deployments/orders-api")]) == 1, "once, for the edit"
    assert_quiet(operator)


def test_a_child_without_its_owner_is_unowned_until_it_goes(admin: Client, operator: Running, orders: Resource) -> None:
    child = orders.child("NetworkPolicy", "worker")
    admin.merge(child, {"metadata": {"ownerReferences": None}})
    orders.until("Stalled", "True", "Conflict")
    assert "NetworkPolicy orders-worker" in orders.condition("Ready")["message"]
    operator.settle()
    assert_quiet(operator)
    admin.delete(child)
    orders.until("Ready", "True")
    restored = admin.get(child)
    assert restored is not None
    assert restored["metadata"]["ownerReferences"][0]["uid"] == orders.live()["metadata"]["uid"]


def test_a_child_without_its_label_gets_it_back(admin: Client, operator: Running, orders: Resource) -> None:
    for kind, suffix in (("Service", "api"), ("Deployment", "worker"), ("ConfigMap", "contract")):
        child, count = orders.child(kind, suffix), len(operator.child_writes(orders.name))
        with restored(admin, child):
            admin.merge(child, {"metadata": {"labels": {LABEL: None}}})
        operator.settle()
        # A create that is refused shows that it is there still, and one apply repairs it.
        assert len(operator.child_writes(orders.name)[count:]) == 2
    assert orders.until("Ready", "True")
    assert_quiet(operator)


def test_pods_and_replica_sets_that_users_remove_are_left_to_their_controllers(
    admin: Client, namespace: str, operator: Running, orders: Resource
) -> None:
    count = len(operator.child_writes(orders.name))
    selector = f"{LABEL}=orders,app.kubernetes.io/component=api"
    pods = admin.list("v1", "Pod", namespace=namespace, labelSelector=selector)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pods[0]["metadata"]["name"]}}
    path = f"/api/v1/namespaces/{namespace}/pods/{pods[0]['metadata']['name']}/eviction"
    eventually(lambda: is_evicted(admin, path, eviction), what="the pod may go")
    for each in admin.list("apps/v1", "ReplicaSet", namespace=namespace, labelSelector=selector):
        admin.delete(each)
    deployment = orders.child("Deployment", "worker")
    admin.merge(deployment, {"spec": {"replicas": 0}})
    operator.settle()
    orders.until("Ready", "True")
    eventually(lambda: orders.live()["status"]["worker"] == {"replicas": "0/0"}, what="the status reports no worker")
    operator.settle()
    assert operator.child_writes(orders.name)[count:] == []


def is_evicted(client: Client, path: str, eviction: Manifest) -> bool:
    """Evict a pod; not yet when its controller has to count the others first."""
    try:
        client.request("POST", path, body=eviction)
    except ApiError as error:
        if error.code != 429:
            raise
        return False
    return True


def test_a_quota_is_reported_once_and_pods_come_when_it_is_lifted(
    admin: Client, namespace: str, operator: Running, make: Callable[..., Resource]
) -> None:
    quota: Manifest = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": namespace},
        "spec": {"hard": {"pods": "1"}},
    }
    admin.create(quota)
    resource = make()

    def is_reported() -> bool:
        # The pod of the provision Job counts until the controller of quotas has seen its end; then one more may come.
        # The status gives such details some seconds later.
        status = resource.live().get("status", {})
        replicas = sorted(status.get(each, {}).get("replicas", "") for each in WORKLOADS)
        return "exceeded quota: few" in resource.condition("Ready").get("message", "") and replicas == ["0/1", "1/1"]

    eventually(is_reported, what="Ready reports the quota, and that there is one pod")
    operator.settle()
    count = len(operator.writes())

    def try_again() -> None:
        """Have the controller make the missing pods now, under other names: it waits longer after each failure."""
        for each in admin.list("apps/v1", "ReplicaSet", namespace=namespace):
            if each["status"]["replicas"] < each["spec"]["replicas"]:
                admin.merge(each, {"metadata": {"annotations": {"tried-at": str(time.monotonic())}}})

    def is_ready() -> bool:
        try_again()
        return resource.condition("Ready")["status"] == "True"

    for _ in range(3):
        try_again()
        operator.settle()
    assert operator.writes()[count:] == []
    admin.delete(quota)
    eventually(is_ready, what="the pods are there")


def test_two_operators_by_mistake_agree_and_come_to_rest(
    admin: Client,
    start: Callable[..., Running],
    operator_account: Identity,
    make: Callable[..., Resource],
    recorder: Record,
) -> None:
    # Each goes by its own clock and by what it has read, so the times of two who write one status have no order.
    recorder.several_operators = True
    first, resource = start(), make()
    operator_account.grant(lease_rules("another"), namespace=resource.namespace)
    operators = [first, start(lease_name="another")]
    resource.until("Ready", "True")
    resource.edit(api={"title": "Other"})
    resource.until("Ready", "True")
    for each in (*operators, *operators):
        each.settle()
    count = written(operators)
    service, policy = resource.child("Service", "api"), resource.child("NetworkPolicy", "worker")
    with restored(admin, service), restored(admin, policy):
        admin.merge(service, {"spec": {"selector": {"somebody": "else"}}})
        admin.delete(policy)
    for each in (*operators, *operators):
        each.settle()
    assert written(operators) - count <= 4 * len(operators)
    there = {child["metadata"]["uid"] for child in resource.children().values()}
    assert {child["uid"] for child in resource.live()["status"]["children"]} == there
    for each in operators:
        assert_quiet(each)
    assert resource.condition("Ready")["status"] == "True"


def written(operators: list[Running]) -> int:
    return sum(len(each.writes()) for each in operators)


def test_names_that_begin_alike_never_want_one_child(operator: Running, make: Callable[..., Resource]) -> None:
    resources = [make("orders"), make("orders-worker"), make("orders-api")]
    for each in resources:
        each.until("Ready", "True")
    operator.settle()
    for each in resources:
        owners = {child["metadata"]["ownerReferences"][0]["name"] for child in each.children().values()}
        assert owners == {each.name}
    resources[0].delete()
    resources[0].until_gone()
    operator.settle()
    assert [each.condition("Ready")["status"] for each in resources[1:]] == ["True", "True"]
