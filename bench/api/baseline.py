"""The bare servers: they return given bytes, on our server, event loop and garbage-collector settings.

A process: `python -m bench.api.baseline KIND PORT FILE [--unread]`. KIND is `starlette` (baseline A) or `asgi` (the
floor: no framework at all). FILE holds {"status": 200, "headers": {...}, "body": "..."}. Both take in the body of each
request, as whoever wants to do something with it must; `--unread`: they ignore it.
"""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import uvloop

from fairlead_workload.api.servers.base import Application, Receive, Scope, Send, bind
from fairlead_workload.api.servers.granian import GranianServer
from fairlead_workload.process import garbage

METHODS = ["GET", "POST", "PUT", "PATCH"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is returned, whatever is asked."""

    status: int
    headers: dict[str, str]
    body: bytes
    reads: bool


def starlette(answer: Answer) -> Application:
    """One route for each path that is measured, with the same answer."""
    from starlette.applications import Starlette  # the floor does without
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def respond(request: Request) -> Response:
        if answer.reads and request.method != "GET":
            await request.body()
        return Response(answer.body or None, status_code=answer.status, headers=answer.headers)

    return Starlette(
        routes=[
            Route("/v1/{resource}", respond, methods=METHODS),
            Route("/v1/{resource}/{key}", respond, methods=METHODS),
        ]
    )


def asgi(answer: Answer) -> Application:
    """The least that an ASGI application can do."""
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    if answer.body:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    start = {"type": "http.response.start", "status": answer.status, "headers": headers}
    body = {"type": "http.response.body", "body": answer.body}

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        if answer.reads and scope["method"] != "GET":
            while (await receive()).get("more_body"):
                pass
        await send(start)
        await send(body)

    return respond


async def serve(application: Application, port: int) -> None:
    server = GranianServer(application, bind("127.0.0.1", port))
    await server.start()
    garbage.freeze_gc()
    await asyncio.Event().wait()


def main() -> None:
    kind, port, file = sys.argv[1:4]
    given = json.loads(Path(file).read_text())
    answer = Answer(given["status"], given["headers"], given["body"].encode(), "--unread" not in sys.argv)
    application = {"starlette": starlette, "asgi": asgi}[kind](answer)
    uvloop.run(serve(application, int(port)))


if __name__ == "__main__":
    main()
