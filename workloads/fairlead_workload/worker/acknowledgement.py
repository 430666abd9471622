"""How handled deliveries leave the worker: acknowledged, returned to the queue, or moved to the dead letters.

A delivery that could not be acknowledged is delivered again, and the inbox shows it as a duplicate. An event that was
handled to its end shows that the store is available.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from fairlead_workload.errors import DependencyError
from fairlead_workload.events.cloudevents import Event
from fairlead_workload.queues.base import Delivery
from fairlead_workload.worker.decisions import DeadLettered, Done, Outcome, Retry
from fairlead_workload.worker.failures import log_lines
from fairlead_workload.worker.failures.failure_policy import FailurePolicy
from fairlead_workload.worker.failures.outage import Outage
from fairlead_workload.worker.key_order import DeliveryQueue
from fairlead_workload.worker.lease_renewal import LeaseRenewer
from fairlead_workload.worker.stats import WorkerStats

HandledDelivery = tuple[Delivery, Event | None, Outcome]
"""A delivery, its event unless it is none, and its outcome."""

_log = logging.getLogger(__name__)


class Acknowledger:
    """Settles deliveries with the queue, and stops renewing their leases."""

    def __init__(
        self,
        queue: DeliveryQueue,
        failure_policy: FailurePolicy,
        lease_renewer: LeaseRenewer,
        *,
        outage: Outage,
        stats: WorkerStats,
        clock: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._failure_policy = failure_policy
        self._lease_renewer = lease_renewer
        self._outage = outage
        self._stats = stats
        self._clock = clock

    async def finish(self, outcomes: Sequence[HandledDelivery]) -> None:
        """Acknowledge, retry or dead-letter each. An outage of the queue is no error."""
        done = [delivery for delivery, _, outcome in outcomes if isinstance(outcome, Done)]
        others = [self._send_back(*one) for one in outcomes if not isinstance(one[2], Done)]
        if done:
            self._outage.succeeded()
            others.append(self._queue.ack(done))
        elif any(isinstance(outcome, DeadLettered) for _, _, outcome in outcomes):
            self._outage.succeeded()
        self._stats.outage = self._outage.active
        results = await asyncio.gather(*others, return_exceptions=True)
        self._lease_renewer.remove([delivery for delivery, _, _ in outcomes])
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, DependencyError):
                raise result

    async def _send_back(self, delivery: Delivery, event: Event | None, outcome: Outcome) -> None:
        label = self._stats.label(event.type if event is not None else "")
        if isinstance(outcome, DeadLettered):
            outcome = await self._failure_policy.discard(outcome) or outcome
        if isinstance(outcome, DeadLettered):
            failure = outcome.failure
            await self._queue.dead_letter(delivery, failure)
            self._stats.dead_lettered[label, failure.error_class] += 1
            await self._failure_policy.confirm_moved(outcome.moved)
            _log.warning("dead letter", extra={"event_type": label, **log_lines.dead_letter(delivery, failure)})
        elif isinstance(outcome, Retry):
            (self._stats.retried if outcome.why.attempted else self._stats.waited)[label] += 1
            _log.info("retry", extra={"event_type": label, **log_lines.retry(delivery, outcome, now=self._clock())})
            await self._queue.retry(delivery, delay_seconds=outcome.delay_seconds)
