"""The servers, and the application that they serve in every case."""

import asyncio
from functools import partial

from fairlead_workload.api.messages.request import Request
from fairlead_workload.api.servers.base import HttpLimits
from fairlead_workload.api.servers.granian import GranianServer
from fairlead_workload.api.servers.uvicorn import UvicornServer

SERVERS = {
    "granian": GranianServer,
    "granian with HTTP/2": partial(GranianServer, http2=True),
    "uvicorn": UvicornServer,
}
LIMITS = HttpLimits(header_read_seconds=0.4, keep_alive_seconds=5, max_head_bytes=16_384)
MAX_BODY = 1000
LARGE = bytes(1 << 24)  # more than the buffers of both sides take
PATIENCE_SECONDS = 10.0


class Application:
    """An echo that behaves like the API: it refuses bad heads, and large bodies unread. `/gate` waits for `gate`."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.waiting = asyncio.Event()
        self.left = asyncio.Event()

    async def __call__(self, scope, receive, send) -> None:
        assert scope["type"] == "http"
        if (problem := Request(scope, receive).head_problem) is not None:
            return await self.respond(scope, send, problem.status, problem.type.encode())
        headers = dict(scope["headers"])
        if int(headers.get(b"content-length", b"0")) > MAX_BODY:
            return await self.respond(scope, send, 413, b"too large")
        if scope["path"] == "/gate":
            self.waiting.set()
            await self.gate.wait()
        if scope["path"] == "/disconnect":
            self.waiting.set()
            while (await receive())["type"] != "http.disconnect":
                pass
            self.left.set()
            return None
        if scope["path"] == "/large":
            return await self.respond(scope, send, 200, LARGE)
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return await self.respond(scope, send, 400, b"incomplete")
            body += message.get("body", b"")
            if len(body) > MAX_BODY:
                return await self.respond(scope, send, 413, b"too large")
            if not message.get("more_body"):
                break
        return await self.respond(scope, send, 200, scope["method"].encode() + b" " + body)

    async def respond(self, scope, send, status: int, body: bytes) -> None:
        headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
