"""What the class of an ApiService does not allow is refused by a real API server, whichever way the class is found."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from ..client import Client
from ..waiting import eventually
from .resources import (
    api_service,
    gateway,
    ingress,
    jwt,
    kafka,
    named,
    over,
    postgresql,
    redis,
    refused,
    scaling,
    service_class,
)

LIMITS = {
    "datastores": ["PostgreSQL"],
    "caches": ["Redis"],
    "queues": ["Kafka"],
    "endpoints": ["*.db.example.com", "id.example.com", "a+b.example.com"],
    "hostnames": ["*.api.example.com"],
    "maxReplicas": 5,
    "parentRefs": [{"name": "public", "namespace": "gateways"}, {"name": "own"}],
    "images": ["registry.example.com/team/*"],
    "annotations": ["waf.example.com/*", r"quoted\E.*"],
}


@pytest.fixture(scope="module")
def limited(admin: Client, shop: str) -> Iterator[str]:
    """The name of a class with limits, in force."""
    manifest = admin.create(service_class(f"limited-{uuid.uuid4().hex[:10]}", limits=LIMITS))
    name = manifest["metadata"]["name"]
    known = lambda: refused(lambda: admin.create(api_service(shop, class_name=name), dry_run=True))  # noqa: E731
    eventually(known, what="the class is not in force")
    yield name
    admin.delete(manifest)


WITHIN = {"datastore": postgresql(), **scaling()}
ALLOWED: dict[str, dict[str, Any]] = {
    "a Service of the namespace": {},
    "a Service of the namespace by its full name": {"datastore": postgresql("db.NAMESPACE.svc.cluster.local")},
    "a host that a pattern allows": {"datastore": postgresql("one.db.example.com")},
    "a host in other letters": {"datastore": postgresql("ONE.DB.example.com")},
    "a replica that a pattern allows": {"datastore": postgresql(readReplica={"host": "two.db.example.com"})},
    "no cache": {"cache": {"type": "None"}},
    "a cache of the namespace": {"cache": redis(address="redis.NAMESPACE.svc:6379")},
    "brokers that a pattern allows": {"queue": kafka("one.db.example.com:9092", "kafka.NAMESPACE.svc:9092")},
    "an issuer that a pattern allows": {"security": jwt("https://id.example.com/realms/shop")},
    "an image that a pattern allows": {"runtime": {"image": "registry.example.com/team/workload:1"}},
    "as many replicas as the class has": {**scaling(api=5)},
    "more replicas by default, but nothing scales": {"scaling": {"backend": "None"}},
    "more replicas of a worker that is not there": {**scaling(worker=50)},
    "a gateway of the class": {"exposure": gateway("shop.api.example.com")},
    "a gateway of the namespace": {"exposure": gateway("shop.api.example.com", name="own", namespace=None)},
    "a gateway of the namespace by its name": {
        "exposure": gateway("a.api.example.com", name="own", namespace="NAMESPACE")
    },
    "all host names below one that a pattern allows": {"exposure": ingress("*.api.example.com")},
    "an annotation that a pattern allows": {"exposure": ingress("a.api.example.com", **{"waf.example.com/acl": "x"})},
}
OVER: dict[str, tuple[dict[str, Any], str]] = {
    "a datastore": ({"datastore": {"type": "DynamoDB"}}, "spec.datastore.type DynamoDB; use one of [PostgreSQL]"),
    "a cache": ({"cache": {"type": "Memory"}}, "spec.cache.type Memory; use None or one of [Redis]"),
    "a queue": ({"queue": {"type": "SQS", "sqs": {"queueName": "q"}}}, "spec.queue.type SQS; use one of [Kafka]"),
    "a host": ({"datastore": postgresql("db.example.com")}, "the host db.example.com outside the namespace"),
    "a Service of another namespace": ({"datastore": postgresql("db.other.svc")}, "the host db.other.svc"),
    "a name that is a host of the Internet in a namespace called dev": (
        {"cache": redis(address="redis.NAMESPACE:6379")},
        "the host redis.NAMESPACE",
    ),
    "a host that ends like the namespace": ({"datastore": postgresql("db.NAMESPACE.svc.evil.com")}, "svc.evil.com"),
    "a host that only ends like a pattern": ({"datastore": postgresql("one.db.example.com.evil.com")}, "evil.com"),
    "a host where a pattern's dot is a letter": ({"datastore": postgresql("onexdbxexample.com")}, "the host onex"),
    "a pattern's sign taken for an expression": ({"datastore": postgresql("aab.example.com")}, "the host aab"),
    "an address": ({"datastore": postgresql("10.0.0.1")}, "the host 10.0.0.1"),
    "an address as one number": ({"datastore": postgresql("2130706433")}, "the host 2130706433"),
    "an address in hexadecimal": ({"datastore": postgresql("0x7f000001")}, "the host 0x7f000001"),
    "a replica": ({"datastore": postgresql(readReplica={"host": "ro.example.com"})}, "the host ro.example.com"),
    "a cache's address": ({"cache": redis(address="redis.example.com:6379")}, "the host redis.example.com"),
    "one of several sentinels": (
        {"cache": redis(mode="Sentinel", sentinel={"masterName": "m", "addresses": ["a:1", "b.example.com:1"]})},
        "the host b.example.com",
    ),
    "a node of a cluster": (
        {"cache": redis(mode="Cluster", cluster={"addresses": ["c.example.com:1"]})},
        "c.example.com",
    ),
    "one of several brokers": ({"queue": kafka("kafka:9092", "evil.com:9092")}, "the host evil.com"),
    "an issuer": ({"security": jwt("https://evil.com/id.example.com")}, "the host evil.com"),
    "an issuer behind a user name": ({"security": jwt("https://id.example.com@evil.com")}, "the host evil.com"),
    "an issuer by address": ({"security": jwt("https://[fd00::1]/")}, "the host fd00::1"),
    "keys from elsewhere": ({"security": jwt("https://id.example.com", jwksUrl="https://evil.com/keys")}, "evil.com"),
    "an image": ({"runtime": {"image": "evil.com/registry.example.com/team/x"}}, "spec.runtime.image evil.com"),
    "replicas": (scaling(api=6), "more than 5 replicas; set spec.scaling.api.max"),
    "replicas of the worker": ({**scaling(worker=6), "queue": kafka("kafka:9092")}, "set spec.scaling.worker.max"),
    "a gateway": ({"exposure": gateway("a.api.example.com", name="other")}, "parentRef, other"),
    "a gateway of that name elsewhere": (
        {"exposure": gateway("a.api.example.com", namespace="mine")},
        "parentRef, public",
    ),
    "a host name": ({"exposure": gateway("shop.example.com")}, "the host name shop.example.com"),
    "one of several host names": ({"exposure": ingress("a.api.example.com", "b.com")}, "the host name b.com"),
    "more host names than a pattern allows": ({"exposure": gateway("*.example.com")}, "the host name *.example.com"),
    "every host name": ({"exposure": gateway()}, "set spec.exposure.gateway.hostnames"),
    "every host name of an Ingress": ({"exposure": ingress()}, "set spec.exposure.ingress.hostnames"),
    "an annotation": ({"exposure": ingress("a.api.example.com", **{"nginx/snippet": "x"})}, "annotation nginx/snippet"),
    "an annotation by a quoting trick": ({"exposure": ingress("a.api.example.com", quotedEvil="x")}, "quotedEvil"),
}


def in_namespace(value: Any, namespace: str) -> Any:
    if isinstance(value, dict):
        return {key: in_namespace(child, namespace) for key, child in value.items()}
    if isinstance(value, list):
        return [in_namespace(child, namespace) for child in value]
    return value.replace("NAMESPACE", namespace) if isinstance(value, str) else value


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_a_class_allows(admin: Client, shop: str, limited: str, change: dict[str, Any]) -> None:
    spec = WITHIN | in_namespace(change, shop)
    admin.create(api_service(shop, class_name=limited, **spec), dry_run=True)


@pytest.mark.parametrize(("change", "said"), OVER.values(), ids=OVER)
def test_a_class_does_not_allow(admin: Client, shop: str, limited: str, change: dict[str, Any], said: str) -> None:
    spec = WITHIN | in_namespace(change, shop)
    message = refused(lambda: admin.create(api_service(shop, class_name=limited, **spec), dry_run=True))
    assert f"ApiServiceClass {limited} does not allow" in message
    assert said in message.replace(shop, "NAMESPACE").replace("NAMESPACE.svc.evil.com", "svc.evil.com")


@pytest.mark.parametrize(("change", "said"), OVER.values(), ids=OVER)
def test_a_class_without_limits_allows_everything(
    admin: Client, shop: str, limited: str, change: dict[str, Any], said: str
) -> None:
    del limited, said
    admin.create(api_service(shop, class_name="not-there", **(WITHIN | in_namespace(change, shop))), dry_run=True)


@pytest.fixture
def strict_default(admin: Client, shop: str) -> Iterator[str]:
    """A default class that allows PostgreSQL only, in force."""
    name = named("default")
    manifest = admin.create(service_class(name, limits={"datastores": ["PostgreSQL"]}, default=True))
    eventually(lambda: over(admin, shop), what="the default class is not in force")
    yield name
    admin.delete(manifest)
    eventually(lambda: not over(admin, shop), what="the default class is still in force")


def test_a_resource_without_a_class_has_the_limits_of_the_default(
    admin: Client, shop: str, strict_default: str
) -> None:
    assert f"ApiServiceClass {strict_default} does not allow" in over(admin, shop)
    assert f"ApiServiceClass {strict_default} does not allow" in over(admin, shop, className="built-in")
    admin.create(api_service(shop, datastore=postgresql()), dry_run=True)


def test_a_resource_that_names_another_class_does_not_have_the_limits_of_the_default(
    admin: Client, shop: str, strict_default: str
) -> None:
    other = admin.create(service_class(named("open")))
    assert over(admin, shop, className=other["metadata"]["name"]) == ""
    admin.delete(other)


def test_the_class_in_the_status_stays_that_of_the_resource(admin: Client, shop: str) -> None:
    pinned = admin.create(service_class(named("pinned"), limits={"datastores": ["DynamoDB"], "maxReplicas": 3}))
    live = admin.create(api_service(shop, name=named("pinned"), **scaling(api=3, worker=3)))
    admin.merge(live, {"status": {"className": pinned["metadata"]["name"]}}, subresource="status")
    change = {"spec": {"scaling": {"api": {"max": 4}}}}
    refusal = lambda: refused(lambda: admin.merge(live, change))  # noqa: E731
    assert f"ApiServiceClass {pinned['metadata']['name']} does not allow more than 3" in eventually(
        refusal, what="allowed"
    )
    admin.merge(live, {"spec": {"scaling": {"api": {"max": 2}}}})
    admin.delete(pinned)


def test_a_status_that_the_author_brings_along_chooses_no_class(admin: Client, shop: str, strict_default: str) -> None:
    lax = admin.create(service_class(named("lax")))
    forged = api_service(shop) | {"status": {"className": lax["metadata"]["name"]}}
    assert strict_default in refused(lambda: admin.create(forged, dry_run=True))
    admin.delete(lax)


def test_a_tightened_class_stops_edits_of_the_specification_and_nothing_else(admin: Client, shop: str) -> None:
    name = named("tightened")
    manifest = admin.create(service_class(name, limits={"maxReplicas": 9}))
    live = admin.create(api_service(shop, name=named("held"), class_name=name, **scaling(api=9, worker=9)))
    admin.merge(live, {"metadata": {"finalizers": ["fairlead.dev/teardown"]}})
    admin.merge(manifest, {"spec": {"limits": {"maxReplicas": 2}}})
    edit = {"spec": {"deletionPolicy": "Delete"}}
    eventually(lambda: refused(lambda: admin.merge(live, edit)), what="the tightened class is not in force")
    admin.merge(live, {"metadata": {"annotations": {"fairlead.dev/paused": "true"}}})
    admin.merge(live, {"status": {"url": "http://orders"}}, subresource="status")
    admin.delete(live)
    admin.merge(live, {"metadata": {"finalizers": None}})
    assert admin.get(live) is None
    admin.delete(manifest)


def test_limits_of_every_size_are_within_the_budget_of_the_policy(admin: Client, shop: str) -> None:
    patterns = [f"*.team{number:02}.databases.example.com" for number in range(64)]
    limits = {"endpoints": patterns, "hostnames": patterns, "annotations": patterns, "images": patterns[:32]}
    manifest = admin.create(service_class(named("large"), limits=limits))
    hosts = [f"broker{number:02}.team63.databases.example.com" for number in range(32)]
    spec = {
        "className": manifest["metadata"]["name"],
        "datastore": postgresql(hosts[0]),
        "cache": redis(mode="Cluster", cluster={"addresses": [f"{host}:6379" for host in hosts]}),
        "queue": kafka(*(f"{host}:9092" for host in hosts)),
        "exposure": ingress(*hosts[:16], **{hosts[0]: "x"}),
    }
    eventually(
        lambda: over(admin, shop, **spec | {"datastore": postgresql("evil.com")}),
        what="the large class is not in force",
    )
    admin.create(api_service(shop, **spec), dry_run=True)
    admin.delete(manifest)
