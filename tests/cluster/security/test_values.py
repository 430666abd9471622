"""The threats of docs/security.md that come with the value of a field: hosts, names, sizes and texts.

Each on a real API server with the chart's policies: refused, or nothing is written and a condition says why.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fairlead_operator.kube.decoding import loads

from ..charts.resources import api_service, gateway, ingress, jwt, kafka, named, over, postgresql, redis, service_class
from ..charts.resources import refused as refusal
from ..client import Client, Manifest
from ..operator.apisvc import Resource, condition
from ..operator.harness import Running, example
from ..simulator import Simulator
from ..waiting import eventually
from .malicious import MALICIOUS, planned

# Endpoints, host names and gateways, by the class

LIMITS = {
    "endpoints": ["*.db.example.com", "id.example.com"],
    "hostnames": ["*.shop.example.com"],
    "parentRefs": [{"name": "public", "namespace": "gateways"}],
    "images": ["registry.example.com/team/*"],
    "annotations": ["waf.example.com/*"],
}


@pytest.fixture(scope="module")
def limited(admin: Client, shop: str) -> Iterator[str]:
    manifest = admin.create(service_class(named("limited"), limits=LIMITS))
    name = manifest["metadata"]["name"]
    eventually(lambda: over(admin, shop, className=name, datastore=postgresql("evil.com")), what="it is in force")
    yield name
    admin.delete(manifest)


REFUSED: dict[str, dict[str, Any]] = {
    "request forgery by a database": {"datastore": postgresql("169.254.169.254")},
    "request forgery by a database of another namespace": {"datastore": postgresql("db.payments.svc")},
    "request forgery by a read replica": {"datastore": postgresql(readReplica={"host": "evil.com"})},
    "request forgery by a cache": {"cache": redis(address="localhost.evil.com:6379")},
    "request forgery by a cache's address": {"cache": redis(address="[::1]:6379")},
    "request forgery by a broker": {"queue": kafka("kafka:9092", "evil.com:9092")},
    "request forgery by an issuer": {"security": jwt("https://evil.com")},
    "request forgery by keys": {"security": jwt("https://id.example.com", jwksUrl="https://evil.com/jwks")},
    "request forgery by a user in a URL": {"security": jwt("https://id.example.com@evil.com/")},
    "request forgery by a backslash": {"security": jwt("https://evil.com\\@id.example.com/")},
    "host name of somebody else": {"exposure": gateway("bank.example.com")},
    "host name of somebody else on an Ingress": {"exposure": ingress("bank.example.com")},
    "every host name": {"exposure": gateway()},
    "gateway of another namespace": {"exposure": gateway("a.shop.example.com", namespace="kube-system")},
    "image from anywhere": {"runtime": {"image": "docker.io/evil/miner:1"}},
    "image that looks like one of ours": {"runtime": {"image": "evil.com/registry.example.com/team/x:1"}},
    "annotation with a snippet": {
        "exposure": ingress("a.shop.example.com", **{"nginx.ingress.kubernetes.io/configuration-snippet": "x"})
    },
}


@pytest.mark.parametrize("spec", REFUSED.values(), ids=REFUSED)
def test_refused_by_the_class(admin: Client, shop: str, limited: str, spec: dict[str, Any]) -> None:
    said = over(admin, shop, className=limited, **spec)
    assert said
    assert "does not allow" in said or "spec." in said or "url" in said, said


def test_host_name_hijack_by_a_second_resource_leaves_the_first_alone(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    """Both have a route; which one a Gateway serves is its own rule: the older one."""
    operator = start()
    wanted = {"type": "Gateway", "gateway": {"parentRef": {"name": "public"}, "hostnames": ["api.example.com"]}}
    first = Resource(admin, example(namespace, name="first", exposure=wanted)).create()
    first.until("Ready", "True")
    before = admin.get(first.child("HTTPRoute", "api"))
    second = Resource(admin, example(namespace, name="second", exposure=wanted)).create()
    second.until("Ready", "True")
    operator.settle()
    assert before
    assert admin.get(first.child("HTTPRoute", "api")) == before
    younger = admin.get(second.child("HTTPRoute", "api"))
    assert younger
    assert younger["metadata"]["creationTimestamp"] >= before["metadata"]["creationTimestamp"]


# Bombs and injections


def nested(levels: int) -> Manifest:
    found: Manifest = {"type": "object"}
    for _ in range(levels):
        found = {"items": found}
    return found


def with_property(namespace: str, schema: Manifest, *, name: str) -> Manifest:
    resource = api_service(namespace, name=name)
    described = resource["spec"]["api"]["resources"][0] | {
        "schema": {"type": "object", "properties": {"id": {"type": "string"}, "bomb": schema}}
    }
    return resource | {"spec": {"api": {"resources": [described]}}}


BOMBS = {
    "too many resources": {"api": {"resources": [{"name": f"r{number}"} for number in range(33)]}},
    "a long text": {"api": {"title": "a" * 100_000, "resources": []}},
    "many annotations": {"exposure": ingress("a.example.com", **{f"a{number}": "x" for number in range(65)})},
    "a long image": {"runtime": {"image": "a" * 513}},
    "a long list": {"queue": kafka(*(f"broker{number}:9092" for number in range(100)))},
}


@pytest.mark.parametrize("spec", BOMBS.values(), ids=BOMBS)
def test_bomb_is_refused_by_a_bound(admin: Client, shop: str, spec: dict[str, Any]) -> None:
    assert "Too many" in (said := over(admin, shop, **spec)) or "Too long" in said or "may not be" in said, said


@pytest.fixture
def deep(admin: Client, namespace: str) -> Iterator[Callable[[], Manifest]]:
    """A resource that nests without end; the call reads it, which common parsers cannot."""
    manifest = with_property(namespace, {"type": "string"}, name="deep")
    text = json.dumps(manifest).replace('"bomb": {"type": "string"}', f'"bomb": {BOTTOMLESS}')
    collection = admin.path(manifest["apiVersion"], manifest["kind"], namespace=namespace)
    assert admin.send("POST", collection, body=text.encode()).status_code == 201
    yield lambda: loads(admin.send("GET", f"{collection}/deep").content)
    admin.delete(manifest)


BOTTOMLESS = '{"items":' * 5_000 + "{}" + "}" * 5_000


def test_bomb_hides_no_other_resource(
    admin: Client,
    namespace: str,
    deep: Callable[[], Manifest],
    start: Callable[..., Running],
    simulator: Simulator,
) -> None:
    """Found in a list at the start, and again as an event: nesting without end, and a document beyond all bounds."""
    operator = start()
    honest = Resource(admin, example(namespace)).create()
    honest.until("Ready", "True")
    eventually(lambda: condition(deep(), "Stalled").get("reason") == "InvalidSpec", what="the nesting is reported")
    enumeration = [f"{number}{'a' * 900}" for number in range(1_100)]
    wide = Resource(admin, with_property(namespace, {"type": "string", "enum": enumeration}, name="wide")).create()
    wide.until("Stalled", "True", "DocumentTooLarge")
    honest.edit(api={"title": "Other"})
    honest.until("Ready", "True")
    operator.settle()
    assert wide.children() == {}
    assert [each for each in operator.writes() if "/deep-" in each.path or "/wide-" in each.path] == []


INJECTED = {
    "a quote in the objective": {"slo": {"availability": '9"}*9'}},
    "a line in the objective": {"slo": {"availability": "99.9\n"}},
    "a text for a duration": {"slo": {"latencyP99": "250ms) or vector(1"}},
    "a queue that is a path": {"queue": {"type": "SQS", "sqs": {"queueName": "../../other"}}},
    "a host that is a path": {"datastore": postgresql("db/../x")},
    "a broker that is two": {"queue": kafka("a:9092,evil.com:9092")},
    "a queue that is a URL": {"queue": {"type": "SQS", "sqs": {"queueName": "https://evil.com/1/q"}}},
    "a Secret that is a path": {"datastore": postgresql(credentialsSecret={"name": "../../x"})},
}


@pytest.mark.parametrize("spec", INJECTED.values(), ids=INJECTED)
def test_injection_by_a_value_is_refused(admin: Client, shop: str, spec: dict[str, Any]) -> None:
    assert "should match" in over(admin, shop, **spec)


def test_rule_injection_texts_of_the_author_are_in_no_rule_and_no_monitor() -> None:
    plain = example("shop")
    malicious = example("shop")
    malicious["spec"]["api"]["title"] = MALICIOUS
    malicious["spec"]["api"]["resources"][0]["schema"]["description"] = MALICIOUS

    def watching(resource: Manifest) -> list[Manifest]:
        return [each for each in planned(resource) if each["apiVersion"].startswith("monitoring.coreos.com/")]

    assert len(watching(plain)) == 3
    assert watching(malicious) == watching(plain)


@pytest.mark.parametrize("name", ['a"b', "a{b", "a\nb", "../a", "a.b", "A", "a" * 41])
def test_rule_injection_by_the_name_is_refused(admin: Client, shop: str, name: str) -> None:
    assert refusal(lambda: admin.create(api_service(shop, name=name), dry_run=True))
