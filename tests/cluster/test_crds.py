"""The custom resource definitions on a real API server: no warning, and every rule decides as its table says.

The same tables run against the project's own evaluation of the rules; here they show that the server agrees.
"""

import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.spec.apiserviceclass import ApiServiceClass
from fairlead_operator.plan import Capabilities, plan

from ..kstatus import reading
from .client import ApiError, Client, Manifest
from .controlplane import ADMINS, Cluster, definition_path

ROOT = Path(__file__).resolve().parents[2]
DEFINITIONS = sorted((ROOT / "crds").glob("*.yaml"))
TABLES = sorted((ROOT / "tests" / "data" / "cel").glob("*.yaml"))
VALUES = yaml.safe_load((ROOT / "tests" / "data" / "values.yaml").read_text())
CAUSE_PREFIX = re.compile(r'^Invalid value: ("[^"]*": )?')
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


def merged(document: Any, patch: Any) -> Any:
    """`document` after the JSON Merge Patch `patch` (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    known = document if isinstance(document, dict) else {}
    changed = {key: merged(known.get(key), value) for key, value in patch.items() if value is not None}
    return {key: value for key, value in known.items() if key not in patch} | changed


def cases() -> Iterator[Any]:
    for path in TABLES:
        table = yaml.safe_load(path.read_text())
        yield pytest.param(table["base"], {"verdict": "accept", "patch": {}}, id=f"{path.stem}-base")
        for number, case in enumerate(table["cases"]):
            name = f"{path.stem}-{number}-{case['verdict']}-{case['rule'][:40]}"
            yield pytest.param(table["base"], case, id=name)


def examples() -> Iterator[Any]:
    for path in EXAMPLES:
        for number, document in enumerate(yaml.safe_load_all(path.read_text())):
            yield pytest.param(document, id=f"{path.stem}-{number}")


def placed(document: Manifest, namespace: str) -> Manifest:
    """The document in a namespace of the test, unless its kind is cluster-wide."""
    if document["kind"] == "ApiServiceClass":
        return document
    return document | {"metadata": document["metadata"] | {"namespace": namespace}}


def differences(intent: Any, live: Any, place: str = "") -> Iterator[str]:
    """Where the server dropped or changed what `intent` says; what it added does not count."""
    if isinstance(intent, dict) and isinstance(live, dict):
        for key, value in intent.items():
            if key in live:
                yield from differences(value, live[key], f"{place}.{key}")
            else:
                yield f"{place}.{key}: dropped"
    elif isinstance(intent, list) and isinstance(live, list) and len(intent) == len(live):
        for number, pair in enumerate(zip(intent, live, strict=True)):
            yield from differences(*pair, f"{place}[{number}]")
    elif intent != live:
        yield f"{place}: {intent!r} became {live!r}"


@pytest.fixture(scope="module")
def shared_namespace(admin: Client) -> Iterator[str]:
    """One namespace for the tables, whose cases leave nothing behind."""
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rules"}}
    admin.apply(manifest)
    yield "rules"
    admin.delete(manifest)


def test_there_are_definitions_tables_and_examples() -> None:
    assert len(DEFINITIONS) >= 3
    assert len(list(cases())) >= 100
    assert EXAMPLES


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_a_definition_is_served_without_a_fault_or_a_warning(admin: Client, path: Path) -> None:
    definition = yaml.safe_load(path.read_text())
    admin.warnings.clear()
    live = admin.apply(definition)
    assert admin.warnings == []
    conditions = {condition["type"]: condition["status"] for condition in live["status"]["conditions"]}
    assert conditions == {"Established": "True", "NamesAccepted": "True"}
    assert live["status"]["storedVersions"] == [version["name"] for version in definition["spec"]["versions"]]
    assert list(differences(definition, live)) == []


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_every_field_of_a_spec_is_documented_where_kubectl_explain_looks(admin: Client, path: Path) -> None:
    definition = yaml.safe_load(path.read_text())
    group, kind = definition["spec"]["group"], definition["spec"]["names"]["kind"]
    for version in definition["spec"]["versions"]:
        document = admin.request("GET", f"/openapi/v3/apis/{group}/{version['name']}")
        [schema] = [
            schema
            for schema in document["components"]["schemas"].values()
            if {"group": group, "kind": kind, "version": version["name"]}
            in schema.get("x-kubernetes-group-version-kind", ())
        ]
        assert list(undocumented(schema["properties"]["spec"], "spec")) == []


def undocumented(schema: Manifest, place: str) -> Iterator[str]:
    if not schema.get("description"):
        yield place
    for name, child in schema.get("properties", {}).items():
        yield from undocumented(child, f"{place}.{name}")
    if "properties" in schema.get("items", {}):
        for name, child in schema["items"]["properties"].items():
            yield from undocumented(child, f"{place}[].{name}")


@pytest.mark.parametrize(("base", "case"), list(cases()))
def test_a_rule_decides_as_its_table_says(
    admin: Client, shared_namespace: str, base: Manifest, case: dict[str, Any]
) -> None:
    document = placed(merged(base, case["patch"]), shared_namespace)
    stored = admin.create(placed(merged(base, case["old"]), shared_namespace)) if "old" in case else None
    try:
        faults = refused(admin, document, stored)
    finally:
        if stored:
            admin.delete(stored)
    if case["verdict"] == "accept":
        assert faults == []
    else:
        assert any(case["rule"] == fault.partition("; ")[0] for fault in faults), faults


def refused(admin: Client, document: Manifest, stored: Manifest | None) -> list[str]:
    """What the server finds wrong with a creation, or with a change of `stored`, as the messages of the rules."""
    try:
        if stored:
            version = {"metadata": {"resourceVersion": stored["metadata"]["resourceVersion"]}}
            admin.replace(merged(document, version), dry_run=True)
        else:
            admin.create(document, dry_run=True)
    except ApiError as error:
        if error.code != 422:
            raise
        return [CAUSE_PREFIX.sub("", cause) for cause in error.causes]
    return []


@pytest.mark.parametrize("case", VALUES, ids=lambda case: f"{case['kind']}-{case.get('path', 'accepted')}")
def test_a_value_that_ends_in_a_child_is_accepted_or_refused_by_its_path(
    admin: Client, shared_namespace: str, case: dict[str, Any]
) -> None:
    [base] = [yaml.safe_load(path.read_text())["base"] for path in TABLES if path.stem == case["kind"]]
    document = placed(merged(base, case["patch"]), shared_namespace)
    if "path" not in case:
        admin.create(document, dry_run=True)
        return
    with pytest.raises(ApiError) as refusal:
        admin.create(document, dry_run=True)
    assert case["path"] in refusal.value.fields


def of_class_and_service(case: dict[str, Any]) -> tuple[ApiService, ApiServiceClass]:
    """What an accepted case stands for; the other of the two is the base of its table."""
    tables = {path.stem: yaml.safe_load(path.read_text())["base"] for path in TABLES}
    documents = {
        kind: merged(tables[kind], case["patch"] if case["kind"] == kind else {}) for kind in ("service", "class")
    }
    return ApiService.model_validate(documents["service"]), ApiServiceClass.model_validate(documents["class"])


def accepted() -> list[dict[str, Any]]:
    """What may be said of values that end in children."""
    table = yaml.safe_load((ROOT / "tests" / "data" / "cel" / "class.yaml").read_text())["cases"]
    of_classes = [{"kind": "class", "patch": case["patch"]} for case in table if case["verdict"] == "accept"]
    return [case for case in VALUES if "path" not in case] + of_classes


@pytest.mark.parametrize("case", accepted(), ids=lambda case: json.dumps(case["patch"])[:80])
def test_the_server_takes_every_child_of_what_is_accepted(
    admin: Client, shared_namespace: str, case: dict[str, Any]
) -> None:
    everything = Capabilities(prometheus=True, keda=True, gateway=True, cert_manager=True)
    made = plan(*of_class_and_service(case), capabilities=everything, image="workload:1")
    for child in made.children:
        metadata = child.manifest["metadata"] | {"namespace": shared_namespace}
        admin.create(child.manifest | {"metadata": metadata}, dry_run=True)


def largest_class() -> Manifest:
    """A class that is at every limit that a rule walks over."""
    keys = [f"{'d' * 180}/{'k' * 60}{number:02}" for number in range(64)]
    selector = {
        "matchLabels": dict.fromkeys(keys, "v" * 63),
        "matchExpressions": [{"key": key, "operator": "In", "values": ["v" * 63] * 32} for key in keys[:16]],
    }
    ranges = [f"2001:db8:ffff:ffff:ffff:ffff:ffff:{number:04x}/128" for number in range(16)]
    peers = [{"podSelector": selector, "namespaceSelector": selector}] * 8
    peers += [{"ipBlock": {"cidr": "2001:db8::/32", "except": ranges}}] * 24
    amounts = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    return {
        "apiVersion": "fairlead.dev/v1alpha1",
        "kind": "ApiServiceClass",
        "metadata": {"name": "largest"},
        "spec": {
            "networkPolicy": {"ingressFrom": peers},
            "monitoring": {"labels": dict.fromkeys(keys, "v" * 63)},
            "serviceAccount": {"annotations": dict.fromkeys(keys, "v" * 63)},
            "resources": {"api": amounts, "worker": amounts},
        },
    }


def test_a_class_at_every_limit_is_within_the_budget_of_the_rules(admin: Client) -> None:
    admin.create(largest_class(), dry_run=True)


@pytest.mark.parametrize("document", list(examples()))
def test_an_example_is_stored_as_it_is_written(admin: Client, namespace: str, document: Manifest) -> None:
    wanted = placed(document, namespace)
    admin.warnings.clear()
    live = admin.apply(wanted)
    assert admin.warnings == []
    assert list(differences(wanted, live)) == []
    live = admin.apply(wanted)  # the first write after the create stores the status that there is by default
    again = admin.apply(wanted)
    assert again["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
    if "namespace" not in wanted["metadata"]:
        admin.delete(wanted)


def largest(namespace: str) -> Manifest:
    """A resource that is at every limit that a rule walks over, with the work for a rule at its worst."""
    names = [f"{'r' * 38}{number:02}" for number in range(32)]
    events = ["".join(letters) for letters in itertools.product("abcdefgh", repeat=2)]
    properties = {f"field{number}": {"type": "string"} for number in range(199)} | {"id": {"type": "string"}}
    step = {"name": "wait", "publish": {"type": "x.y"}}
    return {
        "apiVersion": "fairlead.dev/v1alpha1",
        "kind": "ApiService",
        "metadata": {"name": "largest", "namespace": namespace},
        "spec": {
            "api": {
                "resources": [
                    {
                        "name": name,
                        "key": {"partition": "id"},
                        "schema": {"type": "object", "properties": properties},
                        "indexes": [
                            {"name": f"by{number}", "partition": f"field{number}", "sort": "id"} for number in range(10)
                        ],
                        "references": [{"field": f"field{number}", "resource": names[-1]} for number in range(16)],
                    }
                    for name in names
                ]
            },
            "queue": {"type": "SQS", "sqs": {"queueName": "largest"}},
            "worker": {
                "handlers": [
                    {
                        "event": f"{names[-1]}.{event}",
                        "steps": [step | {"name": f"wait{place}"} for place in range(32)],
                        "onFailure": [step | {"name": f"again{place}"} for place in range(32)],
                    }
                    for event in events
                ]
            },
        },
    }


def test_a_resource_at_every_limit_is_within_the_budget_of_the_rules(admin: Client, namespace: str) -> None:
    wanted = largest(namespace)
    live = admin.create(wanted)
    assert list(differences(wanted, live)) == []
    # An update also runs the rules about changes, and correlates the lists.
    admin.merge(live, {"spec": {"api": {"title": "Largest"}}})


def kubectl(tools: dict[str, Path], cluster: Cluster, *arguments: str) -> str:
    config = cluster.kubeconfig("admin", groups=ADMINS)
    command = [str(tools["kubectl"]), "--kubeconfig", str(config), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kubectl_reaches_ours_by_apisvc_and_the_built_in_by_apiservices(
    admin: Client, tools: dict[str, Path], cluster: Cluster, namespace: str
) -> None:
    [example] = yaml.safe_load_all((ROOT / "examples" / "orders.yaml").read_text())
    admin.apply(placed(example, namespace))
    for name_typed in ("apisvc", "apisvcs", "apisvcs.fairlead.dev", "fairlead"):
        name = kubectl(tools, cluster, "get", name_typed, "-n", namespace, "-o", "name")
        assert name == "apiservice.fairlead.dev/orders\n"
        # What kubectl prints as a name can be given back to it, though it is neither plural nor singular.
        assert kubectl(tools, cluster, "get", name.strip(), "-n", namespace, "-o", "name") == name
    for name_typed in ("apiservices", "apiservice", "APIService", "ApiService"):
        names = kubectl(tools, cluster, "get", name_typed, "-o", "name").splitlines()
        assert "apiservice.apiregistration.k8s.io/v1.apps" in names
        assert all(name.startswith("apiservice.apiregistration.k8s.io/") for name in names)


def test_kubectl_get_shows_the_columns_of_the_definition(
    admin: Client, tools: dict[str, Path], cluster: Cluster, namespace: str
) -> None:
    [example] = yaml.safe_load_all((ROOT / "examples" / "orders.yaml").read_text())
    admin.apply(placed(example, namespace))
    definition = yaml.safe_load((ROOT / "crds" / "fairlead.dev_apisvcs.yaml").read_text())
    columns = definition["spec"]["versions"][0]["additionalPrinterColumns"]
    narrow = [column["name"].upper() for column in columns if not column.get("priority")]
    header = kubectl(tools, cluster, "get", "apisvc", "-n", namespace).splitlines()[0].split()
    assert header == ["NAME", *narrow]
    wide = kubectl(tools, cluster, "get", "apisvc", "-n", namespace, "-o", "wide").splitlines()[0].split()
    assert set(wide) == {"NAME", *(column["name"].upper() for column in columns)}


def test_kubectl_explain_describes_a_field(tools: dict[str, Path], cluster: Cluster) -> None:
    schema = yaml.safe_load((ROOT / "crds" / "fairlead.dev_apisvcs.yaml").read_text())
    spec = schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    explained = kubectl(tools, cluster, "explain", "apisvc.spec.datastore")
    assert " ".join(spec["properties"]["datastore"]["description"].split()[:4]) in " ".join(explained.split())


def test_the_status_is_a_subresource_of_its_own(admin: Client, namespace: str) -> None:
    [example] = yaml.safe_load_all((ROOT / "examples" / "orders.yaml").read_text())
    created = admin.create(merged(placed(example, namespace), {"status": {"url": "http://made-up"}}))
    live = admin.get(created)
    assert live is not None
    assert live["status"] == {"observedGeneration": -1}
    assert reading(live) == "InProgress", "without a status, it would be taken for current"
    changed = admin.merge(created, {"status": {"url": "http://orders"}, "spec": {"paused": True}}, subresource="status")
    assert changed["status"]["url"] == "http://orders"
    assert changed["spec"] == created["spec"]
    assert changed["metadata"]["generation"] == created["metadata"]["generation"]


def test_the_definitions_of_others_are_served(admin: Client, foreign_definitions: list[Path]) -> None:
    groups = set()
    for path in foreign_definitions:
        live = admin.request("GET", definition_path(path))
        conditions = {condition["type"]: condition["status"] for condition in live["status"]["conditions"]}
        assert conditions["Established"] == "True", path.name
        assert "NonStructuralSchema" not in conditions, path.name
        groups.add(live["spec"]["group"])
    assert groups >= {"cert-manager.io", "gateway.networking.k8s.io", "keda.sh", "monitoring.coreos.com"}


def test_kubectl_accepts_the_examples_as_files(
    tools: dict[str, Path], cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    for path in EXAMPLES:
        documents = [placed(document, namespace) for document in yaml.safe_load_all(path.read_text())]
        copy = tmp_path / path.name
        copy.write_text("---\n".join(json.dumps(document) + "\n" for document in documents))
        kubectl(tools, cluster, "apply", "--dry-run=server", "-f", str(copy))
