"""A server on loopback that answers by script: for faults that a real API server cannot be asked for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import kopf
import orjson
from aiohttp import web

from fairlead_operator.kube.client import Client
from fairlead_operator.kube.credentials import Credentials

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def config_map(name: str, version: int, **metadata: Any) -> dict[str, Any]:
    """A live object."""
    base = {"name": name, "namespace": "shop", "uid": name, "resourceVersion": str(version)}
    return {"metadata": base | {"labels": {"fairlead.dev/apisvc": "orders"}} | metadata}


def page(*items: dict[str, Any], version: int = 10, following: str = "") -> web.Response:
    """One page of a list."""
    return web.json_response({"items": items, "metadata": {"resourceVersion": str(version), "continue": following}})


def fault(code: int, **headers: str) -> web.Response:
    """An error in the API server's form."""
    body = {"kind": "Status", "code": code, "reason": f"Code{code}", "message": "said so"}
    return web.json_response(body, status=code, headers=headers)


async def events(request: web.Request, *found: tuple[str, dict[str, Any]]) -> web.StreamResponse:
    """A watch that sends these events and ends."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    for kind, item in found:
        await answer.write(orjson.dumps({"type": kind, "object": item}) + b"\n")
    return answer


@asynccontextmanager
async def listening(answer: Answer) -> AsyncIterator[str]:
    """The URL of a server where `answer` answers everything."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving(answer: Answer, **options: Any) -> AsyncIterator[Client]:
    """A client of a server where `answer` answers everything."""
    async with listening(answer) as url:
        source = lambda: kopf.ConnectionInfo(server=url, token="t")  # noqa: E731
        credentials = options.pop("credentials", None) or Credentials(source, clock=asyncio.get_running_loop().time)
        async with Client(credentials, **options) as client:
            yield client
