"""What kube-controller-manager writes into the status of a HorizontalPodAutoscaler, and KEDA of a ScaledObject."""

import datetime
from collections.abc import Iterable

from .client import Manifest

NO_METRICS = "unable to get metrics for resource cpu: no metrics returned from resource metrics API"
_ABLE = ("AbleToScale", "True", "SucceededGetScale", "the HPA controller was able to get the target's current scale")
Conditions = list[Manifest]


def measured(live: Manifest) -> Conditions:
    """It scales, and would like more than it may."""
    found = "the HPA was able to successfully calculate a replica count from cpu resource utilization"
    return _since(
        live,
        ("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size"),
        ("ScalingActive", "True", "ValidMetricFound", f"{found} (percentage of request)"),
        ("ScalingLimited", "True", "TooManyReplicas", "the desired replica count is more than the maximum"),
    )


def unmeasured(live: Manifest, why: str = NO_METRICS) -> Conditions:
    """There is nothing to scale by, or not yet."""
    text = f"the HPA was unable to compute the replica count: failed to get cpu utilization: {why}"
    return _since(live, _ABLE, ("ScalingActive", "False", "FailedGetResourceMetric", text))


def disabled(live: Manifest) -> Conditions:
    """Somebody scaled the Deployment to nothing."""
    text = "scaling is disabled since the replica count of the target is zero"
    return _since(live, _ABLE, ("ScalingActive", "False", "ScalingDisabled", text))


def ambiguous(live: Manifest) -> Conditions:
    """Another autoscaler is there for the same pods."""
    text = f"pods by selector a=b are controlled by multiple HPAs: [{live['metadata']['name']} another]"
    return _since(live, _ABLE, ("ScalingActive", "False", "AmbiguousSelector", text))


def first_unmeasured(live: Manifest) -> Conditions:
    """The ordinary scenario of a new one: no metrics at first, then it scales."""
    return measured(live) if live.get("status", {}).get("conditions") else unmeasured(live)


def of_keda(*, ready: str = "True", fallback: str = "False", paused: str = "False") -> Manifest:
    """The status of a ScaledObject. KEDA gives its conditions no time."""
    failed = "Triggers defined in ScaledObject are not working correctly"
    reasons = {"True": ("ScaledObjectReady", "ScaledObject is ready for scaling"), "False": ("TriggerError", failed)}
    falls = {
        "True": ("FallbackExists", "At least one trigger is falling back on this scaled object"),
        "False": ("NoFallbackFound", "No fallbacks are active on this scaled object"),
    }
    found = (
        ("Ready", ready, *reasons[ready]),
        ("Active", "False", "ScalerNotActive", "Scaling is not performed because triggers are not active"),
        ("Fallback", fallback, *falls[fallback]),
        ("Paused", paused, "ScaledObjectPaused", "ScaledObject is paused"),
    )
    return {"conditions": list(_named(found))}


def status(live: Manifest, conditions: Conditions) -> Manifest:
    """A whole status."""
    replicas = live["spec"].get("minReplicas", 1)
    return {"currentReplicas": replicas, "desiredReplicas": replicas, "conditions": conditions}


def _since(live: Manifest, *found: tuple[str, str, str, str]) -> Conditions:
    """As the controller does it: the time is of when a condition got its status."""
    before = {each["type"]: each for each in live.get("status", {}).get("conditions") or ()}
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = []
    for each in _named(found):
        known = before.get(each["type"], {})
        same = known.get("status") == each["status"]
        conditions.append(each | {"lastTransitionTime": known["lastTransitionTime"] if same else now})
    return conditions


def _named(found: Iterable[tuple[str, str, str, str]]) -> Iterable[Manifest]:
    return ({"type": name, "status": state, "reason": reason, "message": text} for name, state, reason, text in found)
