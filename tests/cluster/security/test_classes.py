"""Classes on a real API server, without the chart's policies: what an ApiService gets from its class, and what the
operator itself does when the class allows less than the ApiService asks for. What the policies refuse is in
tests/cluster/charts/test_class_limits.py.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead_operator.controller.workers import FINAL_FIRST_SECONDS

from ..charts.resources import gateway, ingress, jwt, kafka, named, postgresql, redis, service_class
from ..client import Client, Manifest
from ..operator.apisvc import Resource, content
from ..operator.harness import EXAMPLE, Running, example
from ..simulator import Simulator
from ..waiting import eventually

FIRST, SECOND = (f"registry.example/team/workload:{tag}" for tag in ("1", "2"))


@pytest.fixture
def make_class(admin: Client) -> Iterator[Callable[..., Manifest]]:
    """Create a class with this spec; each is deleted at the end."""
    made: list[Manifest] = []

    def create(*, default: bool = False, **spec: Any) -> Manifest:
        manifest = service_class(named("class"), default=default)
        manifest["spec"] |= spec
        made.append(admin.create(manifest))
        return made[-1]

    yield create
    for each in made:
        admin.delete(each)


def small(admin: Client, namespace: str, name: str, **spec: Any) -> Resource:
    """An ApiService of one Deployment that needs no provisioning."""
    manifest: Manifest = yaml.safe_load((EXAMPLE.parent / "products.yaml").read_text())
    manifest["metadata"] = {"name": name, "namespace": namespace}
    manifest["spec"].pop("className", None)
    manifest["spec"] |= spec
    return Resource(admin, manifest).create()


def name_of(class_: Manifest) -> str:
    return str(class_["metadata"]["name"])


def image(resource: Resource) -> str:
    live = resource.client.get(resource.child("Deployment", "api"))
    assert live
    return str(live["spec"]["template"]["spec"]["containers"][0]["image"])


def test_the_default_class_is_chosen_once_and_stays(
    admin: Client,
    namespace: str,
    start: Callable[..., Running],
    simulator: Simulator,
    make_class: Callable[..., Manifest],
) -> None:
    operator = start()
    before = small(admin, namespace, "before")
    assert before.until("Ready", "True")["status"]["className"] == "built-in"
    old = make_class(default=True, runtime={"image": FIRST})
    eventually(
        lambda: before.live()["status"]["className"] == name_of(old), what="who had no class takes the first default"
    )
    first = small(admin, namespace, "first")
    assert first.until("Ready", "True")["status"]["className"] == name_of(old)
    assert image(first) == FIRST
    new = make_class(default=True, runtime={"image": SECOND})
    # Of a class and of a resource made after it the operator may learn in any order.
    operator.until_known(new)
    second = small(admin, namespace, "second")
    assert second.until("Ready", "True")["status"]["className"] == name_of(old), "of two defaults the older one counts"
    operator.until_known(admin.merge(old, {"spec": {"isDefault": False}}))
    third = small(admin, namespace, "third")
    assert third.until("Ready", "True")["status"]["className"] == name_of(new)
    first.edit(api={"title": "Other"})
    assert first.until("Ready", "True")["status"]["className"] == name_of(old)
    assert image(first) == FIRST


def test_children_follow_their_class(
    admin: Client,
    namespace: str,
    start: Callable[..., Running],
    simulator: Simulator,
    make_class: Callable[..., Manifest],
) -> None:
    start()
    class_ = make_class(runtime={"image": FIRST})
    resource = small(admin, namespace, "shop", className=name_of(class_))
    resource.until("Ready", "True")
    change = {
        "runtime": {"image": SECOND, "pullSecrets": [{"name": "registry"}]},
        "serviceAccount": {"annotations": {"cloud.example/role": "shop"}},
        "monitoring": {"labels": {"release": "prometheus"}},
    }
    admin.merge(class_, {"spec": change})

    def follows() -> bool:
        children = resource.children()
        pod = children["Deployment", "shop-api"]["spec"]["template"]["spec"]
        account, monitor = children["ServiceAccount", "shop-api"], children["ServiceMonitor", "shop-api"]
        return (
            pod["containers"][0]["image"] == SECOND
            and pod.get("imagePullSecrets") == [{"name": "registry"}]
            and account["metadata"].get("annotations", {}).get("cloud.example/role") == "shop"
            and monitor["metadata"]["labels"].get("release") == "prometheus"
        )

    eventually(follows, what="every child is as the class says")
    resource.until("Ready", "True")


def test_a_class_that_is_deleted_takes_nothing_with_it(
    admin: Client,
    namespace: str,
    start: Callable[..., Running],
    simulator: Simulator,
    make_class: Callable[..., Manifest],
) -> None:
    operator = start()
    class_ = make_class(runtime={"image": FIRST})
    resource = small(admin, namespace, "shop", className=name_of(class_))
    resource.until("Ready", "True")
    before = resource.children()
    admin.delete(class_)
    resource.until("Stalled", "True", "ClassNotFound")
    late = small(admin, namespace, "late", className=name_of(class_))
    late.until("Stalled", "True", "ClassNotFound")
    operator.settle()
    assert resource.children().keys() == before.keys()
    assert resource.condition("ApiAvailable")["status"] == "True"
    assert late.children() == {}
    admin.create({key: class_[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": name_of(class_)}})
    resource.until("Ready", "True")
    late.until("Ready", "True")
    assert image(resource) == FIRST


# More than the API server takes on one object, which no rule of the definition counts.
TOO_MANY = {"serviceAccount": {"annotations": {f"cloud.example/{number}": "x" * 4096 for number in range(64)}}}
NONE_OF_THEM = {"spec": {"serviceAccount": {"annotations": None}}}


def test_what_can_never_be_applied_is_stalled_with_its_cause_and_asked_for_seldom(
    admin: Client,
    namespace: str,
    start: Callable[..., Running],
    simulator: Simulator,
    make_class: Callable[..., Manifest],
) -> None:
    operator = start()
    class_ = make_class(**TOO_MANY)
    resource = small(admin, namespace, "shop", className=name_of(class_))
    resource.until("Stalled", "True", "Refused")
    said = resource.condition("Ready")["message"]
    assert "the API server refuses ServiceAccount shop-api:" in said
    assert said.endswith(f"correct the ApiService, or its class {name_of(class_)}")

    def event_types() -> list[str]:
        return [each["type"] for each in admin.list("v1", "Event", namespace=namespace) if each["reason"] == "Refused"]

    def refused_at() -> list[float]:
        return [each.at for each in operator.child_writes("shop") if each.code == 422]

    assert eventually(event_types, what="an Event reports it") == ["Warning"]
    # What the operator learns while it makes the rest may bring one more try at once.
    begun = refused_at()[0]
    eventually(lambda: refused_at()[-1] - begun > FINAL_FIRST_SECONDS / 2, what="it is tried again")
    assert len(refused_at()) <= 3
    admin.merge(class_, NONE_OF_THEM)
    resource.until("Ready", "True")


def test_a_teardown_that_can_never_begin_says_why(
    admin: Client,
    namespace: str,
    start: Callable[..., Running],
    simulator: Simulator,
    make_class: Callable[..., Manifest],
) -> None:
    operator = start()
    class_ = make_class()
    resource = Resource(admin, plain(namespace, "shop", class_, deletionPolicy="Delete")).create()
    resource.until("Ready", "True")
    operator.until_known(admin.merge(class_, {"spec": TOO_MANY}))
    resource.delete()
    resource.until("Stalled", "True", "Refused")
    said = eventually(
        lambda: "shop-teardown" in (text := resource.condition("Ready")["message"]) and text,
        what="the teardown is reported",
    )
    assert "ServiceAccount shop-teardown" in said
    assert "skip-teardown" in said
    admin.merge(class_, NONE_OF_THEM)
    resource.until_gone()


LIMITS = {
    "datastores": ["PostgreSQL"],
    "caches": ["Memory"],
    "queues": ["SQS"],
    "endpoints": ["*.db.example.com"],
    "hostnames": ["*.shop.example.com"],
    "parentRefs": [{"name": "public", "namespace": "gateways"}],
    "images": ["registry.example/team/*"],
    "annotations": ["waf.example.com/*"],
    "maxReplicas": 20,
}
BEYOND: dict[str, tuple[dict[str, Any], str]] = {
    "datastore": ({"datastore": {"type": "DynamoDB"}, "cache": {"type": "None"}}, "datastore type DynamoDB"),
    "cache": ({"cache": redis(address="redis:6379")}, "cache type Redis"),
    "queue": ({"queue": kafka("kafka:9092")}, "queue type Kafka"),
    "host": ({"datastore": postgresql("evil.example.com")}, "the host evil.example.com"),
    "issuer": ({"security": jwt("https://id.example.com")}, "the host id.example.com"),
    "hostname": ({"exposure": gateway("bank.example.com")}, "the host name bank.example.com"),
    "gateway": ({"exposure": gateway("a.shop.example.com", name="own")}, "the Gateway gateways/own"),
    "image": ({"runtime": {"image": "evil.example/miner:1"}}, "the image evil.example/miner:1"),
    "annotation": ({"exposure": ingress("a.shop.example.com", snippet="x")}, "the annotation snippet"),
    "replicas": ({"scaling": {"api": {"max": 21}}}, "at most 20 replicas"),
}
WITHIN: dict[str, Any] = {
    "queue": None,
    "worker": None,
    "cache": {"type": "Memory"},
    "datastore": postgresql(),
    "scaling": None,
    "exposure": None,
}


def plain(namespace: str, name: str, class_: Manifest, **spec: Any) -> Manifest:
    """The example without a worker, and within every limit but for `spec`."""
    wanted = {"className": name_of(class_), **WITHIN, **spec}
    manifest = example(namespace, name=name, **wanted)
    for each in manifest["spec"]["api"]["resources"]:
        each.pop("cache", None)
        each["writes"] = "Sync"
    return manifest


def intents(resource: Resource) -> dict[tuple[str, str], tuple[str, Manifest]]:
    """The uid of each child, and what is meant with it: its status is for its own controllers to write."""
    return {key: (child["metadata"]["uid"], content(child)) for key, child in resource.children().items()}


def test_a_class_that_is_tightened_leaves_what_runs_and_lets_it_go(
    admin: Client,
    namespace: str,
    start: Callable[..., Running],
    simulator: Simulator,
    make_class: Callable[..., Manifest],
) -> None:
    operator = start()
    class_ = make_class()
    beyond = {
        name: Resource(admin, plain(namespace, name, class_, deletionPolicy="Delete", **spec)).create()
        for name, (spec, _) in BEYOND.items()
    }
    within = Resource(admin, plain(namespace, "within", class_)).create()
    for resource in (*beyond.values(), within):
        resource.until("Ready", "True", timeout_seconds=60)
    operator.settle()
    running = {name: intents(resource) for name, resource in beyond.items()}
    writes = {name: len(operator.child_writes(name)) for name in beyond}
    operator.until_known(admin.merge(class_, {"spec": {"limits": LIMITS}}))
    for name, resource in beyond.items():
        resource.until("Stalled", "True", "ClassLimits")
        assert BEYOND[name][1] in resource.condition("Ready")["message"]
        assert resource.condition("ApiAvailable")["status"] == "True"
    operator.settle()
    assert {name: intents(resource) for name, resource in beyond.items()} == running
    assert {name: len(operator.child_writes(name)) for name in beyond} == writes
    within.until("Ready", "True")
    edited = beyond.pop("replicas")
    edited.edit(scaling={"api": {"max": 2}})
    edited.until("Ready", "True")
    refused = Resource(admin, plain(namespace, "refused", class_, **BEYOND["image"][0])).create()
    refused.until("Stalled", "True", "ClassLimits")
    assert refused.children() == {}
    for resource in beyond.values():
        assert resource.live()["metadata"]["finalizers"] == ["fairlead.dev/teardown"]
        resource.delete()
    for resource in beyond.values():
        resource.until_gone()


def test_an_operator_of_one_namespace_knows_the_class_of_its_file_and_no_other(
    admin: Client,
    namespace: str,
    start: Callable[..., Running],
    simulator: Simulator,
    make_class: Callable[..., Manifest],
    tmp_path: Path,
) -> None:
    other = make_class(default=True, runtime={"image": SECOND})
    file = tmp_path / "class.yaml"
    spec = {"isDefault": True, "runtime": {"image": FIRST}, "limits": {"images": ["registry.example/team/*"]}}
    class_ = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "ApiServiceClass", "metadata": {"name": "team"}}
    file.write_text(yaml.safe_dump(class_ | {"spec": spec}))
    operator = start(class_file=str(file))
    resource = small(admin, namespace, "shop")
    assert resource.until("Ready", "True")["status"]["className"] == "team"
    assert image(resource) == FIRST
    foreign = small(admin, namespace, "foreign", className=name_of(other))
    foreign.until("Stalled", "True", "ClassNotFound")
    beyond = small(admin, namespace, "beyond", runtime={"image": "evil.example/miner:1"})
    beyond.until("Stalled", "True", "ClassLimits")
    assert foreign.children() == beyond.children() == {}
    assert [each for each in operator.sent if "apisvcclasses" in each.path] == []
