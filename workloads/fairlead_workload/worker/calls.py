"""Calling a service over HTTP: one attempt, with a key that is the same on every attempt.

Decided here: where a service is, what travels with a call, what counts as an answer, and whether a failed call may have
been carried out all the same. Answers are 2xx; of their bodies at most 64 KiB are kept for later steps. Calls to a
service that keeps failing are not made but for one per pause; whatever does not call it goes on meanwhile.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import msgspec

from fairlead_contract.worker import ServiceTarget
from fairlead_workload.worker.outage import Outage
from fairlead_workload.worker.plans import CallPlan
from fairlead_workload.worker.retries import CallFailed, Kind

MAX_RESULT_BYTES = 65_536
_TRY_LATER = frozenset({408, 425, 429})


class ServiceMap:
    """Base URLs of services: those given by name, the others by the DNS of the namespace."""

    def __init__(self, namespace: str, given: Mapping[str, str] | None = None) -> None:
        self._namespace = namespace
        self._given = {name: url.rstrip("/") for name, url in (given or {}).items()}

    def url(self, target: ServiceTarget) -> str:
        """The URL of a call. Of a given service the port is in its own URL."""
        base = self._given.get(target.name) or f"http://{target.name}.{self._namespace}.svc:{target.port}"
        return base + target.path


class Caller:
    """Makes calls through one HTTP client, which is made when the first call needs it."""

    def __init__(
        self,
        services: ServiceMap,
        *,
        client: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services = services
        self._client = client
        self._clock = clock
        self._outages: defaultdict[str, Outage] = defaultdict(Outage)

    @property
    def outage(self) -> bool:
        """Whether a service keeps failing, so that most calls to it wait."""
        return any(outage.active for outage in self._outages.values())

    async def call(self, plan: CallPlan, body: Any, *, headers: Mapping[str, str]) -> dict[str, Any]:
        """`{status, body}` of the answer. Raises CallFailed, at once when the service is in outage mode."""
        outage = self._outages[plan.service.name]
        if pause_seconds := outage.admit(self._clock()):
            raise _waiting(plan.service.name, pause_seconds)
        try:
            result = await self._attempt(plan, body, headers=headers)
        except CallFailed as error:
            if error.kind is Kind.DEPENDENCY:
                outage.failed()
            else:
                outage.succeeded()
            raise
        outage.succeeded()
        return result

    async def _attempt(self, plan: CallPlan, body: Any, *, headers: Mapping[str, str]) -> dict[str, Any]:
        content = None if plan.method == "GET" and body is None else msgspec.json.encode(body)
        request_headers = {"accept": "application/json", **headers}
        if content is not None:
            request_headers["content-type"] = "application/json"
        request = self._open().build_request(
            plan.method,
            self._services.url(plan.service),
            content=content,
            headers=request_headers,
            timeout=plan.timeout_seconds,
        )
        deadline = time.monotonic() + plan.timeout_seconds
        name = plan.service.name
        try:
            response = await self._open().send(request, stream=True, follow_redirects=False)
            try:
                _check(name, response)
                return {"status": response.status_code, "body": _body(await _read(response, deadline))}
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _unreached(name, error, unknown=False) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unreached(name, error, unknown=True) from None

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            limits = httpx.Limits(max_connections=1000, max_keepalive_connections=100)
            self._client = httpx.AsyncClient(limits=limits, trust_env=False)
        return self._client

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()


def _waiting(service: str, pause_seconds: float) -> CallFailed:
    message = "keeps failing; one call at a time is tried"
    return CallFailed(
        service, "outage", message, kind=Kind.DEPENDENCY, unknown=False, retry_after_seconds=pause_seconds
    )


def _unreached(service: str, error: Exception, *, unknown: bool) -> CallFailed:
    timed_out = isinstance(error, httpx.TimeoutException)
    code = "timeout" if timed_out else "network"
    message = "did not answer in time" if timed_out else f"could not be asked ({type(error).__name__})"
    return CallFailed(service, code, message, kind=Kind.DEPENDENCY, unknown=unknown)


def _check(service: str, response: httpx.Response) -> None:
    """Raise unless the answer is 2xx. After a 5xx nobody knows what was done; a 4xx says that nothing was."""
    status = response.status_code
    if 200 <= status < 300:
        return
    if status >= 500 or status in _TRY_LATER:
        kind = Kind.DEPENDENCY
    else:
        kind = Kind.COUNTED if status == 409 else Kind.REJECTED
    raise CallFailed(
        service,
        f"http-{status}",
        f"answered {status}",
        kind=kind,
        unknown=status >= 500,
        retry_after_seconds=_retry_after(response.headers.get("retry-after", "")),
    )


def _retry_after(value: str) -> float:
    """Seconds in a Retry-After header (RFC 9110): a number of seconds or a date; 0 for neither."""
    if value.isdecimal():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


async def _read(response: httpx.Response, deadline: float) -> bytes | None:
    """The body, or None when it is longer than what is kept. A slow body counts against the call's time-out as well."""
    found = bytearray()
    async for chunk in response.aiter_bytes():
        found += chunk
        if len(found) > MAX_RESULT_BYTES:
            return None
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the body took too long")
    return bytes(found)


def _body(content: bytes | None) -> Any:
    """JSON as such, other text as text, nothing (and what is too long) as null."""
    if not content:
        return None
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return content.decode("utf-8", "replace")
