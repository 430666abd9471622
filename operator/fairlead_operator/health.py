"""What the kubelet and Prometheus may ask: /healthz, /readyz and /metrics.

Healthy means that every watch was heard of, or tried anew, within two minutes: a watch is opened for seconds only, so a
stuck one fails it. An API server that is away does not: a restart would not bring it back. Ready means that everything
has been read once; a standby is ready too.
"""

from collections.abc import Callable, Mapping

from aiohttp import web

SILENCE_SECONDS = 120.0


def silent(beats: Mapping[str, float], *, now: float) -> list[str]:
    """Who has not been heard of for too long."""
    return sorted(name for name, beat in beats.items() if now - beat > SILENCE_SECONDS)


def application(
    *,
    beats: Callable[[], Mapping[str, float]],
    unready: Callable[[], list[str]],
    metrics: Callable[[], bytes],
    clock: Callable[[], float],
) -> web.Application:
    """The three paths. 503 says who is missing."""

    async def healthz(_: web.Request) -> web.Response:
        return _answer("silent", silent(beats(), now=clock()))

    async def readyz(_: web.Request) -> web.Response:
        return _answer("not read yet", unready())

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", show)])
    return app


def _answer(fault: str, names: list[str]) -> web.Response:
    if names:
        return web.Response(status=503, text=f"{fault}: {', '.join(names)}\n")
    return web.Response(text="ok\n")
