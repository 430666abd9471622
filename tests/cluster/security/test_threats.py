"""The threats of docs/security.md, each on a real API server with the chart's policies: refused, or nothing is written.

Limits of a class that the policies do not see are in test_classes.py; who may read which Secret is in
tests/cluster/charts/test_policies.py.
"""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from fairlead_contract.resources import ApiService
from fairlead_operator import plan
from fairlead_operator.cluster.reading import loads
from fairlead_operator.plan import Capabilities

from ..charts.resources import api_service, gateway, ingress, jwt, kafka, named, over, postgresql, redis, service_class
from ..charts.resources import refused as refusal
from ..client import ApiError, Client, Manifest
from ..conftest import OWN_DEFINITIONS
from ..operator.apisvc import Resource, condition
from ..operator.harness import Running, Sent, example
from ..simulator import Simulator, message
from ..waiting import eventually

EVERYTHING = Capabilities(prometheus=True, keda=True, gateway=True, cert_manager=True)
HOSTILE = "'; touch /tmp/x; $(id) `id` ${PATH} {{ $value }} \"} or vector(1) \\ ../../etc/passwd"


def fields() -> Iterator[str]:
    """The path of every field that an author can set, but for what is inside his own JSON Schemas."""
    definition = next(path for path in OWN_DEFINITIONS if path.stem.endswith("_apisvcs"))
    schema = yaml.safe_load(definition.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

    def walk(part: Manifest, path: str) -> Iterator[str]:
        for name, child in part.get("properties", {}).items():
            yield f"{path}.{name}"
            yield from walk(child, f"{path}.{name}")
        yield from walk(part["items"], f"{path}[]") if "items" in part else ()

    yield from walk(schema["properties"]["spec"], "spec")


def planned(resource: Manifest) -> list[Manifest]:
    made = plan.plan(ApiService.model_validate(resource), plan.BUILT_IN_CLASS, capabilities=EVERYTHING, image="image:1")
    return [child.manifest for child in made.children]


def pods(children: list[Manifest]) -> list[Manifest]:
    return [each["spec"]["template"] for each in children if each["kind"] in {"Deployment", "Job"}]


# References to another namespace


def test_reference_to_another_namespace_has_no_field_but_for_gateways() -> None:
    naming = [path for path in fields() if "namespace" in path.lower()]
    assert naming == ["spec.exposure.gateway.parentRef.namespace"]


@pytest.mark.parametrize(
    "spec",
    [
        {"datastore": postgresql(credentialsSecret={"name": "db", "namespace": "kube-system"})},
        {"security": {"tls": {"secret": {"name": "tls", "namespace": "kube-system"}}}},
    ],
    ids=["credentials", "certificate"],
)
def test_reference_to_another_namespace_is_refused_or_dropped(admin: Client, shop: str, spec: dict[str, Any]) -> None:
    resource = api_service(shop, **spec)
    with pytest.raises(ApiError, match="unknown field"):
        admin.create(resource, dry_run=True)
    path = admin.path(resource["apiVersion"], resource["kind"], namespace=shop)
    kept = admin.request("POST", path, body=resource, dryRun="All", fieldValidation="Ignore")
    assert "kube-system" not in json.dumps(kept["spec"])


# What an author must not decide about a pod

SMUGGLED = {
    "service account": {"serviceAccountName": "admin"},
    "pull secrets": {"runtime": {"image": "image:1", "pullSecrets": [{"name": "registry"}]}},
    "environment": {"runtime": {"env": [{"name": "LD_PRELOAD", "value": "/x.so"}]}},
    "command": {"runtime": {"command": ["sh", "-c", "id"]}},
    "a whole pod": {"podTemplate": {"spec": {"hostNetwork": True}}},
    "labels of pods": {"runtime": {"labels": {"app": "bank"}}},
    "cloud endpoint": {"datastore": {"type": "DynamoDB", "dynamodb": {"endpoint": "http://169.254.169.254"}}},
    "plugin": {"queue": {"type": "SQS", "sqs": {"queueName": "q"}, "plugin": "/bin/sh"}},
}


@pytest.mark.parametrize("spec", SMUGGLED.values(), ids=SMUGGLED)
def test_injection_into_the_pod_is_refused_or_dropped(admin: Client, shop: str, spec: dict[str, Any]) -> None:
    resource = api_service(shop, **spec)
    with pytest.raises(ApiError, match="unknown field"):
        admin.create(resource, dry_run=True)
    path = admin.path(resource["apiVersion"], resource["kind"], namespace=shop)
    kept = admin.request("POST", path, body=resource, dryRun="All", fieldValidation="Ignore")
    assert pods(planned(kept)) == pods(planned(admin.create(_bare(resource), dry_run=True)))


def _bare(resource: Manifest) -> Manifest:
    """Only what of the specification is honest."""
    known = {"datastore": {"type": "DynamoDB", "dynamodb": {}}, "queue": {"type": "SQS", "sqs": {"queueName": "q"}}}
    image = resource["spec"].get("runtime", {}).get("image")
    kept = {key: known[key] for key in known if key in resource["spec"]} | (
        {"runtime": {"image": image}} if image else {}
    )
    return resource | {"spec": {"api": resource["spec"]["api"]} | kept}


def test_injection_into_the_pod_has_no_field() -> None:
    taken = {path.rpartition(".")[2].removesuffix("[]") for path in fields()}
    parts = {"serviceAccount", "serviceAccountName", "env", "envFrom", "command", "args", "volumes", "volumeMounts"}
    parts |= {"securityContext", "imagePullSecrets", "pullSecrets", "hostNetwork", "nodeSelector", "initContainers"}
    parts |= {"podTemplate", "podSpec", "labels", "sidecars", "lifecycle", "tolerations", "exec", "kubeconfig"}
    assert taken & parts == set()


def test_service_account_of_somebody_else_is_not_used(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    powerful = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "orders-api", "namespace": namespace, "annotations": {"cloud/role": "admin"}},
    }
    before = admin.create(powerful)
    operator = start()
    resource = Resource(admin, example(namespace)).create()
    resource.until("Stalled", "True", "Conflict")
    operator.settle()
    assert admin.get(powerful) == {"apiVersion": "v1", "kind": "ServiceAccount"} | before
    assert not {"Deployment"} & {kind for kind, _ in resource.children()}


def test_code_execution_no_text_of_the_author_reaches_a_command() -> None:
    resource = example("shop", deletionPolicy="Delete")
    resource["spec"]["api"]["title"] = HOSTILE
    schema = resource["spec"]["api"]["resources"][0]["schema"]
    schema["properties"]["name"] |= {"title": HOSTILE, "description": HOSTILE}
    resource["spec"]["worker"]["handlers"][0]["steps"][0]["call"]["service"]["path"] = "/../../$(id)"
    parsed = ApiService.model_validate(resource)
    children = [*planned(resource), *(each.manifest for each in plan.teardown(parsed, plan.BUILT_IN_CLASS, image="i"))]
    found = pods(children)
    assert len(found) == 4
    for template in found:
        [container] = template["spec"]["containers"]
        assert "command" not in container
        assert container["args"][0] in {"serve", "work", "provision", "teardown"}
        assert not set("".join(container["args"])) & set("$`;|&<>'\"\\ ")
        assert "exec" not in json.dumps(container)
        assert "touch" not in json.dumps(template)


# Labels, annotations, names


def test_label_injection_nothing_of_the_authors_metadata_is_handed_on(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    start()
    manifest = example(namespace)
    manifest["metadata"]["labels"] = {"app": "bank", "app.kubernetes.io/component": "bank", "evil.example/x": "y"}
    manifest["metadata"]["annotations"] = {"sidecar.istio.io/inject": "false", "evil.example/x": "y"}
    resource = Resource(admin, manifest).create()
    resource.until("Ready", "True")
    for child in resource.children().values():
        text = json.dumps({key: value for key, value in child["metadata"].items() if key != "managedFields"})
        assert "bank" not in text
        assert "evil.example" not in text
        assert "istio" not in text
    service = admin.get(resource.child("Service", "api"))
    assert service
    assert service["spec"]["selector"] == {"fairlead.dev/apisvc": "orders", "app.kubernetes.io/component": "api"}


@pytest.mark.parametrize("name", ["fairlead.dev/apisvc", "argocd.argoproj.io/tracking-id", "meta.helm.sh/release-name"])
def test_annotation_injection_reserved_prefixes_are_refused(admin: Client, shop: str, name: str) -> None:
    said = over(admin, shop, exposure=ingress("a.example.com", **{name: "x"}))
    assert "cannot be set" in said


def test_takeover_by_name_of_what_the_teardown_needs(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    """A planted ConfigMap would point the teardown, with its rights, at somebody else's tables."""
    start()
    resource = Resource(admin, example(namespace, deletionPolicy="Delete")).create()
    resource.until("Ready", "True")
    planted: Manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "orders-teardown", "namespace": namespace, "labels": {"fairlead.dev/apisvc": "orders"}},
        "data": {"runtime.json": "{}"},
    }
    before = admin.create(planted)
    resource.delete()
    eventually(lambda: resource.condition("Stalled").get("status") == "True", what="the planted object is told")
    assert "orders-teardown" in resource.condition("Ready")["message"]
    live = admin.get(planted)
    assert live
    assert live["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert admin.get(resource.child("Job", "teardown")) is None
    admin.delete(planted)
    resource.annotate("reconcile-requested-at", "now")
    resource.until_gone()


def test_external_takeover_what_provisioning_does_not_own_is_not_used(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    simulator.job_message = lambda pod: (
        True,
        message(pod, state="Failed", reason="NotOwned", text="the table belongs to somebody else"),
    )
    start()
    resource = Resource(admin, example(namespace)).create()
    resource.until("Stalled", "True", "ProvisionFailed")
    assert "belongs to somebody else" in resource.condition("Ready")["message"]
    assert not {"Deployment"} & {kind for kind, _ in resource.children()}


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
    headers = {"Content-Type": "application/json"}
    assert admin._http.post(collection, content=text, headers=headers).status_code == 201
    yield lambda: loads(admin._http.get(f"{collection}/deep").content)
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
    eventually(lambda: condition(deep(), "Stalled").get("reason") == "InvalidSpec", what="the nesting is told")
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
    "a word for a duration": {"slo": {"latencyP99": "250ms) or vector(1"}},
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
    hostile = example("shop")
    hostile["spec"]["api"]["title"] = HOSTILE
    hostile["spec"]["api"]["resources"][0]["schema"]["description"] = HOSTILE

    def watching(resource: Manifest) -> list[Manifest]:
        return [each for each in planned(resource) if each["apiVersion"].startswith("monitoring.coreos.com/")]

    assert len(watching(plain)) == 3
    assert watching(hostile) == watching(plain)


@pytest.mark.parametrize("name", ['a"b', "a{b", "a\nb", "../a", "a.b", "A", "a" * 41])
def test_rule_injection_by_the_name_is_refused(admin: Client, shop: str, name: str) -> None:
    assert refusal(lambda: admin.create(api_service(shop, name=name), dry_run=True))


# Namespaces and secrets


def test_namespace_filter_is_never_passed(
    admin: Client, namespace: str, start: Callable[..., Running], simulator: Simulator
) -> None:
    other: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": named("other")}}
    admin.create(other)
    elsewhere = Resource(admin, example(other["metadata"]["name"], deletionPolicy="Delete")).create()
    operator = start()
    here = Resource(admin, example(namespace)).create()
    live = here.until("Ready", "True")
    foreign: Manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "orders-old",
            "namespace": other["metadata"]["name"],
            "labels": {"fairlead.dev/apisvc": "orders"},
            "ownerReferences": [_owner(live)],
        },
    }
    admin.create(foreign)
    operator.resync()
    elsewhere.edit(api={"title": "Other"})
    operator.settle()
    assert [each for each in operator.sent if f"/namespaces/{namespace}/" not in each.path and _is_ours(each)] == []
    assert elsewhere.live().get("status") is None
    assert elsewhere.children().keys() <= {("ConfigMap", "orders-old")}
    admin.delete(other)


def _owner(live: Manifest) -> Manifest:
    uid = live["metadata"]["uid"]
    return {
        "apiVersion": "fairlead.dev/v1alpha1",
        "kind": "ApiService",
        "name": "orders",
        "uid": uid,
        "controller": True,
    }


def _is_ours(sent: Sent) -> bool:
    """Neither discovery nor the classes, which are the cluster's."""
    return sent.path.count("/") > 4 or "/api/v1/" in sent.path


def test_secret_is_in_no_log_no_event_and_no_status(
    admin: Client,
    namespace: str,
    start: Callable[..., Running],
    simulator: Simulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither the Secret's value, which is never read, nor what a failing container tells of it."""
    caplog.set_level(logging.DEBUG)
    planted = "hunter2correct"
    admin.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "shop-db", "namespace": namespace},
            "stringData": {"username": "shop", "password": planted},
        }
    )
    texts = [f"no route to postgresql://shop:{planted}@db/shop", f"password={planted} is wrong", f"Bearer {planted}"]
    simulator.job_message = lambda pod: (False, message(pod, state="Failed", reason="Refused", text="; ".join(texts)))
    operator = start()
    resource = Resource(admin, example(namespace)).create()
    resource.until("Stalled", "True", "ProvisionFailed")
    eventually(lambda: _events(admin, namespace), what="an Event tells of it")
    assert "no route to postgresql://***@db/shop" in resource.condition("Ready")["message"]
    operator.settle()
    said = [
        str(record.__dict__) for record in caplog.records if record.name.startswith(("fairlead", "kopf", "aiohttp"))
    ]
    assert said
    told = [*said, json.dumps(resource.live()["status"]), json.dumps(_events(admin, namespace))]
    assert [text for text in told if planted in text] == []
    assert [each for each in operator.sent if "/secrets" in each.path] == []


def _events(admin: Client, namespace: str) -> list[Manifest]:
    found = admin.list("v1", "Event", namespace=namespace)
    return [each for each in found if each["involvedObject"]["kind"] == "ApiService"]
