"""What is read off a live child."""

from typing import Any

import pytest

from fairlead_operator.cache.workload_state import JobEnd, Scaler, autoscaler, job_end, rollout, scaled_object

SERVES = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}


def deployment(
    status: dict[str, Any],
    *,
    reason: str = "NewReplicaSetAvailable",
    replicas: int = 2,
    strategy: str = "RollingUpdate",
) -> dict[str, Any]:
    condition = {"type": "Progressing", "status": "True", "reason": reason, "message": ""}
    return {
        "metadata": {"name": "orders-api", "generation": 2, "labels": {"app.kubernetes.io/component": "api"}},
        "spec": {"replicas": replicas, "strategy": {"type": strategy}},
        "status": status | {"conditions": [condition]},
    }


@pytest.mark.parametrize(
    ("live", "complete"),
    [
        (deployment(SERVES), True),
        (deployment(SERVES | {"observedGeneration": 1}), False),
        (deployment(SERVES | {"updatedReplicas": 1}, reason="ReplicaSetUpdated"), False),
        (deployment({"observedGeneration": 2, "replicas": 2, "availableReplicas": 2}), False),
        (deployment({"observedGeneration": 2}), False),
        (deployment({"observedGeneration": 2}, replicas=0), True),
        (deployment(SERVES, replicas=5), True),
        (deployment(SERVES | {"availableReplicas": 0}), True),
        (deployment(SERVES, strategy="Recreate"), True),
        (deployment(SERVES | {"availableReplicas": 0}, strategy="Recreate"), False),
        (deployment({"observedGeneration": 2}, replicas=0, strategy="Recreate"), True),
        (deployment({}), False),
    ],
    ids=[
        "all pods are new",
        "the controller has not seen the template",
        "one pod is new",
        "old pods run, and the conditions are of the rollout before",
        "old pods end, and the conditions are of the rollout before",
        "scaled to zero",
        "scaling up is no rollout",
        "pods that went away later are no rollout",
        "recreated",
        "recreated from a template that was used before, and not yet available",
        "recreated at zero",
        "nothing is known",
    ],
)
def test_a_rollout_is_complete_when_all_pods_are_new(live: dict[str, Any], complete: bool) -> None:
    assert rollout(live).complete is complete


REFUSED = {
    'pods "orders-api-65f4-x2k" is forbidden: exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2': (
        "a pod is forbidden: exceeded quota: few, requested: pods=1, limited: pods=2"
    ),
    'pods "a-b" is forbidden: exceeded quota: few, requested: cpu=1,memory=1Gi, used: cpu=2,memory=0, limited: cpu=2': (
        "a pod is forbidden: exceeded quota: few, requested: cpu=1,memory=1Gi, limited: cpu=2"
    ),
    'Pod "orders-api-65f4-9zz7c" is invalid: spec.priority: Forbidden': "a pod is invalid: spec.priority: Forbidden",
    'admission webhook "mesh.example.com" denied the request: no': (
        'admission webhook "mesh.example.com" denied the request: no'
    ),
}


@pytest.mark.parametrize(("message", "lasting"), REFUSED.items())
def test_why_pods_are_refused_reads_the_same_at_each_try(message: str, lasting: str) -> None:
    live = deployment(SERVES)
    live["status"]["conditions"].append({"type": "ReplicaFailure", "status": "True", "message": message})
    assert rollout(live).refused == lasting


def test_since_when_a_rollout_is_available() -> None:
    live = deployment(SERVES)
    available = {"type": "Available", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    live["status"]["conditions"].append(available)
    assert rollout(live).available_since == "2026-01-01T00:00:00Z"
    available["status"] = "False"
    assert rollout(live).available_since == ""


AT = "2026-01-01T00:00:00Z"
ABLE = {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale", "message": "recommended size matches"}
LIMITED = {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas", "message": "more than the maximum"}
NO_METRICS = "the HPA was unable to compute the replica count: failed to get cpu utilization: "


def scaler_of(*conditions: dict[str, Any]) -> dict[str, Any]:
    """A HorizontalPodAutoscaler, or a ScaledObject, of the worker."""
    return {
        "metadata": {"name": "orders-worker", "labels": {"app.kubernetes.io/component": "worker"}},
        "spec": {"scaleTargetRef": {"name": "orders-worker"}},
        "status": {"conditions": list(conditions)},
    }


def condition(name: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    return {"type": name, "status": status, "reason": reason, "message": message, "lastTransitionTime": AT}


HPA_FAULTS: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "its controller has not looked yet": ([], "", ""),
    "it works, and is at its maximum": (
        [ABLE, condition("ScalingActive", "True", "ValidMetricFound"), LIMITED],
        "",
        "",
    ),
    "somebody wants no pods": (
        [ABLE, condition("ScalingActive", "False", "ScalingDisabled", "scaling is off")],
        "",
        "",
    ),
    "nothing is known": ([ABLE, condition("ScalingActive", "Unknown", "")], "", ""),
    "no metrics": (
        [ABLE, condition("ScalingActive", "False", "FailedGetResourceMetric", NO_METRICS + "no metrics returned")],
        f"FailedGetResourceMetric: {NO_METRICS}no metrics returned",
        AT,
    ),
    "the Deployment cannot be read": (
        [condition("AbleToScale", "False", "FailedGetScale", "not found"), LIMITED],
        "FailedGetScale: not found",
        AT,
    ),
    "the Deployment cannot be scaled, which has no lasting time": (
        [condition("AbleToScale", "False", "FailedUpdateScale", "forbidden")],
        "FailedUpdateScale: forbidden",
        "",
    ),
    "others select its pods, in any order": (
        [ABLE, condition("ScalingActive", "False", "AmbiguousSelector", "by multiple HPAs: [shop/b shop/a]")],
        "AmbiguousSelector: other autoscalers select the same pods",
        AT,
    ),
}


@pytest.mark.parametrize("case", HPA_FAULTS)
def test_what_keeps_an_autoscaler_from_scaling(case: str) -> None:
    conditions, fault, since = HPA_FAULTS[case]
    found = autoscaler(scaler_of(*conditions))
    assert (found.component, found.fault, found.since) == ("worker", fault, since)


UNPAUSED = condition("Paused", "False", "ScaledObjectUnpaused")
FALLS_BACK = condition("Fallback", "True", "FallbackExists", "At least one trigger is falling back")
CHECK_FAILED = condition("Ready", "False", "ScaledObjectCheckFailed", "no such trigger")
KEDA_FAULTS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "KEDA has not looked yet": ([condition("Ready", "Unknown", ""), condition("Fallback", "Unknown", "")], ""),
    "it works, and there is nothing to do": (
        [condition("Ready", "True", "ScaledObjectReady"), condition("Active", "False", "ScalerNotActive"), UNPAUSED],
        "",
    ),
    "some triggers fail": ([condition("Ready", "Unknown", "PartialTriggerError", "some"), UNPAUSED], ""),
    "KEDA cannot use it": ([CHECK_FAILED, UNPAUSED], "ScaledObjectCheckFailed: no such trigger"),
    "the backlog cannot be measured": (
        [condition("Ready", "True", "ScaledObjectReady"), FALLS_BACK, UNPAUSED],
        "FallbackExists: At least one trigger is falling back",
    ),
    "somebody paused it": ([CHECK_FAILED, FALLS_BACK, condition("Paused", "True", "ScaledObjectPaused")], ""),
}


@pytest.mark.parametrize("case", KEDA_FAULTS)
def test_what_keeps_a_scaled_object_from_scaling(case: str) -> None:
    conditions, fault = KEDA_FAULTS[case]
    assert scaled_object(scaler_of(*conditions)) == Scaler("worker", fault)
    assert scaled_object(scaler_of(*conditions)).since == ""


LASTING = {
    "missing request for cpu in container app of Pod orders-worker-bcdfg-hjklm": (
        "missing request for cpu in container app of a pod"
    ),
    "container app not found in Pod other-65f4d8c9b7-x2k4z": "container app not found in a pod",
    'pods "orders-worker-65f4d8c9b7-x2k4z" not found, orders-worker-65f4d8c9b7-aaaaa is': "a pod not found, a pod is",
    "did not receive metrics for targeted pods (pods might be unready)": (
        "did not receive metrics for targeted pods (pods might be unready)"
    ),
    "the server could not find the requested resource (get pods.metrics.k8s.io)": (
        "the server could not find the requested resource (get pods.metrics.k8s.io)"
    ),
    'Get "https://10.96.0.1:443/apis/metrics.k8s.io/v1beta1": dial tcp 10.96.7.8:8443: i/o timeout': (
        'Get "https://N/apis/metrics.k8s.io/v1beta1": dial tcp N: i/o timeout'
    ),
    "throttled, waited 1m3.5s, at 2026-01-01T00:00:00Z, 17 of 20, 85% (limit=3)": (
        "throttled, waited N, at N, N of N, N (limit=N)"
    ),
    "AccessDenied, request 3f2a0b1c-1111-2222-3333-abcdefabcdef": "AccessDenied, request N",
    "no such queue: orders-2-events": "no such queue: orders-2-events",
}


@pytest.mark.parametrize(("message", "lasting"), LASTING.items())
def test_the_fault_of_an_autoscaler_reads_the_same_each_time(message: str, lasting: str) -> None:
    failed = condition("ScalingActive", "False", "FailedGetResourceMetric", message)
    assert autoscaler(scaler_of(failed)).fault == f"FailedGetResourceMetric: {lasting}"


def test_a_fault_is_cut_short_and_its_time_is_no_news() -> None:
    failed = condition("ScalingActive", "False", "FailedGetResourceMetric", "very " * 1000)
    found = autoscaler(scaler_of(failed))
    assert len(found.fault) == 300
    assert autoscaler(scaler_of(failed | {"lastTransitionTime": "2026-02-02T00:00:00Z"})) == found


def holds(name: str, **more: str) -> dict[str, Any]:
    """A condition that is True."""
    return {"type": name, "status": "True", "lastTransitionTime": "2026-01-01T00:00:09Z"} | more


@pytest.mark.parametrize(
    ("conditions", "state", "ended_at", "late"),
    [
        ([], "Running", "", False),
        ([holds("FailureTarget")], "Running", "", False),
        ([holds("Complete")], "Succeeded", "2026-01-01T00:00:09Z", False),
        ([holds("Failed", reason="BackoffLimitExceeded")], "Failed", "2026-01-01T00:00:09Z", False),
        ([holds("Failed", reason="DeadlineExceeded", message="m")], "Failed", "2026-01-01T00:00:09Z", True),
    ],
    ids=["at work", "about to fail", "well", "after all tries", "out of time"],
)
def test_how_a_job_ended(conditions: list[Any], state: str, ended_at: str, *, late: bool) -> None:
    started = "2026-01-01T00:00:00Z"
    found = job_end({"metadata": {}, "status": {"startTime": started, "conditions": conditions}})
    assert (found.state, found.started_at, found.ended_at, found.is_late) == (state, started, ended_at, late)


def test_the_times_of_a_job_alone_are_no_news() -> None:
    assert JobEnd("Running", started_at="2026-01-01T00:00:00Z") == JobEnd("Running")
