"""Drift: the digest of an intent against the digest of what we hold in the live object."""

import copy
from typing import Any

import orjson
import pytest

from fairlead_operator.kube import managed_fields

INTENT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "a", "namespace": "shop", "labels": {"one": "1"}, "ownerReferences": [{"uid": "u"}]},
    "spec": {"ports": [{"port": 80, "protocol": "TCP", "name": "http"}], "selector": {"x": "y"}, "clear": {}},
}
FIELDS: dict[str, Any] = {
    "f:metadata": {"f:labels": {"f:one": {}}, "f:ownerReferences": {'k:{"uid":"u"}': {".": {}, "f:uid": {}}}},
    "f:spec": {
        "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:protocol": {}, "f:name": {}}},
        "f:selector": {},
        "f:clear": {},
    },
}


def live() -> dict[str, Any]:
    """The object as the server gives it back, with what it and others added."""
    found = copy.deepcopy(INTENT)
    found["metadata"] |= {
        "uid": "1",
        "resourceVersion": "7",
        "annotations": {"theirs": "x"},
        "managedFields": [
            {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:metadata": {}}},
            {"manager": "fairlead", "operation": "Apply", "fieldsV1": FIELDS},
            {"manager": "fairlead", "operation": "Apply", "subresource": "status", "fieldsV1": {"f:status": {}}},
        ],
    }
    found["spec"]["ports"][0]["targetPort"] = 80
    found["spec"]["ports"].append({"port": 81, "protocol": "TCP"})
    found["spec"]["clusterIP"] = "10.0.0.1"
    found["status"] = {"loadBalancer": {}}
    return found


def test_what_others_added_is_no_drift() -> None:
    assert managed_fields.live_digest(live()) == managed_fields.digest(INTENT)


def test_digests_are_those_that_are_in_the_statuses_of_clusters() -> None:
    # Another one would cost every resource a status, and would hide who changed what while a version is replaced.
    assert managed_fields.digest(INTENT) == "4da1a67801ae55c0c7ac"


def test_the_order_of_keys_does_not_matter() -> None:
    turned = orjson.loads(orjson.dumps({key: INTENT[key] for key in reversed(INTENT)}))
    assert managed_fields.digest(turned) == managed_fields.digest(INTENT)


def _value(found: dict[str, Any]) -> None:
    found["spec"]["ports"][0]["name"] = "other"


def _ownership(found: dict[str, Any]) -> None:
    fields = copy.deepcopy(FIELDS)
    del fields["f:spec"]["f:selector"]
    found["metadata"]["managedFields"][1]["fieldsV1"] = fields


def _removed(found: dict[str, Any]) -> None:
    found["spec"]["ports"] = []


def _label(found: dict[str, Any]) -> None:
    found["metadata"]["labels"]["one"] = "2"


@pytest.mark.parametrize("change", [_value, _ownership, _removed, _label])
def test_a_change_of_what_is_ours_is_drift(change: Any) -> None:
    found = live()
    change(found)
    assert managed_fields.live_digest(found) != managed_fields.digest(INTENT)


def counted(*, generation: int = 1) -> dict[str, Any]:
    """The object of a kind whose changes the server counts."""
    found = live()
    found["metadata"]["generation"] = generation
    return found


def test_the_seal_stays_when_only_the_status_changed() -> None:
    before, after = counted(), counted()
    after["metadata"]["resourceVersion"] = "8"
    after["metadata"]["managedFields"][2]["time"] = "2026-01-01T00:00:00Z"
    after["status"] = {"loadBalancer": {"ingress": []}}
    assert managed_fields.fingerprint(before) == managed_fields.fingerprint(after) != 0


@pytest.mark.parametrize("change", [_value, _ownership, _removed, _label])
def test_the_seal_goes_with_a_change_of_what_is_ours(change: Any) -> None:
    is_counted = change in {_value, _removed}
    after = counted(generation=2 if is_counted else 1)
    change(after)
    assert managed_fields.fingerprint(counted()) != managed_fields.fingerprint(after)


def uncounted() -> dict[str, Any]:
    """An object with a status, whose changes the server does not count."""
    found = counted()
    del found["metadata"]["generation"]
    return found | {"status": {}}


@pytest.mark.parametrize("change", [_value, _ownership, _removed, _label])
def test_where_the_server_does_not_count_the_seal_covers_all_but_the_status(change: Any) -> None:
    before, after = uncounted(), uncounted()
    after["metadata"]["resourceVersion"] = "8"
    after["status"] = {"currentReplicas": 2}
    assert managed_fields.fingerprint(before) == managed_fields.fingerprint(after) != 0
    change(after)
    assert managed_fields.fingerprint(before) != managed_fields.fingerprint(after)


def test_there_is_no_seal_where_every_change_may_be_one_of_ours() -> None:
    found = live()
    del found["status"]
    assert managed_fields.fingerprint(found) == 0


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"a": 1, "b": {"c": [1]}, "added": True}, True),
        ({"a": 1, "b": {"c": [1], "added": {}}}, True),
        ({"a": 2, "b": {"c": [1]}}, False),
        ({"b": {"c": [1]}}, False),
        ({"a": 1, "b": {"c": [1, 2]}}, False),
        ({"a": 1, "b": {"c": []}}, False),
        ({"a": 1, "b": {"c": "1"}}, False),
        ({"a": 1, "b": [1]}, False),
    ],
)
def test_an_object_holds_a_manifest_when_it_only_has_more_fields(found: dict[str, Any], expected: bool) -> None:
    assert managed_fields.contains(found, {"a": 1, "b": {"c": [1]}}) is expected


def test_items_of_a_list_may_have_more_fields_too() -> None:
    assert managed_fields.contains({"ports": [{"port": 1, "protocol": "TCP"}]}, {"ports": [{"port": 1}]})


def test_an_object_in_which_we_hold_nothing_has_no_digest() -> None:
    found = live()
    found["metadata"]["managedFields"] = []
    assert managed_fields.live_digest(found) == ""


def test_sets_are_projected_by_value() -> None:
    fields = {"f:finalizers": {'v:"ours"': {}}}
    assert managed_fields.project({"finalizers": ["theirs", "ours"]}, fields) == {"finalizers": ["ours"]}


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        ([], ""),
        ([{"apiVersion": "fairlead.dev/v1alpha1", "kind": "ApiService", "uid": "u", "controller": True}], "u"),
        ([{"apiVersion": "fairlead.dev/v1alpha1", "kind": "ApiService", "uid": "u"}], ""),
        ([{"apiVersion": "apps/v1", "kind": "Deployment", "uid": "u", "controller": True}], ""),
    ],
)
def test_only_a_controlling_apiservice_is_an_owner(owners: list[dict[str, Any]], expected: str) -> None:
    assert managed_fields.owner_uid({"metadata": {"ownerReferences": owners}}) == expected
