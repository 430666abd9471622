"""CORS (Fetch, 3.2): which pages of other origins may call the API from a browser, and read its answers.

A service without `security.cors` has no such stage. A preflight is answered before anything else is asked of it, for
any path, because a refusal of the request itself can be read and one of its preflight cannot. The answer to an origin
that is not allowed says nothing of CORS; the browser does the refusing.
"""

import re

from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec import security
from fairlead_contract.spec.model import seconds
from fairlead_workload.api.messages.request import Request
from fairlead_workload.api.messages.responses import Headers, Response

# What we send and a page may not read unless it is named here.
EXPOSED = (
    "Accept",
    "Accept-Encoding",
    "Accept-Patch",
    "Age",
    "Allow",
    "Cache-Status",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "X-Request-ID",
)
_VARY = (b"vary", b"Origin")


class Cors:
    """The stage of one service. `settings` is its `security.cors`."""

    def __init__(self, settings: security.Cors) -> None:
        self._any = "*" in settings.origins
        self._origins = re.compile(b"|".join(_pattern(origin) for origin in settings.origins))
        self._always: Headers = [(b"access-control-allow-credentials", b"true")] if settings.credentials else []
        self._exposed = (b"access-control-expose-headers", ", ".join(EXPOSED).encode())
        self._preflight: Headers = [
            (b"access-control-allow-methods", ", ".join(settings.methods).encode()),
            (b"access-control-allow-headers", ", ".join(settings.headers).encode()),
            (b"access-control-max-age", b"%d" % seconds(settings.max_age)),
        ]

    def answers(self, request: Request) -> bool:
        """Whether it is a preflight, to be answered whatever limits its head breaks."""
        return _is_preflight(request) and (request.head_problem is None or request.head_problem.status != 400)

    def mark(self, request: Request, response: Response) -> None:
        """Add what a browser needs to hand `response` on."""
        headers = response.headers
        origin = b"*" if self._any else request.headers.get(b"origin", b"")
        if not self._any:
            headers.append(_VARY)
            if self._origins.fullmatch(origin) is None:
                return
        headers.append((b"access-control-allow-origin", origin))
        headers += self._always
        if _is_preflight(request):
            headers += self._preflight
        else:
            headers.append(self._exposed)


def cors_of(document: RuntimeDocument) -> Cors | None:
    """The stage of the service that `document` describes, if it has one."""
    settings = document.security.cors
    return None if settings is None else Cors(settings)


def _is_preflight(request: Request) -> bool:
    headers = request.headers
    return request.method == "OPTIONS" and b"origin" in headers and b"access-control-request-method" in headers


def _pattern(origin: str) -> bytes:
    return re.escape(origin).replace(r"\*", r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*").encode()
