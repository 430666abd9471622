"""What the kubelet and Prometheus may ask: /healthz, /readyz and /metrics.

Healthy means that the API server answers about every kind that is followed, and about the Lease. Each is asked at least
every few seconds, so one that got no answer for two minutes, while others did, is stuck, and a new process may be
better off. Errors are answers: a kind that is not served, may not be read or fails does so for a new process too. So
does an API server that answers nothing; the text says so, but the status stays 200.

Ready means that everything has been read once; a standby is ready too, and it stays so while the API server is away.
"""

from collections.abc import Callable, Mapping

from aiohttp import web

from fairlead_operator.cache.liveness import ServerReachability, WatchLiveness

SILENCE_SECONDS = 120.0
IDLE_SECONDS = 30.0  # until a connection is closed on which no request comes


def stuck(watches: Mapping[str, WatchLiveness]) -> list[str]:
    """Who was not answered for too long while others were."""
    return sorted(name for name, liveness in watches.items() if liveness.unanswered_seconds() > SILENCE_SECONDS)


def application(
    *,
    watches: Callable[[], Mapping[str, WatchLiveness]],
    reachability: ServerReachability,
    unready: Callable[[], list[str]],
    metrics: Callable[[], bytes],
) -> web.Application:
    """The three paths. 503 says who is missing."""

    async def healthz(_: web.Request) -> web.Response:
        well = "alive, but the API server does not answer" if reachability.is_away() else "ok"
        return _answer("stuck", stuck(watches()), well=well)

    async def readyz(_: web.Request) -> web.Response:
        return _answer("not read yet", unready())

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", show)])
    return app


def runner(app: web.Application, *, idle_seconds: float = IDLE_SECONDS) -> web.AppRunner:
    """What serves `app`."""
    return web.AppRunner(app, access_log=None, keepalive_timeout=idle_seconds)


def _answer(fault: str, names: list[str], *, well: str = "ok") -> web.Response:
    if names:
        return web.Response(status=503, text=f"{fault}: {', '.join(names)}\n")
    return web.Response(text=f"{well}\n")
