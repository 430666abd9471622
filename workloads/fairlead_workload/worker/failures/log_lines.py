"""The fields of log lines about an event that failed: the step, the called service and its status, the next attempt.
Pure.

Unknown fields are left out. The called service is `called_service`, because `service` is the ApiService.
"""

from typing import Any

from fairlead_workload.model import instants
from fairlead_workload.queues.base import Delivery, Failure
from fairlead_workload.worker.decisions import Retry


def retry(delivery: Delivery, outcome: Retry, *, now: float) -> dict[str, Any]:
    """An event that is retried. `attempt`: how many were made, or the broker's deliveries where none are on record."""
    why = outcome.why
    attempt = delivery.deliveries if outcome.attempts is None else outcome.attempts
    answered = {"step": why.step, "called_service": why.service, "status": why.status}
    counted = {"attempt": attempt}
    return {
        **_about(delivery),
        **{name: value for name, value in answered.items() if value},
        "error_code": why.code,
        "error": why.message,
        **{name: value for name, value in counted.items() if value is not None},
        "delay_seconds": round(outcome.delay_seconds, 3),
        "next_try_at": instants.render(now + outcome.delay_seconds),
    }


def dead_letter(delivery: Delivery, failure: Failure) -> dict[str, Any]:
    """An event that becomes a dead letter."""
    return {
        **_about(delivery),
        "error_class": str(failure.error_class),
        "error_code": failure.error_code,
        "error": failure.error_message,
        "attempts": failure.attempts,
    }


def _about(delivery: Delivery) -> dict[str, Any]:
    return {"event_id": delivery.message.id, "key": delivery.message.key}
