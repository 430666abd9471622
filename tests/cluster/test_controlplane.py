"""The control plane that the other tests rely on does what a real one does."""

import json
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from .client import ApiError, Client, Manifest
from .controlplane import ADMINS, Cluster
from .waiting import eventually


def config_map(namespace: str, name: str, **metadata: object) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "data": {"key": "value"},
    }


def owned_by(owner: Manifest) -> dict[str, object]:
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {"ownerReferences": [reference]}


def deployment(namespace: str) -> Manifest:
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "registry.invalid/web:1"}]},
            },
        },
    }


def test_it_reports_the_version_it_was_built_from(admin: Client) -> None:
    version = admin.request("GET", "/version")
    assert version["gitVersion"].startswith(f"v{version['major']}.{version['minor'].rstrip('+')}.")
    assert version["gitVersion"] != "v0.0.0"


def test_a_child_goes_with_its_owner_and_others_stay(admin: Client, namespace: str) -> None:
    owner = admin.create(config_map(namespace, "owner"))
    child = admin.create(config_map(namespace, "child", **owned_by(owner)))
    other = admin.create(config_map(namespace, "other"))
    admin.delete(owner)
    eventually(lambda: admin.get(child) is None, what="the child is still there")
    assert admin.get(other)


def test_a_child_of_a_custom_resource_goes_with_it(admin: Client, namespace: str) -> None:
    # A kind of somebody else, so that this says nothing about our own schema.
    owner = admin.create(
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Issuer",
            "metadata": {"name": "owner", "namespace": namespace},
            "spec": {"selfSigned": {}},
        }
    )
    child = admin.create(config_map(namespace, "child", **owned_by(owner)))
    admin.delete(owner)
    eventually(lambda: admin.get(child) is None, what="the child is still there")


def test_a_child_with_a_wrong_owner_uid_is_collected(admin: Client, namespace: str) -> None:
    owner = admin.create(config_map(namespace, "owner"))
    owner["metadata"]["uid"] = str(uuid.uuid4())
    child = admin.create(config_map(namespace, "child", **owned_by(owner)))
    eventually(lambda: admin.get(child) is None, what="the child of an owner that never was is still there")


def test_a_deployment_gets_a_replica_set_and_its_pods(admin: Client, namespace: str) -> None:
    created = admin.create(deployment(namespace))
    [replica_set] = eventually(
        lambda: admin.list("apps/v1", "ReplicaSet", namespace=namespace), what="no ReplicaSet was made"
    )
    assert replica_set["metadata"]["ownerReferences"][0]["uid"] == created["metadata"]["uid"]
    eventually(lambda: len(admin.list("v1", "Pod", namespace=namespace)) == 2, what="there are not two pods")
    eventually(
        lambda: (admin.get(created) or {}).get("status", {}).get("observedGeneration") == 1,
        what="the controller does not report what it observed",
    )


def test_a_deleted_namespace_takes_its_content_along(admin: Client) -> None:
    namespace: Manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": f"gone-{uuid.uuid4().hex[:10]}"},
    }
    admin.create(namespace)
    admin.create(config_map(namespace["metadata"]["name"], "content"))
    admin.delete(namespace)
    eventually(lambda: admin.get(namespace) is None, what="the namespace is still there")


@pytest.mark.parametrize("groups", [(), ("developers",)], ids=["no group", "a group without a binding"])
def test_a_user_without_a_role_may_not_read(
    connect: Callable[..., Client], namespace: str, groups: tuple[str, ...]
) -> None:
    with pytest.raises(ApiError, match='User "mallory" cannot list resource "configmaps"') as refused:
        connect("mallory", groups=groups).list("v1", "ConfigMap", namespace=namespace)
    assert refused.value.code == 403


def test_a_role_bound_to_a_group_lets_its_members_read_and_nothing_more(
    admin: Client, connect: Callable[..., Client], namespace: str
) -> None:
    group = {"apiGroup": "rbac.authorization.k8s.io"}
    metadata = {"name": "readers", "namespace": namespace}
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]
    rbac = "rbac.authorization.k8s.io/v1"
    admin.create({"apiVersion": rbac, "kind": "Role", "metadata": metadata, "rules": rules})
    admin.create(
        {
            "apiVersion": rbac,
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": group | {"kind": "Role", "name": "readers"},
            "subjects": [group | {"kind": "Group", "name": "readers"}],
        }
    )
    reader = connect("alice", groups=("readers",))
    found = admin.create(config_map(namespace, "found"))
    # The authorizer learns of a new binding from a watch.
    eventually(lambda: allowed(lambda: reader.get(found)), what="the member may not read")
    with pytest.raises(ApiError, match="cannot create"):
        reader.create(config_map(namespace, "made"))


def allowed(call: Callable[[], object]) -> bool:
    try:
        call()
    except ApiError as error:
        if error.code == 403:
            return False
        raise
    return True


def test_a_resource_quota_is_enforced(admin: Client, namespace: str) -> None:
    quota = admin.create(
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "few", "namespace": namespace},
            "spec": {"hard": {"count/secrets": "0"}},
        }
    )
    eventually(lambda: (admin.get(quota) or {}).get("status", {}).get("hard"), what="the quota is not counted")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one", "namespace": namespace}}

    def said() -> str:
        try:
            admin.create(secret)
        except ApiError as error:
            return error.message
        raise AssertionError("it was created")

    # Until the admission knows what is counted, it refuses with another message.
    eventually(lambda: "exceeded quota" in said(), what="the quota is known to the admission")


def test_kubectl_sees_the_same_cluster(tools: dict[str, Path], cluster: Cluster, namespace: str) -> None:
    config = cluster.kubeconfig("admin", groups=ADMINS)
    command = [str(tools["kubectl"]), "--kubeconfig", str(config), "get", "namespace", namespace, "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["metadata"]["name"] == namespace
