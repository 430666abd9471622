"""The public ASGI application: resources go straight to the kernel, everything else to Starlette.

The path alone chooses, and nothing is wrapped around the kernel. Whoever runs us owns start and stop.
"""

from functools import partial

import msgspec

from fairlead_contract.runtime import RuntimeDocument
from fairlead_workload.api.health import Health, Status
from fairlead_workload.api.messages.cors import cors_of
from fairlead_workload.api.messages.request import Request
from fairlead_workload.api.messages.responses import JSON, Headers, Response, json_response
from fairlead_workload.api.pages import docs
from fairlead_workload.api.pages.problems import problem_pages
from fairlead_workload.api.pages.public import Page, cached_page, pages
from fairlead_workload.api.servers.base import Application, Receive, Scope, Send
from fairlead_workload.telemetry.http import HttpTelemetry


def application(
    document: RuntimeDocument, kernel: Application, health: Health, http: HttpTelemetry | None = None
) -> Application:
    """Serve the service that `document` describes on its public port; `http` counts and logs the pages."""
    paths: dict[str, Page] = {
        "/openapi.json": cached_page(partial(_openapi, document)),
        "/docs": cached_page(docs.render),
        "/health": alive,
        "/ready": partial(_ready, health),
        **problem_pages(),
    }
    others = pages(paths, http, cors_of(document))
    resources = f"/{document.api.version}/"

    async def public(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(resources):
            return await kernel(scope, receive, send)
        return await others(scope, receive, send)

    return public


async def alive(request: Request) -> Response:
    """`/health`: the event loop answers."""
    del request
    return json_response(200, {"status": "alive"})


async def _ready(health: Health, request: Request) -> Response:
    del request
    status = health.status
    return json_response(503 if status is Status.UNREADY else 200, {"status": str(status)})


def _openapi(document: RuntimeDocument) -> tuple[Headers, bytes]:
    from fairlead_contract.openapi.document import openapi  # most processes never serve it

    return [JSON], msgspec.json.encode(openapi(document))
