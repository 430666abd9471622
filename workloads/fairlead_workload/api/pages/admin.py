"""The admin ASGI application: `/health`, `/ready` with the state of each dependency, `/metrics`, and `/problems`.

It is for the inside of a cluster, or for this machine, only. Metrics are rendered in a thread, so that a large
exposition does not hold up requests.
"""

import asyncio
from functools import partial

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import CollectorRegistry

from fairlead_workload.api.app import alive
from fairlead_workload.api.health import Health, Status
from fairlead_workload.api.messages.request import Request
from fairlead_workload.api.messages.responses import NO_STORE, Response, json_response
from fairlead_workload.api.pages.problems import problem_pages
from fairlead_workload.api.pages.public import Page, pages
from fairlead_workload.api.servers.base import Application


def admin(health: Health, registry: CollectorRegistry) -> Application:
    """The application of the admin listener."""
    paths: dict[str, Page] = {
        "/health": alive,
        "/ready": partial(_ready, health),
        "/metrics": partial(_metrics, registry),
        **problem_pages(),
    }
    return pages(paths)


async def _ready(health: Health, request: Request) -> Response:
    del request
    return json_response(503 if health.status is Status.UNREADY else 200, health.report())


async def _metrics(registry: CollectorRegistry, request: Request) -> Response:
    """Prometheus text, or OpenMetrics for those who accept it."""
    encode, content_type = choose_encoder(request.header(b"accept") or "")
    body = await asyncio.to_thread(encode, registry)
    return Response(200, [(b"content-type", content_type.encode()), NO_STORE], body)
