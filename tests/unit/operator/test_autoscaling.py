"""Which faults of autoscalers are reported, and when they are looked at."""

from typing import Any

import pytest

from fairlead_operator.cache.records import CachedChild
from fairlead_operator.cache.workload_state import Rollout, Scaler
from fairlead_operator.diagnosis.autoscaling import assess, news_seconds
from fairlead_operator.manifests import Ref

NOW = "2026-01-01T01:00:00Z"
LONG_AGO = "2026-01-01T00:00:00Z"
JUST_NOW = "2026-01-01T00:59:00Z"
DEPLOYMENT = Ref("apps", "Deployment", "orders-worker")
HPA = Ref("autoscaling", "HorizontalPodAutoscaler", "orders-worker")
OF_KEDA = Ref("autoscaling", "HorizontalPodAutoscaler", "keda-hpa-orders-worker")
SCALED_OBJECT = Ref("keda.sh", "ScaledObject", "orders-worker")
OLD = Scaler("worker", "NoMetrics: none", LONG_AGO)
YOUNG = Scaler("worker", "NoMetrics: none", JUST_NOW)
TIMELESS = Scaler("worker", "NoMetrics: none")
WELL = Scaler("worker")
TEXT = f"{HPA}: NoMetrics: none"


def child(facts: Any, *, uid: str = "", owner_uid: str = "ours", deleting: bool = False) -> CachedChild:
    return CachedChild(uid, 1, ("shop", "orders"), owner_uid, deleting, "", facts)


def rollout(since: str = LONG_AGO, *, available: bool = True) -> CachedChild:
    seen = Rollout("worker", complete=True, failed="", available=available, replicas="1/1", refused="")
    return child(Rollout(**{name: getattr(seen, name) for name in seen.__slots__} | {"available_since": since}))


def status_with(message: str) -> dict[str, Any]:
    return {"conditions": [{"type": "AutoscalingReady", "reason": "ScalerFailed", "message": message}]}


@pytest.mark.parametrize(
    ("own", "previous", "expected"),
    [
        ({DEPLOYMENT: rollout(), HPA: child(WELL)}, {}, ("", None)),
        ({DEPLOYMENT: rollout(), HPA: child(OLD)}, {}, (TEXT, None)),
        ({DEPLOYMENT: rollout(), HPA: child(YOUNG)}, {}, ("", 240.0)),
        ({DEPLOYMENT: rollout(JUST_NOW), HPA: child(OLD)}, {}, ("", 240.0)),
        ({DEPLOYMENT: rollout(), HPA: child(TIMELESS)}, {}, (TEXT, None)),
        ({DEPLOYMENT: rollout(JUST_NOW), HPA: child(TIMELESS)}, {}, ("", 240.0)),
        ({DEPLOYMENT: rollout(available=False), HPA: child(OLD)}, {}, ("", None)),
        ({HPA: child(OLD)}, {}, ("", None)),
        ({DEPLOYMENT: rollout(available=False), HPA: child(YOUNG)}, status_with(TEXT), (TEXT, None)),
        (
            {DEPLOYMENT: rollout(), HPA: child(YOUNG)},
            status_with("HorizontalPodAutoscaler orders-api: no"),
            ("", 240.0),
        ),
        ({DEPLOYMENT: rollout(), HPA: child(WELL)}, status_with(TEXT), ("", None)),
        ({DEPLOYMENT: rollout(), HPA: child(OLD, deleting=True)}, {}, ("", None)),
        (
            {DEPLOYMENT: rollout(), HPA: child(YOUNG), SCALED_OBJECT: child(OLD)},
            {},
            (f"{SCALED_OBJECT}: NoMetrics: none", None),
        ),
    ],
    ids=[
        "all is well",
        "a fault that lasts",
        "a fault that is young",
        "the Deployment came a minute ago",
        "a fault without a time",
        "a fault without a time, of a Deployment that came a minute ago",
        "without pods there is nothing to measure",
        "without a Deployment, too",
        "what was reported stays reported",
        "another one's fault was reported",
        "what was reported is over",
        "on its way out",
        "one that is young does not hide one that lasts",
    ],
)
def test_a_fault_is_reported_when_it_has_lasted(
    own: dict[Ref, CachedChild], previous: dict[str, Any], expected: tuple[str, float | None]
) -> None:
    assert assess(own, own, previous, now=NOW) == expected


def test_the_autoscaler_that_keda_makes_counts_and_an_unowned_one_does_not() -> None:
    own = {DEPLOYMENT: rollout(), SCALED_OBJECT: child(WELL, uid="scaled")}
    of_keda = {OF_KEDA: child(OLD, owner_uid="scaled")}
    assert assess(own | of_keda, own, {}, now=NOW) == (f"{OF_KEDA}: NoMetrics: none", None)
    assert assess(own | {OF_KEDA: child(OLD, owner_uid="theirs")}, own, {}, now=NOW) == ("", None)


@pytest.mark.parametrize(
    ("before", "after", "is_reported", "expected"),
    [
        (WELL, YOUNG, False, 240.0),
        (WELL, OLD, False, 0.0),
        (WELL, TIMELESS, False, 0.0),
        (YOUNG, WELL, False, None),
        (OLD, WELL, False, 0.0),
        (TIMELESS, WELL, False, 0.0),
        (WELL, YOUNG, True, 0.0),
        (YOUNG, WELL, True, 0.0),
    ],
    ids=[
        "a fault is looked at when it has lasted",
        "one that has lasted, at once",
        "one without a time, at once",
        "one that went before it was reported, never",
        "one that may have been reported, at once",
        "one without a time that went, at once",
        "where a fault is reported, another one may be",
        "what is reported may be over",
    ],
)
def test_when_a_change_is_looked_at(
    before: Scaler, after: Scaler, *, is_reported: bool, expected: float | None
) -> None:
    assert news_seconds(before, after, is_reported=is_reported, now=NOW) == expected
