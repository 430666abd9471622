"""What holds for every child of every golden case."""

import re
from itertools import pairwise
from typing import Any

import pytest

from fairlead_contract.names import CHILD_SUFFIXES, LABEL_APISVC
from fairlead_operator.plan import Stage, teardown

from .cases import CASES, IMAGE, UID, WORKLOADS, child, golden, golden_inputs, planned, service

DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
FOREIGN = {"Ingress", "ServiceAccount"}  # their annotations are asked for by name: the exposure's, the class's
every_case = pytest.mark.parametrize("case", CASES)


def walk(value: Any) -> Any:
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(each)


@every_case
def test_equal_arguments_give_equal_plans(case: str) -> None:
    resource, class_ = golden_inputs(case)
    assert planned(resource, class_) == golden(case)


@every_case
def test_no_child_is_there_twice(case: str) -> None:
    keys = [each.key for each in golden(case).children]
    assert len(keys) == len(set(keys))


@every_case
def test_stages_never_go_back(case: str) -> None:
    order = list(Stage)
    stages = [order.index(each.stage) for each in golden(case).children]
    assert all(before <= after for before, after in pairwise(stages))


@every_case
def test_every_child_carries_the_labels_and_its_owner(case: str) -> None:
    for each in golden(case).children:
        metadata = each.manifest["metadata"]
        assert metadata["labels"][LABEL_APISVC] == "orders"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "fairlead"
        assert {"name", "instance", "component", "part-of"} <= {
            label.removeprefix("app.kubernetes.io/") for label in metadata["labels"]
        }
        assert metadata["namespace"] == "shop"
        [owner] = metadata["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == (
            "ApiService",
            UID,
            True,
            True,
        )


@every_case
def test_replicas_belong_to_somebody_else(case: str) -> None:
    assert not [each for each in golden(case).children if "replicas" in each.manifest.get("spec", {})]


@every_case
def test_nothing_is_null_or_empty_where_a_server_would_drop_it(case: str) -> None:
    for each in golden(case).children:
        for value in walk(each.manifest):
            assert value is not None
            assert value != []


@every_case
def test_selectors_are_minimal_and_select_their_own_pods(case: str) -> None:
    for each in golden(case).children:
        if each.kind == "Deployment":
            selector = each.manifest["spec"]["selector"]["matchLabels"]
            assert set(selector) == {LABEL_APISVC, "app.kubernetes.io/component"}
            assert selector.items() <= each.manifest["spec"]["template"]["metadata"]["labels"].items()


@every_case
def test_pods_are_restricted_and_hold_no_token(case: str) -> None:
    resource, class_ = golden_inputs(case)
    for each in [*golden(case).children, *teardown(resource, class_, image=IMAGE)]:
        if each.kind not in WORKLOADS:
            continue
        pod = each.manifest["spec"]["template"]["spec"]
        [main] = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert main["securityContext"]["readOnlyRootFilesystem"] is True
        assert main["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory", "ephemeral-storage"} == set(main["resources"]["limits"])
        assert [mount["name"] for mount in main["volumeMounts"]] == [volume["name"] for volume in pod["volumes"]]
        assert not [mount for mount in main["volumeMounts"] if "subPath" in mount]
        assert "command" not in main


@every_case
def test_no_service_has_the_admin_port(case: str) -> None:
    ports = [
        port for each in golden(case).children if each.kind == "Service" for port in each.manifest["spec"]["ports"]
    ]
    assert ports
    assert not [port for port in ports if 9090 in port.values() or "admin" in port.values()]


def test_labels_and_annotations_of_the_resource_are_not_copied() -> None:
    resource = service()
    metadata = resource.metadata.model_copy(update={"labels": {"team": "a"}, "annotations": {"team": "a"}})
    made = planned(resource.model_copy(update={"metadata": metadata}))
    assert "team" not in str([each.manifest for each in made.children])


@every_case
def test_only_what_is_asked_for_by_name_has_annotations(case: str) -> None:
    annotated = {each.kind for each in golden(case).children if "annotations" in each.manifest["metadata"]}
    assert annotated <= FOREIGN


def test_without_a_uid_nobody_owns_the_children() -> None:
    assert not [each for each in planned(uid="").children if "ownerReferences" in each.manifest["metadata"]]


def test_what_tears_down_is_owned_by_nobody_and_comes_in_order() -> None:
    resource, class_ = golden_inputs("full")
    removed = teardown(resource, class_, image=IMAGE)
    assert [each.kind for each in removed] == ["ServiceAccount", "ConfigMap", "Job"]
    assert {each.name for each in removed} == {"orders-teardown"}
    assert not [each for each in removed if "ownerReferences" in each.manifest["metadata"]]
    assert removed[0].manifest["metadata"]["annotations"] == class_.spec.service_account.annotations


def test_an_embedded_store_needs_no_teardown() -> None:
    resource, class_ = golden_inputs("development")
    assert teardown(resource, class_, image=IMAGE) == ()


NEIGHBOURS = ("orders", "orders-worker", "orders-api", "orders-grpc", "orders-jobs", "orders-runtime", "a", "a" * 40)


def test_neighbours_never_want_one_child() -> None:
    resource, class_ = golden_inputs("full")
    wanted: dict[object, str] = {}
    for name in NEIGHBOURS:
        metadata = resource.metadata.model_copy(update={"name": name})
        owned = resource.model_copy(update={"metadata": metadata})
        for each in [*planned(owned, class_).children, *teardown(owned, class_, image=IMAGE)]:
            assert wanted.setdefault(each.key, name) == name
            assert DNS_LABEL.fullmatch(each.name), each.name


def test_every_name_is_the_resource_s_and_a_known_suffix() -> None:
    known = re.compile("|".join(re.escape(suffix).replace("HASH", "[0-9a-f]{10}") for suffix in CHILD_SUFFIXES))
    for case in CASES:
        for each in golden(case).children:
            assert known.fullmatch(each.name.removeprefix("orders")), each.name


def test_the_image_is_the_resource_s_else_the_class_s_else_the_operator_s() -> None:
    resource, _ = golden_inputs("full")
    assert resource.spec.runtime
    given = resource.spec.runtime.image
    deployments = [child(golden("full"), "Deployment", f"orders-{role}") for role in ("api", "worker")]
    assert {each.manifest["spec"]["template"]["spec"]["containers"][0]["image"] for each in deployments} == {given}
    of_class = child(golden("class-defaults"), "Deployment", "orders-api")
    assert "registry.example.com/fairlead/workload:1.2.3" in str(of_class.manifest)
    assert IMAGE in str(child(golden("minimal"), "Deployment").manifest)
