"""The lifecycle of one resource on a real API server: created, provisioned, edited, broken and repaired, paused."""

import datetime
import time
from collections.abc import Callable

import pytest

from fairlead_operator.status.writer import DETAIL_SECONDS

from ...kstatus import reading
from ..client import Client, Manifest
from ..simulator import Simulator, failed
from ..waiting import eventually
from .apisvc import Resource, condition
from .harness import Running

pytestmark = pytest.mark.usefixtures("recorder")
ABSENT = "registry.example/absent:1"


def test_a_new_resource_becomes_ready(operator: Running, orders: Resource) -> None:
    live = orders.live()
    assert reading(live) == "Current"
    assert live["status"]["url"] == f"http://orders-api.{orders.namespace}.svc"
    assert live["status"]["provision"]["state"] == "Succeeded"
    assert live["status"]["serving"]["generation"] == 1
    names = {(each["kind"], each["name"]) for each in live["status"]["children"]}
    assert names == set(orders.children())
    writes = operator.child_writes(orders.name)
    status_writes = [each for each in operator.writes() if "/apisvcs/" in each.path]
    assert len(writes) == len(names)
    assert len(status_writes) <= 4 + details(seconds_until_ready(live)), status_writes
    print(f"a new resource: {len(names)} children, {len(writes)} + {len(status_writes)} writes")


def seconds_until_ready(live: Manifest) -> float:
    """How long it took from the creation on."""
    first, last = live["metadata"]["creationTimestamp"], condition(live, "Ready")["lastTransitionTime"]
    return (datetime.datetime.fromisoformat(last) - datetime.datetime.fromisoformat(first)).total_seconds()


def details(seconds: float) -> int:
    """How many statuses may give details only, beside those that report a step."""
    return int(seconds / DETAIL_SECONDS)


@pytest.mark.usefixtures("operator")
def test_workloads_wait_for_provisioning(simulator: Simulator, make: Callable[..., Resource]) -> None:
    simulator.job_message = lambda pod: None
    resource = make()
    resource.until("Ready", "Unknown", "Provisioning")
    found = resource.children()
    assert ("Service", "orders-api") in found
    assert not [name for kind, name in found if kind == "Deployment"]


@pytest.mark.usefixtures("operator")
def test_failed_provisioning_is_reported_and_tried_again_on_request(
    simulator: Simulator, make: Callable[..., Resource]
) -> None:
    working = simulator.job_message
    simulator.job_message = lambda pod: (True, failed(pod)[1])
    resource = make()
    live = resource.until("Stalled", "True", "ProvisionFailed")
    assert "password authentication failed" in condition(live, "Ready")["message"]
    assert reading(live) == "Failed"
    simulator.job_message = working
    resource.annotate("reconcile-requested-at", "one")
    live = resource.until("Ready", "True")
    assert live["status"]["lastHandledReconcileAt"] == "one"


def test_an_edit_reaches_the_children_and_old_generations_stay_for_a_rollback(
    operator: Running, orders: Resource
) -> None:
    before, count, start = orders.live(), len(operator.writes()), time.monotonic()
    orders.edit(api={"title": "Other"})
    after = orders.until("Ready", "True")
    seconds = time.monotonic() - start
    operator.settle()
    assert after["status"]["serving"]["generation"] == 2
    assert after["status"]["serving"]["runtimeHash"] != before["status"]["serving"]["runtimeHash"]
    generations = [name for kind, name in orders.children() if "-runtime-" in name]
    assert len(generations) == 2
    changed = operator.writes()[count:]
    assert len(changed) <= 8 + details(seconds), changed
    print(f"an edit: {[each.path.rpartition('/namespaces/')[2] for each in changed]}")


def test_what_is_no_longer_asked_for_goes(admin: Client, orders: Resource) -> None:
    assert ("Deployment", "orders-worker") in orders.children()
    live = orders.live()
    live["spec"]["api"]["resources"][1] |= {"writes": "Sync"}
    del live["spec"]["queue"], live["spec"]["worker"]
    admin.replace(live)
    orders.until("Ready", "True")

    def gone() -> bool:
        return not any("worker" in name for kind, name in orders.children() if kind != "ConfigMap")

    eventually(gone, what="nothing of the worker is left")
    orders.delete()
    orders.until_gone()


def test_a_paused_resource_is_left_alone(admin: Client, operator: Running, orders: Resource) -> None:
    orders.annotate("paused", "true")
    orders.until("Ready", "Unknown", "Paused")
    service = orders.child("Service", "api")
    admin.delete(service)
    operator.settle()
    assert admin.get(service) is None
    orders.annotate("paused", None)
    eventually(lambda: admin.get(service), what="the Service is back")
    orders.until("Ready", "True")


def test_a_bad_spec_leaves_the_last_good_version_serving_and_a_new_one_corrects_it(
    admin: Client, simulator: Simulator, orders: Resource
) -> None:
    simulator.verdict = lambda pod: "pull" if pod["spec"]["containers"][0]["image"] == ABSENT else "ready"
    service = orders.child("Service", "api")
    before = admin.get(service)
    orders.edit(runtime={"image": ABSENT}, security={"tls": {"secret": {"name": "orders-tls"}}})
    eventually(lambda: ABSENT in orders.condition("Ready").get("message", ""), what="Ready reports the image")
    live = orders.until_rollout_fails()
    after = admin.get(service)
    assert before is not None
    assert after is not None
    assert after["spec"] == before["spec"], "traffic stays with the version that serves"
    said = condition(live, "Stalled")["message"]
    assert f"image {ABSENT} cannot be pulled" in said
    assert "generation 1 goes on serving" in said
    assert live["status"]["serving"]["generation"] == 1
    assert condition(live, "ApiAvailable")["status"] == "True"
    orders.edit(runtime={"image": "registry.example/good:1"})
    assert orders.until("Ready", "True")["status"]["serving"]["generation"] == 3


def test_nothing_is_written_when_nothing_changes_nor_at_a_restart(
    start: Callable[..., Running], operator: Running, orders: Resource
) -> None:
    count = len(operator.writes())
    operator.resync()
    operator.resync()
    assert operator.writes()[count:] == []
    operator.stop()
    second = start()
    second.settle()
    assert second.writes() == []
    assert [each for each in second.sent_by_us() if each.method == "GET"], "it did not look at all"


def test_an_unknown_class_makes_nothing(operator: Running, make: Callable[..., Resource]) -> None:
    resource = make(className="nowhere")
    resource.until("Stalled", "True", "ClassNotFound")
    operator.settle()
    assert resource.children() == {}
