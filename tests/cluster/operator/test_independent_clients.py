"""Clients that are not ours work with an ApiService as their users' scripts do: the official Python client and pykube.

Each creates one, follows it until it is Ready, reads a child by the label, changes it and deletes it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pykube
import pytest

from ..client import Manifest
from ..waiting import eventually
from .harness import example

GROUP, VERSION, PLURAL = "fairlead.dev", "v1alpha1", "apisvcs"
WAIT_SECONDS = 90

pytestmark = pytest.mark.usefixtures("operator", "simulator")


def is_ready(live: Manifest) -> bool:
    """Whether the newest spec is Ready, by the fields that every client reads."""
    status = live.get("status", {})
    conditions = {each["type"]: each["status"] for each in status.get("conditions", ())}
    return conditions.get("Ready") == "True" and status.get("observedGeneration") == live["metadata"]["generation"]


@pytest.fixture
def official(admin_config: Path) -> Iterator[kubernetes.client.ApiClient]:
    """The official client, with its connections closed afterwards."""
    client = kubernetes.config.new_client_from_config(config_file=str(admin_config))
    yield client
    client.close()
    client.rest_client.pool_manager.clear()


@pytest.fixture
def by_pykube(admin_config: Path) -> Iterator[pykube.HTTPClient]:
    """pykube, with its connections closed afterwards."""
    client = pykube.HTTPClient(pykube.KubeConfig.from_file(str(admin_config)))
    yield client
    client.session.close()


def until_ready(client: kubernetes.client.ApiClient, namespace: str, *, name: str, generation: int) -> Manifest:
    """Watch until it is Ready in this generation, or a later one."""
    custom, watch = kubernetes.client.CustomObjectsApi(client), kubernetes.watch.Watch()
    events: Iterator[dict[str, Any]] = watch.stream(
        custom.list_namespaced_custom_object,
        GROUP,
        VERSION,
        namespace,
        PLURAL,
        field_selector=f"metadata.name={name}",
        timeout_seconds=WAIT_SECONDS,
    )
    for event in events:
        live: Manifest = event["object"]
        if event["type"] in {"ADDED", "MODIFIED"} and live["metadata"]["generation"] >= generation and is_ready(live):
            watch.stop()
            return live
    raise AssertionError(f"{name} was not Ready within {WAIT_SECONDS} s")


def test_the_official_client(official: kubernetes.client.ApiClient, namespace: str) -> None:
    custom, apps = kubernetes.client.CustomObjectsApi(official), kubernetes.client.AppsV1Api(official)
    made = custom.create_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, example(namespace))
    until_ready(official, namespace, name="orders", generation=made["metadata"]["generation"])

    deployments = apps.list_namespaced_deployment(namespace, label_selector=f"{GROUP}/apisvc=orders").items
    assert {each.metadata.name for each in deployments} == {"orders-api", "orders-worker"}
    for each in deployments:
        (owner,) = each.metadata.owner_references
        assert (owner.kind, owner.uid, owner.controller) == ("ApiService", made["metadata"]["uid"], True)

    change = {"spec": {"api": {"title": "Orders by script"}}}
    changed = custom.patch_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, "orders", change)
    assert changed["metadata"]["generation"] == made["metadata"]["generation"] + 1
    until_ready(official, namespace, name="orders", generation=changed["metadata"]["generation"])

    with pytest.raises(kubernetes.client.ApiException) as refused:
        custom.patch_namespaced_custom_object(
            GROUP, VERSION, namespace, PLURAL, "orders", {"spec": {"deletionPolicy": "Sometimes"}}
        )
    assert refused.value.status == 422
    assert "spec.deletionPolicy" in refused.value.body

    custom.delete_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, "orders")
    eventually(
        lambda: not custom.list_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL)["items"],
        what="the ApiService is gone",
    )


def test_pykube(by_pykube: pykube.HTTPClient, namespace: str) -> None:
    kind = pykube.object_factory(by_pykube, f"{GROUP}/{VERSION}", "ApiService")
    resource = kind(by_pykube, example(namespace))
    resource.create()

    def live() -> Manifest:
        resource.reload()
        found: Manifest = resource.obj
        return found

    eventually(lambda: is_ready(live()), what="it is Ready", timeout_seconds=WAIT_SECONDS)
    (service,) = pykube.Service.objects(by_pykube, namespace=namespace).filter(
        selector={f"{GROUP}/apisvc": "orders", "app.kubernetes.io/component": "api"}
    )
    assert service.name == "orders-api"

    resource.patch({"spec": {"api": {"title": "Orders by script"}}})
    assert resource.obj["metadata"]["generation"] == 2
    eventually(lambda: is_ready(live()), what="the change is Ready", timeout_seconds=WAIT_SECONDS)
    assert [each.name for each in kind.objects(by_pykube, namespace=namespace)] == ["orders"]

    resource.delete()
    eventually(lambda: not resource.exists(), what="the ApiService is gone")
