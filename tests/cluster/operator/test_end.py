"""The end of a resource, what is outside the cluster included, and its end while something else is under way."""

import time
from collections.abc import Callable, Iterator

import pytest

from ..client import Client, Manifest
from ..recording import StatusRecorder, own_namespace
from ..simulator import Simulator
from ..waiting import eventually
from .apisvc import LABEL, Resource
from .harness import Running, example, side_by_side

pytestmark = pytest.mark.usefixtures("simulator")
FINALIZER = "fairlead.dev/teardown"
POLICIES = ("Retain", "Delete")
DELAYS_SECONDS = (0.0, 0.05, 0.15, 0.3, 0.5)


@pytest.fixture
def ending(admin: Client, statuses: StatusRecorder) -> Iterator[str]:
    """A namespace that the test deletes."""
    with own_namespace(admin, statuses) as name:
        yield name


def namespace_of(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


@pytest.mark.usefixtures("recorder", "operator")
def test_with_delete_the_teardown_job_runs_before_the_resource_goes(
    admin: Client, simulator: Simulator, make: Callable[..., Resource]
) -> None:
    resource = make(deletionPolicy="Delete")
    live = resource.until("Ready", "True")
    assert live["metadata"]["finalizers"] == [FINALIZER]
    simulator.job_message = lambda pod: None
    resource.delete()
    eventually(lambda: admin.get(resource.child("Job", "teardown")), what="the teardown Job is there")
    assert resource.live()
    simulator.job_message = lambda pod: (True, "")
    resource.until_gone()


@pytest.mark.usefixtures("recorder", "operator")
@pytest.mark.parametrize("policy", POLICIES)
def test_a_foreground_deletion_takes_all_children_and_then_the_resource(
    admin: Client, simulator: Simulator, make: Callable[..., Resource], policy: str
) -> None:
    resource = make(deletionPolicy=policy)
    resource.until("Ready", "True")
    simulator.job_message = lambda pod: None
    admin.delete(resource.manifest, propagation="Foreground")
    if policy == "Delete":
        job = resource.child("Job", "teardown")

        def only_the_teardown_is_left() -> bool:
            return {name for _, name in resource.children()} == {f"{resource.name}-teardown"}

        eventually(only_the_teardown_is_left, what="the garbage collector has taken the children")
        assert admin.get(job), "and not what the teardown needs"
        assert FINALIZER in resource.live()["metadata"]["finalizers"]
        simulator.job_message = lambda pod: (True, "")
    resource.until_gone()


@pytest.mark.usefixtures("operator")
def test_skip_teardown_lets_a_resource_go(admin: Client, simulator: Simulator, make: Callable[..., Resource]) -> None:
    resource = make(deletionPolicy="Delete")
    resource.until("Ready", "True")
    simulator.job_message = lambda pod: (False, "no such table")
    resource.delete()
    # A Job whose pods fail is tried six times with growing pauses; ours is set to end at once.
    job = resource.child("Job", "teardown")
    eventually(lambda: admin.get(job), what="the teardown Job is there")
    admin.merge(job, {"spec": {"activeDeadlineSeconds": 1}})
    resource.until("Stalled", "True", "TeardownFailed")
    resource.annotate("skip-teardown", "true")
    resource.until_gone()


@pytest.mark.usefixtures("recorder")
def test_with_retain_there_is_no_finalizer_and_no_job(operator: Running, orders: Resource) -> None:
    assert "finalizers" not in orders.live()["metadata"]
    count = len(operator.writes())
    orders.delete()
    orders.until_gone()
    operator.settle()
    assert operator.writes()[count:] == []


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("way", ["the unowned object goes", "teardown is skipped"])
def test_an_unowned_object_with_the_name_of_the_teardown_is_reported(
    admin: Client, make: Callable[..., Resource], way: str
) -> None:
    resource = make(deletionPolicy="Delete")
    resource.until("Ready", "True")
    unowned = [resource.child(kind, "teardown") for kind in ("ServiceAccount", "ConfigMap")]
    before = [admin.create(each) for each in unowned]
    resource.delete()
    resource.until("Stalled", "True", "Conflict")
    message = resource.condition("Ready")["message"]
    assert "ServiceAccount orders-teardown" in message
    assert "skip-teardown" in message
    for was in before:
        now = admin.get(was)
        assert now is not None
        assert now["metadata"]["resourceVersion"] == was["metadata"]["resourceVersion"]
    assert admin.get(resource.child("Job", "teardown")) is None
    if way == "teardown is skipped":
        resource.annotate("skip-teardown", "true")
        resource.until_gone()
        assert all(admin.get(each) for each in unowned)
        return
    for each in unowned:
        admin.delete(each)
    # No watch reports that they went: the operator looks every half a minute.
    resource.until_gone()


def test_a_namespace_goes_with_all_that_is_in_it(admin: Client, start: Callable[..., Running], ending: str) -> None:
    operator = start(namespace=ending)
    inside = Simulator(admin, ending)
    inside.start()
    manifests = [example(ending, name=policy.lower(), deletionPolicy=policy) for policy in POLICIES]
    for each in [Resource(admin, manifest).create() for manifest in manifests]:
        each.until("Ready", "True")
    operator.settle()
    count = len(operator.sent_by_us())
    admin.delete(namespace_of(ending))
    eventually(lambda: admin.get(namespace_of(ending)) is None, what="the namespace is gone", timeout_seconds=60)
    inside.stop()
    operator.settle()
    sent = operator.sent_by_us()[count:]
    assert len(sent) < 150, "it tried again and again"
    (event,) = admin.list("v1", "Event", namespace="default", fieldSelector=f"involvedObject.name={ending}")
    assert event["reason"] == "TeardownSkipped"
    assert event["involvedObject"]["kind"] == "Namespace"
    assert "ApiService delete" in event["message"]


@pytest.mark.usefixtures("recorder", "operator")
@pytest.mark.parametrize("policy", POLICIES)
def test_a_resource_of_the_same_name_made_at_once_is_a_new_one(
    simulator: Simulator, make: Callable[..., Resource], policy: str
) -> None:
    first = make(deletionPolicy=policy)
    old = first.until("Ready", "True")["metadata"]["uid"]
    first.delete()
    eventually(lambda: first.client.get(first.manifest) is None, what="the first is gone")
    second = make(deletionPolicy=policy, slo={"availability": "99.5"})
    new = second.until("Ready", "True")["metadata"]["uid"]
    assert new != old

    def owners() -> set[str]:
        return {each["metadata"]["ownerReferences"][0]["uid"] for each in second.children().values()}

    # What only the first had goes when the garbage collector comes by.
    eventually(lambda: owners() == {new}, what="everything is the second's own")
    assert second.until("Ready", "True")["metadata"]["uid"] == new


@pytest.mark.usefixtures("operator")
def test_whenever_a_resource_is_deleted_nothing_is_left(simulator: Simulator, make: Callable[..., Resource]) -> None:
    unready: set[str] = set()
    simulator.verdict = lambda pod: "wait" if pod["metadata"]["labels"][LABEL] in unready else "ready"

    def scenario(policy: str, number: int) -> None:
        resource = make(f"{policy.lower()}-{number}", deletionPolicy=policy)
        time.sleep(DELAYS_SECONDS[number])
        resource.delete()
        resource.until_gone()

    def during_a_rollout(policy: str) -> None:
        resource = make(f"{policy.lower()}-rollout", deletionPolicy=policy)
        resource.until("Ready", "True")
        unready.add(resource.name)
        resource.edit(api={"title": "Other"})
        resource.until("Ready", "Unknown", "RollingOut")
        resource.delete()
        resource.until_gone()

    numbers = range(len(DELAYS_SECONDS))
    scenarios = [lambda p=policy, n=number: scenario(p, n) for policy in POLICIES for number in numbers]
    side_by_side(*scenarios, *(lambda p=policy: during_a_rollout(p) for policy in POLICIES))
