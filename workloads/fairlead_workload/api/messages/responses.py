"""What goes back: status, header fields and bytes, and the two forms of a body (JSON and problem documents).

Documents may be kept by the client but must be revalidated (`private, no-cache`), everything else is not stored. There
is one representation of each resource, so `Vary` is CORS's alone. OPTIONS is answered with `Allow`, and with
`Accept-Patch` where there is PATCH (RFC 5789, 3.1).
"""

from typing import Any

import msgspec

from fairlead_workload.api.messages import media_types
from fairlead_workload.errors import Problem
from fairlead_workload.model import problems

Headers = list[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")
PROBLEM = (b"content-type", b"application/problem+json")
REVALIDATE = (b"cache-control", b"private, no-cache")
NO_STORE = (b"cache-control", b"no-store")

_encode = msgspec.json.Encoder().encode


class Response:
    """A whole answer. `content-length` is added when it is sent; `resource` is for the log and counters only."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: bytes = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def start(self, request_id: str) -> dict[str, Any]:
        """The first of the two ASGI messages."""
        headers = self.headers
        if self.status not in (204, 304):
            headers.append((b"content-length", b"%d" % len(self.body)))
        headers.append((b"x-request-id", request_id.encode()))
        return {"type": "http.response.start", "status": self.status, "headers": headers}


def json_response(status: int, content: Any, *extra: tuple[bytes, bytes]) -> Response:
    """`content` as JSON, not to be stored."""
    return Response(status, [JSON, NO_STORE, *extra], _encode(content))


def options(allow: str) -> Response:
    """204 with the methods of a path in `Allow`."""
    headers: Headers = [(b"allow", allow.encode())]
    if "PATCH" in allow:
        headers.append((b"accept-patch", ", ".join(media_types.PATCH).encode()))
    return Response(204, headers)


def problem_response(problem: Problem, *, instance: str, request_id: str) -> Response:
    """The problem document of `problem` (RFC 9457)."""
    headers: Headers = [PROBLEM, NO_STORE]
    headers += [(name.encode(), value.encode()) for name, value in problem.headers]
    document = problems.body(problem, instance=instance, request_id=request_id)
    return Response(problem.status, headers, _encode(document))
