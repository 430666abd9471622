"""A provision or teardown Job that does not succeed: what delays it is reported, and the number of tries is limited."""

from collections.abc import Callable

import pytest

from ...kstatus import reading
from ..client import Client, Manifest
from ..simulator import Simulator, failed, provisioned
from ..waiting import eventually
from .apisvc import LABEL, Resource, condition
from .harness import Running, side_by_side

ABSENT = "registry.example/absent:1"
CAUSES = {
    "pull": ("ImagePull", "cannot be pulled"),
    "secret": ("MissingSecret", "Secret shop-db is missing"),
    "config": ("MissingConfig", "ConfigMap settings is missing"),
    "unschedulable": ("Unschedulable", "0/3 nodes are available"),
}


def service_of(pod: Manifest) -> str:
    """The ApiService that a pod is of: each is named by what becomes of its Jobs."""
    return str(pod["metadata"]["labels"][LABEL])


def job_of(resource: Resource) -> Manifest:
    """Its provision Job."""
    (job,) = [each for (kind, name), each in resource.children().items() if kind == "Job" and "-provision-" in name]
    return job


def end_time(admin: Client, job: Manifest) -> None:
    """Let a Job's time be over in a moment."""
    admin.merge(job, {"spec": {"activeDeadlineSeconds": 1}})


@pytest.mark.usefixtures("recorder", "operator")
def test_what_delays_a_provision_job_is_reported_until_it_is_corrected(
    admin: Client, simulator: Simulator, make: Callable[..., Resource]
) -> None:
    corrected: set[str] = set()
    tried: dict[str, str] = {}

    def verdict(pod: Manifest) -> str:
        if service_of(pod) == "image":
            return "pull" if pod["spec"]["containers"][0]["image"] == ABSENT else "end"
        if service_of(pod) == "crash" and "crash" not in corrected:
            # The next try lasts, or all tries would be over before anybody looks.
            return "end" if tried.setdefault("crash", pod["metadata"]["name"]) == pod["metadata"]["name"] else "wait"
        found = {"late": "secret"}.get(service_of(pod), service_of(pod))
        return found if found in CAUSES and service_of(pod) not in corrected else "end"

    simulator.job_verdict = verdict
    simulator.job_message = lambda pod: (provisioned if service_of(pod) in {*corrected, "image"} else failed)(pod)

    def until_reported(resource: Resource, reason: str, text: str) -> None:
        live = resource.until("Provisioned", "Unknown", reason)
        for name in ("Provisioned", "Ready"):
            message = condition(live, name)["message"]
            assert message.startswith(f"Job {resource.name}-provision-")
            assert text in message
        assert condition(live, "Ready")["reason"] == "Provisioning"
        assert reading(live) == "InProgress"

    def stuck(name: str, reason: str, text: str) -> None:
        resource = make(name)
        until_reported(resource, reason, text)
        corrected.add(name)
        resource.until("Ready", "True")

    def out_of_time() -> None:
        resource = make("late")
        until_reported(resource, *CAUSES["secret"])
        end_time(admin, job_of(resource))
        message = condition(resource.until("Stalled", "True", "ProvisionFailed"), "Ready")["message"]
        assert "Secret shop-db is missing (DeadlineExceeded" in message
        corrected.add("late")
        resource.annotate("reconcile-requested-at", "one")
        resource.until("Ready", "True")

    def another_image() -> None:
        resource = make("image", runtime={"image": ABSENT})
        until_reported(resource, "ImagePull", f"image {ABSENT} cannot be pulled")
        resource.edit(runtime={"image": "registry.example/good:1"})
        resource.until("Ready", "True")

    scenarios = [lambda name=name, found=found: stuck(name, *found) for name, found in CAUSES.items()]
    crash = lambda: stuck("crash", "Crashing", "datastore shop: password authentication failed")  # noqa: E731
    side_by_side(*scenarios, crash, out_of_time, another_image)


@pytest.mark.usefixtures("recorder")
def test_a_job_without_a_result_is_run_a_few_times_and_again_when_its_image_changes(
    start: Callable[..., Running], simulator: Simulator, make: Callable[..., Resource]
) -> None:
    simulator.job_message = lambda pod: (True, "")
    first = start()
    resource = make()
    # Another operator goes on where one stopped.
    eventually(lambda: resource.live().get("status", {}).get("provision", {}).get("withoutResult"), what="a try counts")
    first.stop()
    second = start()
    message = condition(resource.until("Stalled", "True", "ProvisionFailed"), "Ready")["message"]
    assert "succeeded without a result" in message
    assert "correct the image" in message
    second.settle()
    writes = [each for operator in (first, second) for each in operator.child_writes(resource.name)]
    of_job = [(each.method, each.code) for each in writes if "/jobs" in each.path]
    assert (of_job.count(("PATCH", 201)), of_job.count(("DELETE", 200))) == (3, 2), of_job
    simulator.job_message = provisioned
    resource.edit(runtime={"image": "registry.example/good:1"})
    resource.until("Ready", "True")


@pytest.mark.usefixtures("recorder", "operator")
def test_a_quota_that_lets_no_pod_of_a_job_be_made_is_reported(
    admin: Client, namespace: str, simulator: Simulator, make: Callable[..., Resource]
) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": namespace}}
    admin.create(quota | {"spec": {"hard": {"pods": "0"}}})
    eventually(lambda: (admin.get(quota) or {}).get("status", {}).get("hard"), what="the quota holds")
    resource = make()
    live = resource.until("Provisioned", "Unknown", "QuotaExceeded")
    assert "exceeded quota: few" in condition(live, "Ready")["message"]
    admin.delete(quota)
    resource.until("Ready", "True")


@pytest.mark.usefixtures("recorder", "operator")
def test_what_delays_a_teardown_job_is_reported_also_when_its_time_is_over(
    admin: Client, simulator: Simulator, make: Callable[..., Resource]
) -> None:
    resource = make(deletionPolicy="Delete")
    resource.until("Ready", "True")
    simulator.job_verdict = lambda pod: "secret"
    resource.delete()
    text = "Job orders-teardown: Secret shop-db is missing"
    eventually(lambda: resource.condition("Ready").get("message") == text, what="Ready reports the Secret")
    assert resource.condition("Ready")["reason"] == "Deleting"
    end_time(admin, resource.child("Job", "teardown"))
    live = resource.until("Stalled", "True", "TeardownFailed")
    assert "Secret shop-db is missing (DeadlineExceeded" in condition(live, "Ready")["message"]
    simulator.job_verdict = lambda pod: "end"
    admin.delete(resource.child("Job", "teardown"))
    resource.until_gone()
