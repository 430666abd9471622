"""Baseline A: a bare Starlette application that returns given bytes, on our server, loop and GC settings.

A process: `python -m bench.baseline PORT STATUS FILE [--read]`; FILE holds {"headers": {...}, "body": "..."} as JSON.
"""

import asyncio
import json
import sys
from pathlib import Path

import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fairlead_workload import memory
from fairlead_workload.api.granian_server import GranianServer
from fairlead_workload.api.server import bind


def application(status: int, headers: dict[str, str], body: bytes, *, reads: bool) -> Starlette:
    """One route for each path that is measured, with the same answer. `reads`: it takes in what it is sent, too."""

    async def answer(request: Request) -> Response:
        if reads:
            await request.body()
        return Response(body or None, status_code=status, headers=headers)

    return Starlette(
        routes=[
            Route("/v1/{resource}", answer, methods=["POST"]),
            Route("/v1/{resource}/{key}", answer, methods=["GET"]),
        ]
    )


async def serve(port: int, status: int, answer: dict[str, object], *, reads: bool) -> None:
    headers = dict(answer["headers"])  # type: ignore[call-overload]
    app = application(status, headers, str(answer["body"]).encode(), reads=reads)
    server = GranianServer(app, bind("127.0.0.1", port))
    await server.start()
    memory.settle()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    answer = json.loads(Path(sys.argv[3]).read_text())
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), answer, reads="--read" in sys.argv))
