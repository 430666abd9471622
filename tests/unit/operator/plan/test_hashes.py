"""What rolls the pods, what runs the provision Job again, and what does neither."""

import json

import pytest

from fairlead_contract.names import RUNTIME_FILE
from fairlead_contract.openapi.document import openapi
from fairlead_contract.runtime import RuntimeDocument, derive
from fairlead_operator.manifests import LABEL_COMPONENT
from fairlead_operator.plan import Capabilities, plan

from .cases import CASES, EVERYTHING, NOTHING, WORKLOADS, child, class_of, golden, golden_inputs, planned, service

PG = "datastore: {type: PostgreSQL, postgresql: {host: db, database: shop, credentialsSecret: {name: db}%s}}"
QUEUE = "queue: {type: SQS, sqs: {queueName: orders}%s}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "scaling: {api: {max: 3}}"),
        ("", "slo: {availability: '99.9'}"),
        ("", "compute: {api: {requests: {cpu: 1}}}".replace("1", "'1'")),
        ("", "runtime: {image: other}"),
        ("", "deletionPolicy: Delete"),
        (PG % "", PG % "" + "\nscaling: {api: {max: 3}}"),
        ("", "exposure: {type: Ingress, ingress: {}}"),
    ],
)
def test_what_no_workload_reads_changes_neither_hash(before: str, after: str) -> None:
    was, is_ = planned(before), planned(after)
    assert (was.runtime_hash, was.provision_hash) == (is_.runtime_hash, is_.provision_hash)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PG % "", PG % ", statementTimeout: 1s"),
        (PG % "", PG % ", pool: {max: 50}"),
        (PG % ", pooler: {}", PG % ", pooler: {}, pool: {max: 50}"),
        (QUEUE % "", QUEUE % ", retry: {maxAttempts: 9}"),
        (QUEUE % "", QUEUE % ", deadLetter: {alertAfter: 9}"),
        (QUEUE % "", QUEUE % "" + "\nworker: {concurrency: 20}"),
        ("", "security: {maxBodyBytes: 2048}"),
    ],
)
def test_what_only_a_pod_needs_rolls_it_without_provisioning(before: str, after: str) -> None:
    was, is_ = planned(before), planned(after)
    assert was.runtime_hash != is_.runtime_hash
    assert was.provision_hash == is_.provision_hash


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PG % "", PG % ", port: 5433"),
        (QUEUE % "", QUEUE % ", deadLetter: {retention: 24h}"),
        (QUEUE % "", QUEUE % ", provision: Existing"),
        (QUEUE % "", "queue: {type: SQS, sqs: {queueName: others}}"),
        ("", "datastore: {type: DynamoDB, dynamodb: {billing: Provisioned}}"),
    ],
)
def test_a_changed_binding_provisions_again(before: str, after: str) -> None:
    assert planned(before).provision_hash != planned(after).provision_hash


@pytest.mark.parametrize(
    "resource",
    [
        "{indexes: [{name: byTotal, partition: total}]}",
        "{schema: {type: object, properties: {id: {type: string}, total: {type: string}}}}",
        "{schema: {type: object, required: [total], properties: {id: {type: string}, total: {type: integer}}}}",
        "{key: {partition: id, sort: total}}",
    ],
)
def test_a_changed_shape_provisions_again(resource: str) -> None:
    assert planned(service()).provision_hash != planned(service(resource=resource)).provision_hash


def test_another_region_provisions_again_and_the_image_does_not() -> None:
    here = planned("", class_of("{aws: {region: eu-central-1}}"))
    assert here.provision_hash != planned("", class_of("{aws: {region: eu-west-1}}")).provision_hash
    assert (
        here.provision_hash
        == planned("", class_of("{aws: {region: eu-central-1}, runtime: {image: x}}")).provision_hash
    )


def test_names_end_in_the_hashes() -> None:
    made = golden("full")
    assert f"orders-runtime-{made.runtime_hash}" in [each.name for each in made.children]
    assert child(made, "Job").name == f"orders-provision-{made.provision_hash}"


def test_the_order_of_a_resource_s_keys_does_not_matter() -> None:
    turned = "{schema: {properties: {total: {type: integer}, id: {type: string}}, type: object}}"
    assert planned(service(resource=turned)).runtime_hash == planned(service()).runtime_hash


@pytest.mark.parametrize("case", CASES)
def test_the_workload_reads_what_the_contract_derives(case: str) -> None:
    resource, _ = golden_inputs(case)
    name = f"orders-runtime-{golden(case).runtime_hash}"
    config = child(golden(case), "ConfigMap", name).manifest
    assert config["immutable"] is True
    text = config["data"][RUNTIME_FILE.rpartition("/")[2]]
    assert RuntimeDocument.model_validate_json(text) == derive(resource)


def test_a_null_that_a_schema_means_is_kept() -> None:
    resource = service(resource="{schema: {type: object, properties: {id: {type: string}, a: {enum: [x, null]}}}}")
    made = planned(resource)
    text = child(made, "ConfigMap", f"orders-runtime-{made.runtime_hash}").manifest["data"]["runtime.json"]
    assert json.loads(text)["api"]["resources"][0]["schema"]["properties"]["a"] == {"enum": ["x", None]}


def test_the_published_contract_is_the_openapi_document() -> None:
    resource, _ = golden_inputs("full")
    config = child(golden("full"), "ConfigMap", "orders-contract").manifest
    assert json.loads(config["data"]["openapi.json"]) == openapi(derive(resource))


@pytest.mark.parametrize("capabilities", [EVERYTHING, NOTHING], ids=["everything", "nothing"])
def test_the_plan_knows_its_generation(capabilities: Capabilities) -> None:
    made = plan(service(), class_of(), capabilities=capabilities, image="x", generation=7)
    assert made.generation == 7
    assert "7" not in [value for each in made.children for value in each.manifest["metadata"]["labels"].values()]


def roles(annotations: str) -> dict[str, dict[str, str]]:
    """The annotations of the pods of each workload, in a class whose accounts have these."""
    made = planned(QUEUE % "", class_of(f"{{serviceAccount: {{annotations: {annotations}}}}}"))
    pods = [each.manifest["spec"]["template"]["metadata"] for each in made.children if each.kind in WORKLOADS]
    return {pod["labels"][LABEL_COMPONENT]: pod.get("annotations", {}) for pod in pods}


def test_another_role_replaces_every_pod_and_its_order_or_none_does_not() -> None:
    first, second = roles("{role: a, more: b}"), roles("{role: c, more: b}")
    assert set(first) == {"api", "worker", "provision"}
    assert all(first[component] != second[component] for component in first)
    assert roles("{more: b, role: a}") == first
    assert roles("{}") == {component: {} for component in first}
    here, there = (class_of(f"{{serviceAccount: {{annotations: {{role: {role}}}}}}}") for role in "ab")
    before, after = planned(QUEUE % "", here), planned(QUEUE % "", there)
    assert (before.runtime_hash, before.provision_hash) == (after.runtime_hash, after.provision_hash)
