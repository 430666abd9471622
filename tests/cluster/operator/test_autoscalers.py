"""What autoscalers report on a real API server: in the status when it lasts, and not when it changes by itself."""

from collections.abc import Callable
from functools import partial

import pytest

from fairlead_operator.kube import kinds

from .. import autoscalers
from ..autoscalers import Conditions
from ..client import Client, Manifest
from ..simulator import Simulator
from ..waiting import eventually
from .apisvc import LABEL, Resource
from .harness import Running

pytestmark = pytest.mark.usefixtures("recorder")

PATIENCE_SECONDS = 1.0
KAFKA = {"type": "Kafka", "kafka": {"bootstrapServers": ["kafka:9092"], "topic": "orders"}}  # scaled by KEDA
NO_METRICS = f"the HPA was unable to compute the replica count: failed to get cpu utilization: {autoscalers.NO_METRICS}"
VOLATILE = "missing request for cpu in container app of Pod orders-api-65f4d8c9b{number}-x2k4z after {number}m3s"
LASTING = "missing request for cpu in container app of a pod after N"


@pytest.fixture
def short_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator that reports a fault after a second."""
    monkeypatch.setattr("fairlead_operator.diagnosis.autoscaling.PATIENCE_SECONDS", PATIENCE_SECONDS)


def autoscaling(resource: Resource) -> tuple[str, str, str]:
    """Status, reason and message of AutoscalingReady."""
    found = resource.condition("AutoscalingReady")
    return found["status"], found["reason"], found.get("message", "")


def until_taken_in(operator: Running, admin: Client, child: Manifest, text: str) -> None:
    """Wait until a child's conditions say `text`, and the operator has read that."""

    def check() -> bool:
        live, runtime = admin.get(child), operator.operator
        assert live, child
        assert runtime
        kind = next(each for each in kinds.CHILDREN if each.name == child["kind"])
        known = runtime.cache.children[kind].get((live["metadata"]["namespace"], live["metadata"]["name"]))
        is_read = known is not None and known.version >= int(live["metadata"]["resourceVersion"])
        return is_read and text in str(live.get("status"))

    eventually(check, what=f"{child['kind']} {child['metadata']['name']} says {text}, and the operator knows")


def test_replicas_that_are_scaled_by_hand_stay_and_nothing_is_said_to_scale(
    admin: Client, operator: Running, simulator: Simulator, make: Callable[..., Resource]
) -> None:
    resource = make(scaling={"backend": "None"})
    resource.until("Ready", "True")
    admin.merge(resource.child("Deployment", "api"), {"spec": {"replicas": 3}})
    what = "the status reports the replicas"
    eventually(lambda: resource.live()["status"]["api"] == {"replicas": "3/3"}, what=what)
    operator.resync()
    assert resource.children()["Deployment", "orders-api"]["spec"]["replicas"] == 3
    assert autoscaling(resource) == ("True", "NotConfigured", "")


def test_an_autoscaler_that_has_no_metrics_yet_costs_nothing(
    admin: Client, operator: Running, simulator: Simulator, make: Callable[..., Resource]
) -> None:
    simulator.scaling = lambda live: None
    resource = make()
    resource.until("Ready", "True")
    operator.settle()
    sent = operator.sent_by_us()
    scenarios: dict[str, Callable[[Manifest], Conditions]] = {
        "FailedGetResourceMetric": autoscalers.unmeasured,
        "ValidMetricFound": autoscalers.measured,
    }
    for text, scenario in scenarios.items():
        simulator.scaling = scenario
        until_taken_in(operator, admin, resource.child("HorizontalPodAutoscaler", "api"), text)
        operator.settle()
        assert operator.sent_by_us() == sent
    assert autoscaling(resource)[:2] == ("True", "RegionUnknown")


@pytest.mark.usefixtures("short_delay")
def test_a_fault_that_lasts_is_reported_once_and_until_it_is_over(
    admin: Client, operator: Running, simulator: Simulator, make: Callable[..., Resource]
) -> None:
    simulator.scaling = autoscalers.unmeasured
    resource = make(queue=KAFKA)
    live = resource.until("AutoscalingReady", "False", "ScalerFailed")
    assert autoscaling(resource)[2] == f"HorizontalPodAutoscaler orders-api: FailedGetResourceMetric: {NO_METRICS}"
    resource.until("Ready", "True")
    scaler = resource.child("HorizontalPodAutoscaler", "api")
    simulator.scaling = partial(autoscalers.unmeasured, why=VOLATILE.format(number=0))
    eventually(lambda: autoscaling(resource)[2].endswith(LASTING), what="the new cause is reported")
    operator.settle()
    writes = operator.writes()
    for number in range(1, 5):
        why = VOLATILE.format(number=number)
        simulator.scaling = partial(autoscalers.unmeasured, why=why)
        until_taken_in(operator, admin, scaler, why)
    operator.settle()
    assert operator.writes() == writes, "what changes by itself was written"
    simulator.scaling = autoscalers.measured
    after = resource.until("AutoscalingReady", "True", "Scaling")
    assert after["metadata"]["generation"] == live["metadata"]["generation"]
    operator.settle()
    count = len(operator.writes())
    assert count == len(writes) + 1
    operator.resync()
    assert len(operator.writes()) == count


@pytest.mark.usefixtures("short_delay")
def test_what_a_person_has_to_look_at_is_reported_and_what_was_requested_is_not(
    admin: Client, operator: Running, simulator: Simulator, make: Callable[..., Resource]
) -> None:
    fates = {"idle": autoscalers.disabled, "shared": autoscalers.ambiguous}
    simulator.scaling = lambda live: fates.get(live["metadata"]["labels"][LABEL], autoscalers.measured)(live)
    idle, shared, blind = (make(name, queue=KAFKA) for name in ("idle", "shared", "blind"))
    for each in (idle, shared, blind):
        each.until("Ready", "True")
    paused = idle.child("ScaledObject", "worker")
    falls_back = blind.child("ScaledObject", "worker")
    stopped = autoscalers.of_keda(ready="False", fallback="True", paused="True")
    admin.merge(paused, {"status": stopped}, subresource="status")
    admin.merge(falls_back, {"status": autoscalers.of_keda(fallback="True")}, subresource="status")
    shared.until("AutoscalingReady", "False", "ScalerFailed")
    said = "AmbiguousSelector: other autoscalers select the same pods"
    assert autoscaling(shared)[2] == f"HorizontalPodAutoscaler shared-api: {said}"
    blind.until("AutoscalingReady", "False", "ScalerFailed")
    said = "FallbackExists: At least one trigger is falling back on this scaled object"
    assert autoscaling(blind)[2] == f"ScaledObject blind-worker: {said}"
    until_taken_in(operator, admin, idle.child("HorizontalPodAutoscaler", "api"), "ScalingDisabled")
    until_taken_in(operator, admin, paused, "ScaledObjectPaused")
    operator.resync()
    assert autoscaling(idle) == ("True", "Scaling", "")
    admin.merge(falls_back, {"status": autoscalers.of_keda()}, subresource="status")
    blind.until("AutoscalingReady", "True", "Scaling")
