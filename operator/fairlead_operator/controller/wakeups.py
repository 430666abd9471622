"""When an ApiService is reconciled because one of its children changed. Pure.

At once, with these exceptions: only the number of ready pods differs (soon, for the status), an autoscaler has a fault
that may go by itself (later, or never), and nothing differs that a pass reads (never).
"""

from collections.abc import Callable
from dataclasses import dataclass

from fairlead_operator.cache.records import CachedChild
from fairlead_operator.cache.workload_state import JobEnd, Rollout, Scaler
from fairlead_operator.diagnosis import autoscaling
from fairlead_operator.status.writer import DETAIL_SECONDS


@dataclass(frozen=True, slots=True)
class Wakeup:
    """A pass after `delay` seconds; an urgent one passes the limit of passes of one ApiService."""

    delay: float = 0.0
    urgent: bool = False


def wakeup(
    before: CachedChild | None, after: CachedChild | None, *, is_fault_reported: Callable[[], bool], now: str
) -> Wakeup | None:
    """The pass that a change asks for, if any. `is_fault_reported`: the status says that scaling fails."""
    if before is None or after is None or not _same(before, after):
        return Wakeup(urgent=_has_ended(before, after))
    if before.facts == after.facts:
        return Wakeup(DETAIL_SECONDS) if _replicas(before) != _replicas(after) else None
    if isinstance(before.facts, Scaler) and isinstance(after.facts, Scaler):
        delay = autoscaling.news_seconds(before.facts, after.facts, is_reported=is_fault_reported(), now=now)
        return None if delay is None else Wakeup(delay)
    return Wakeup(urgent=_has_ended(before, after))


def frees_rollout(before: CachedChild | None, after: CachedChild | None) -> bool:
    """Whether a Deployment is complete or gone, so that another one may roll out."""
    changed = after or before
    return changed is not None and isinstance(changed.facts, Rollout) and (after is None or changed.facts.complete)


def _has_ended(before: CachedChild | None, after: CachedChild | None) -> bool:
    changed = after or before
    is_job = changed is not None and isinstance(changed.facts, JobEnd)
    return is_job and (after is None or after.facts.state != "Running")


def _same(before: CachedChild, after: CachedChild) -> bool:
    """Whether they differ in their facts at most."""
    return (before.uid, before.owner_uid, before.deleting, before.digest, before.owner) == (
        after.uid,
        after.owner_uid,
        after.deleting,
        after.digest,
        after.owner,
    )


def _replicas(child: CachedChild) -> str:
    return child.facts.replicas if isinstance(child.facts, Rollout) else ""
