"""Whoever takes over from a process must not publish beside it: a publish ends before any lease on publishing does."""

from fairlead_workload.model.retention import IDEMPOTENCY_LEASE_SECONDS, IDEMPOTENCY_TAKEOVER_SECONDS
from fairlead_workload.queues.base import PUBLISH_SECONDS
from fairlead_workload.sqlite.database import BUSY_TIMEOUT_SECONDS
from fairlead_workload.worker.relay import LEASE_SECONDS, RENEW_BEFORE_SECONDS


def test_a_publish_ends_before_another_process_takes_over() -> None:
    assert PUBLISH_SECONDS < RENEW_BEFORE_SECONDS < LEASE_SECONDS
    assert PUBLISH_SECONDS < IDEMPOTENCY_LEASE_SECONDS < IDEMPOTENCY_TAKEOVER_SECONDS


def test_the_embedded_queue_gives_up_in_time() -> None:
    assert BUSY_TIMEOUT_SECONDS < PUBLISH_SECONDS
