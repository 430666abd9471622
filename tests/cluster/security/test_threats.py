"""The threats of docs/security.md, each on a real API server with the chart's policies: refused, or nothing is written.

Limits of a class that the policies do not see are in test_classes.py; who may read which Secret is in
tests/cluster/charts/test_policies.py.
"""

import ast
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import fairlead_operator
from fairlead_contract.spec.apiservice import ApiService
from fairlead_operator import plan

from ..charts.resources import api_service, ingress, named, over, postgresql
from ..client import ApiError, Client, Manifest
from ..conftest import OWN_DEFINITIONS
from ..operator.apisvc import Resource
from ..operator.harness import Running, Sent, example
from ..simulator import Simulator, message
from ..waiting import eventually
from .malicious import MALICIOUS, planned


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
    resource["spec"]["api"]["title"] = MALICIOUS
    schema = resource["spec"]["api"]["resources"][0]["schema"]
    schema["properties"]["name"] |= {"title": MALICIOUS, "description": MALICIOUS}
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


def test_code_execution_the_operator_starts_no_process_and_evaluates_no_text() -> None:
    source = Path(fairlead_operator.__file__).parent
    trees = [ast.parse(path.read_text()) for path in source.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert not imported & {
        "subprocess",
        "multiprocessing",
        "pickle",
        "marshal",
        "shelve",
        "ctypes",
        "importlib",
        "runpy",
    }
    called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    assert not called & {"eval", "exec", "compile", "open", "os.system", "os.popen", "yaml.load", "__import__"}


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
    eventually(lambda: resource.condition("Stalled").get("status") == "True", what="the planted object is reported")
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
    assert elsewhere.live()["status"] == {"observedGeneration": -1}
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
    """Neither the Secret's value, which is never read, nor what a failing container reports of it."""
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
    eventually(lambda: _events(admin, namespace), what="an Event reports it")
    assert "no route to postgresql://***@db/shop" in resource.condition("Ready")["message"]
    operator.settle()
    said = [
        str(record.__dict__) for record in caplog.records if record.name.startswith(("fairlead", "kopf", "aiohttp"))
    ]
    assert said
    written = [*said, json.dumps(resource.live()["status"]), json.dumps(_events(admin, namespace))]
    assert [text for text in written if planted in text] == []
    assert [each for each in operator.sent if "/secrets" in each.path] == []


def _events(admin: Client, namespace: str) -> list[Manifest]:
    found = admin.list("v1", "Event", namespace=namespace)
    return [each for each in found if each["involvedObject"]["kind"] == "ApiService"]
