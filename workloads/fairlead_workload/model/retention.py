"""How long our own records live, in seconds. Expiry is compared in code, never left to the store's own deletion."""

from fairlead_contract.spec.bindings import Queue
from fairlead_contract.spec.model import seconds

DAY = 86_400.0
HOUR = 3_600.0

IDEMPOTENCY_SECONDS = DAY
IDEMPOTENCY_TAKEOVER_SECONDS = 60.0
IDEMPOTENCY_LEASE_SECONDS = 30.0  # of a process that holds keys; longer than publishing takes
TOMBSTONE_SECONDS = DAY + HOUR


def operation_seconds(queue: Queue) -> float:
    """Of an operation's final record."""
    return max(DAY, seconds(queue.retry.max_age)) + HOUR


def dead_letter_seconds(queue: Queue) -> float:
    """Of the records of a dead-lettered event."""
    return seconds(queue.dead_letter.retention) + HOUR


def inbox_seconds(queue: Queue, delivered_seconds: float) -> float:
    """Of a processed event's record: as long as the broker may deliver it again (`delivered_seconds`), and an hour."""
    return max(delivered_seconds, seconds(queue.retry.max_age) + DAY) + HOUR
