"""Calls of handlers to services: where a service is, and which calls are made while it keeps failing.

Of the calls to a service that keeps failing only one per pause is made; events that do not call it go on meanwhile. One
call is made by `exchange`.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fairlead_contract.spec.worker import ServiceTarget
from fairlead_workload.worker.calls.availability import ServiceAvailability
from fairlead_workload.worker.failures.outage import Outage
from fairlead_workload.worker.failures.retry_policy import (
    CallFailed,
    ClassifiedError,
    ErrorKind,
    bounded_retry_after_seconds,
    classify,
)
from fairlead_workload.worker.handlers.plans import CallPlan

if TYPE_CHECKING:
    from fairlead_workload.worker.calls.exchange import Exchange


class ServiceMap:
    """Base URLs of services: those given by name, the others by the DNS of the namespace."""

    def __init__(self, namespace: str, urls: Mapping[str, str] | None = None) -> None:
        self._namespace = namespace
        self._given = {name: url.rstrip("/") for name, url in (urls or {}).items()}

    def url(self, target: ServiceTarget) -> str:
        """The URL of a call. Of a given service the port is in its own URL."""
        base = self._given.get(target.name) or f"http://{target.name}.{self._namespace}.svc:{target.port}"
        return base + target.path


class Caller:
    """Makes calls through one HTTP client, which is made when the first call needs it."""

    def __init__(self, services: ServiceMap, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._services = services
        self._exchange: Exchange | None = None
        self._clock = clock
        self.availability = ServiceAvailability(clock)
        self._outages: defaultdict[str, Outage] = defaultdict(Outage)
        self._last: dict[str, ClassifiedError] = {}  # failures of services

    async def call(self, plan: CallPlan, body: Any, *, headers: Mapping[str, str]) -> dict[str, Any]:
        """`{status, body}` of the answer. Raises CallFailed, at once when the service is in outage mode."""
        outage = self._outages[plan.service.name]
        if pause_seconds := outage.admit(self._clock()):
            raise _waiting(plan, self._last[plan.service.name], pause_seconds)
        try:
            result = await self._open().attempt(plan, self._services.url(plan.service), body, headers=headers)
        except CallFailed as error:
            error.request = _request(plan)
            if error.kind is ErrorKind.DEPENDENCY:
                self._failed(plan.service.name, classify(error))
            else:
                self._answered(plan.service.name)
            raise
        except asyncio.CancelledError:  # the event's time was over before that of the call: no answer either
            self._failed(plan.service.name, _out_of_time(plan.service.name))
            raise
        self._answered(plan.service.name)
        return result

    def _answered(self, service: str) -> None:
        self._outages[service].succeeded()
        self.availability.observe(service, up=True)

    def _failed(self, service: str, why: ClassifiedError) -> None:
        self._last[service] = why
        self._outages[service].failed()
        self.availability.observe(service, up=False, retry_after_seconds=bounded_retry_after_seconds(why))

    async def close(self) -> None:
        """Close the connections."""
        if self._exchange is not None:
            await self._exchange.close()

    def _open(self) -> "Exchange":
        if self._exchange is None:
            from fairlead_workload.worker.calls.exchange import (
                Exchange,  # its client is slow to import; many never call
            )

            self._exchange = Exchange()
        return self._exchange


def _request(plan: CallPlan) -> str:
    """The request, without its query, which may be long or private."""
    return f"{plan.method} {plan.service.path.partition('?')[0]}"


def _out_of_time(service: str) -> ClassifiedError:
    message = "did not answer before the time of the event was over"
    return ClassifiedError(ErrorKind.DEPENDENCY, "timeout", message, service=service)


def _waiting(plan: CallPlan, last: ClassifiedError, pause_seconds: float) -> CallFailed:
    """The failure of a call that waits: that of the call that was made last."""
    return CallFailed(
        plan.service.name,
        last.code,
        f"waits while the service keeps failing ({last.message})",
        kind=ErrorKind.DEPENDENCY,
        unknown=False,
        retry_after_seconds=pause_seconds,
        status=last.status,
        request=_request(plan),
        attempted=False,
    )
