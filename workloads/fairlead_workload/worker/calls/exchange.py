"""One HTTP request to a service that a handler calls, and what its answer, or the lack of one, means.

It knows whether a failed call may have been carried out all the same. Answers are 2xx; of their bodies at most 64 KiB
are kept for later steps, and what is compressed all the same is not. One deadline holds for the whole attempt:
connection, request, head and body. Redirects are not followed: docs/decisions/20261201-redirects-of-called-services.md.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
import msgspec

from fairlead_workload.worker.calls.answers import kept, target
from fairlead_workload.worker.failures.retry_policy import CallFailed, ErrorKind
from fairlead_workload.worker.handlers.plans import CallPlan

MAX_RESULT_BYTES = 65_536
_TRY_LATER = frozenset({408, 425, 429})
_PERHAPS_DONE = frozenset({302, 303})


class Exchange:
    """Makes requests through one HTTP client."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_connections=1000, max_keepalive_connections=100)
        none = CookieJar(DefaultCookiePolicy(allowed_domains=()))  # one event's would travel with all that follow
        self._client = httpx.AsyncClient(  # the limit of time is that of `attempt`
            limits=limits,
            timeout=None,  # noqa: S113
            trust_env=False,
            cookies=none,
        )

    async def attempt(self, plan: CallPlan, url: str, body: Any, *, headers: Mapping[str, str]) -> dict[str, Any]:
        """`{status, body}` of the answer. Raises CallFailed."""
        content = None if plan.method == "GET" and body is None else msgspec.json.encode(body)
        request_headers = {"accept": "application/json", "accept-encoding": "identity", **headers}
        if content is not None:
            request_headers["content-type"] = "application/json"
        sending = _Sending()
        request = self._client.build_request(
            plan.method, url, content=content, headers=request_headers, extensions={"trace": sending}
        )
        name = plan.service.name
        try:
            async with asyncio.timeout(plan.timeout_seconds):
                response = await self._client.send(request, stream=True, follow_redirects=False)
                try:
                    _check(name, response)
                    return {"status": response.status_code, "body": kept(_body(await _read(response)))}
                finally:
                    await response.aclose()
        except TimeoutError:
            message = f"did not answer within call.timeout ({plan.timeout_seconds:g} s)"
            raise _unanswered(name, "timeout", message, unknown=sending.begun) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = "gave no complete answer" if sending.begun else "could not be reached"
            message = f"{reason} ({type(error).__name__})"
            raise _unanswered(name, "network", message, unknown=sending.begun) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class _Sending:
    """Whether a byte of the request may have left; what was never sent was not carried out."""

    def __init__(self) -> None:
        self.begun = False

    async def __call__(self, event: str, _info: Mapping[str, Any]) -> None:
        self.begun = self.begun or event.endswith("send_request_headers.started")


def _unanswered(service: str, code: str, message: str, *, unknown: bool) -> CallFailed:
    return CallFailed(service, code, message, kind=ErrorKind.DEPENDENCY, unknown=unknown)


def _check(service: str, response: httpx.Response) -> None:
    """Raise unless the answer is 2xx. After a 5xx it is unknown what was done; a 4xx says that nothing was.

    302 and 303 are what many services answer when they have done it.
    """
    status = response.status_code
    if 200 <= status < 300:
        return
    if status >= 500 or status in _TRY_LATER:
        kind = ErrorKind.DEPENDENCY
    else:
        kind = ErrorKind.LIMITED_RETRY if status == 409 else ErrorKind.REJECTED
    raise CallFailed(
        service,
        f"http-{status}",
        f"answered {status}{_redirect_error(response)}",
        kind=kind,
        unknown=status >= 500 or status in _PERHAPS_DONE,
        retry_after_seconds=_retry_after(response.headers.get("retry-after", "")),
        status=status,
    )


def _redirect_error(response: httpx.Response) -> str:
    """What a redirect adds to the message."""
    place = target(str(response.url), response.headers.get("location", "")) if response.has_redirect_location else ""
    return f" to {place}, which is not followed; call that if it is meant" if place else ""


def _retry_after(value: str) -> float:
    """Seconds in a Retry-After header (RFC 9110): a number of seconds or a date; 0 for neither."""
    if value.isdecimal():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):  # a year or an offset without end
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


async def _read(response: httpx.Response) -> bytes | None:
    """The body, or None when it is longer than what is kept."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return None  # a few bytes may become gigabytes
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_RESULT_BYTES:
            return None
    return bytes(body)


def _body(content: bytes | None) -> Any:
    """JSON as such, other text as text, nothing (and what is too long) as null."""
    if not content:
        return None
    try:
        return msgspec.json.decode(content)
    except RecursionError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return content.decode("utf-8", "replace")
