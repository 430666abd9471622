"""Which faults of autoscalers the status reports. Pure.

A new Deployment has no metrics for a minute or more, and neither has one that comes back: that is no fault. So a fault
is reported when it, and the Deployment's pods, have been there for a while, and then until it is over. KEDA
gives the HorizontalPodAutoscaler that it makes the labels of the ScaledObject, and that one counts, too.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fairlead_operator.cache.records import CachedChild
from fairlead_operator.cache.workload_state import Rollout, Scaler
from fairlead_operator.diagnosis.times import seconds_between
from fairlead_operator.kube import kinds
from fairlead_operator.manifests import Ref
from fairlead_operator.reasons import Reason

# As long as the controller gives new pods to settle (its --horizontal-pod-autoscaler-cpu-initialization-period).
PATIENCE_SECONDS = 300.0


_KINDS = {kinds.AUTOSCALER.name, kinds.SCALED_OBJECT.name}


def is_scaled(children: Iterable[Ref]) -> bool:
    """Whether there is an autoscaler among them."""
    return any(ref.kind in _KINDS for ref in children)


def assess(
    live: Mapping[Ref, CachedChild], own: Mapping[Ref, CachedChild], previous: Mapping[str, Any], *, now: str
) -> tuple[str, float | None]:
    """What the status reports of the autoscalers, and the seconds until it may report more, or None.

    `live` is all that carries the resource's label, `own` what belongs to it; `previous` its last status.
    """
    reported = _reported(previous)
    waits = []
    for ref, scaler in _faulty(live, own):
        seconds = 0.0 if reported.startswith(f"{ref}: ") else _seconds_left(scaler, own, now)
        if seconds == 0.0:
            return f"{ref}: {scaler.fault}", None
        waits += [] if seconds is None else [seconds]
    return "", min(waits, default=None)


def news_seconds(before: Scaler, after: Scaler, *, is_reported: bool, now: str) -> float | None:
    """When a change of an autoscaler is worth a look, if ever. `is_reported`: the status reports a fault."""
    if is_reported:
        return 0.0
    if after.fault:
        return _young_seconds(after.since, now)
    return 0.0 if _young_seconds(before.since, now) == 0.0 else None  # a fault that ended early was never reported


def _faulty(live: Mapping[Ref, CachedChild], own: Mapping[Ref, CachedChild]) -> Iterator[tuple[Ref, Scaler]]:
    uids = {child.uid for ref, child in own.items() if ref.kind == kinds.SCALED_OBJECT.name}
    for ref, child in sorted(live.items(), key=lambda item: item[0]):
        is_ours = ref in own or child.owner_uid in uids
        if is_ours and not child.deleting and isinstance(child.facts, Scaler) and child.facts.fault:
            yield ref, child.facts


def _seconds_left(scaler: Scaler, own: Mapping[Ref, CachedChild], now: str) -> float | None:
    """Until the fault counts; None while the Deployment has no pods to measure."""
    rollouts = [child.facts for child in own.values() if isinstance(child.facts, Rollout)]
    scaled = next((each for each in rollouts if each.component == scaler.component), None)
    if scaled is None or not scaled.available:
        return None
    return max(_young_seconds(scaler.since, now), _young_seconds(scaled.available_since, now))


def _young_seconds(since: str, now: str) -> float:
    return max(0.0, PATIENCE_SECONDS - seconds_between(since, now)) if since else 0.0


def _reported(status: Mapping[str, Any]) -> str:
    conditions = (each for each in status.get("conditions", ()) if each["reason"] == Reason.SCALER_FAILED)
    return next((str(each.get("message", "")) for each in conditions), "")
