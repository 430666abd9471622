"""Baseline A: a bare Starlette application that returns given bytes, on our server, loop and GC settings.

A process: `python -m bench.baseline PORT STATUS FILE`; FILE holds {"headers": {...}, "body": "..."} as JSON.
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


def application(status: int, headers: dict[str, str], body: bytes) -> Starlette:
    """One route that takes any method of the paths that are measured, and answers the same bytes."""

    async def answer(request: Request) -> Response:  # noqa: ARG001 - Starlette's signature
        return Response(body or None, status_code=status, headers=headers)

    return Starlette(
        routes=[
            Route("/v1/{resource}", answer, methods=["POST"]),
            Route("/v1/{resource}/{key}", answer, methods=["GET"]),
        ]
    )


async def serve(port: int, status: int, answer: dict[str, object]) -> None:
    headers = dict(answer["headers"])  # type: ignore[call-overload]
    server = GranianServer(application(status, headers, str(answer["body"]).encode()), bind("127.0.0.1", port))
    await server.start()
    memory.settle()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text())))
