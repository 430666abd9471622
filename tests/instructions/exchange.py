"""One request and its answer over ASGI, with as little of its own as can be: what it does is counted too."""

from typing import Any

from fairlead_workload.api.servers.base import Application

_HEADERS = ((b"host", b"127.0.0.1:8080"), (b"user-agent", b"wrk"), (b"accept", b"*/*"))
_BODY_HEADERS = (*_HEADERS, (b"content-type", b"application/json"))


class Exchange:
    """A request that has been answered once `run` returns."""

    __slots__ = ("body", "status")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.status = 0

    async def run(self, app: Application, method: str, path: str) -> int:
        """The status of the answer."""
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": _BODY_HEADERS if self.body else _HEADERS,
        }
        await app(scope, self._receive, self._send)
        return self.status

    async def _receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
