"""What is served beside the resources: a Starlette application of a few fixed paths.

These are GET, HEAD and OPTIONS only, anything else is a problem document, as it is for resources. A page is a function
from our request to our response, so it shares head limits, request ids and problems with the kernel; one that never
changes is made when it is first asked for, and has a strong ETag.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from time import perf_counter

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route

from fairlead_workload.api.messages import conditions
from fairlead_workload.api.messages.cors import Cors
from fairlead_workload.api.messages.request import Request
from fairlead_workload.api.messages.responses import Headers, Response, options, problem_response
from fairlead_workload.errors import Problem
from fairlead_workload.model import problems
from fairlead_workload.telemetry.http import UNMATCHED, HttpTelemetry

ALLOW = "GET, HEAD, OPTIONS"
Page = Callable[[Request], Awaitable[Response]]
_log = logging.getLogger(__name__)


def pages(paths: Mapping[str, Page], http: HttpTelemetry | None = None, cors: Cors | None = None) -> Starlette:
    """The application of `paths`; `http` counts and logs its requests."""
    application = Starlette(
        routes=[
            Route(path, _endpoint(page, _Exit(path, http, cors)), methods=["GET", "OPTIONS"])
            for path, page in paths.items()
        ],
        exception_handlers={HTTPException: _unmatched(_Exit(UNMATCHED, http, cors))},
    )
    application.router.redirect_slashes = False
    return application


class _Exit:
    """Where the answers of one route leave: marked for CORS, counted and logged."""

    def __init__(self, route: str, http: HttpTelemetry | None, cors: Cors | None) -> None:
        self._http = http
        self._route = http.route(route) if http is not None else None
        self._cors = cors

    def answers(self, request: Request) -> bool:
        """Whether it is a preflight."""
        return self._cors is not None and self._cors.answers(request)

    def sent(self, request: Request, response: Response, began: float) -> StarletteResponse:
        """Our response as Starlette sends it."""
        if self._cors is not None:
            self._cors.mark(request, response)
        start = response.start(request.id)
        answer = StarletteResponse(b"" if request.method == "HEAD" else response.body, response.status)
        answer.raw_headers = start["headers"]
        if self._http is not None and self._route is not None:
            self._http.finished(
                self._route,
                request.method,
                request.raw_path,
                response.status,
                perf_counter() - began,
                len(answer.body),
                request_id=request.id,
                trace_id=request.trace_id,
            )
        return answer


Handler = Callable[[StarletteRequest], Awaitable[StarletteResponse]]


def _endpoint(page: Page, way_out: _Exit) -> Handler:
    async def endpoint(starlette_request: StarletteRequest) -> StarletteResponse:
        began = perf_counter()
        request = Request(starlette_request.scope, starlette_request.receive)
        response = options(ALLOW) if way_out.answers(request) else await _answer(page, request)
        return way_out.sent(request, response, began)

    return endpoint


async def _answer(page: Page, request: Request) -> Response:
    try:
        if request.head_problem is not None:
            raise request.head_problem
        if request.method == "OPTIONS":
            return options(ALLOW)
        return await page(request)
    except Problem as problem:
        return _refusal(problem, request)
    except Exception as error:  # noqa: BLE001 - the outermost place: whatever it is, the client gets a problem
        _log.error("request failed", exc_info=error, extra={"request_id": request.id})
        return _refusal(problems.internal_error(), request)


def _unmatched(way_out: _Exit) -> Callable[[StarletteRequest, Exception], Awaitable[StarletteResponse]]:
    """404 and 405, the only answers that Starlette gives by itself."""

    async def handler(starlette_request: StarletteRequest, error: Exception) -> StarletteResponse:
        began = perf_counter()
        request = Request(starlette_request.scope, starlette_request.receive)
        if way_out.answers(request):
            return way_out.sent(request, options("OPTIONS"), began)
        problem = request.head_problem
        if problem is None and isinstance(error, HTTPException) and error.status_code == 405:
            problem = problems.method_not_allowed(ALLOW)
        problem = problem or problems.not_found("There is nothing at this URL.")
        return way_out.sent(request, _refusal(problem, request), began)

    return handler


def _refusal(problem: Problem, request: Request) -> Response:
    return problem_response(problem, instance=request.raw_path, request_id=request.id)


def cached_page(render: Callable[[], tuple[Headers, bytes]]) -> Page:
    """A page that never changes while the process lives. `render` is called by the first request."""
    made: tuple[Headers, bytes, str] | None = None

    async def page(request: Request) -> Response:
        nonlocal made
        if made is None:
            headers, body = await asyncio.to_thread(render)
            made = headers, body, f'"{blake2b(body, digest_size=12).hexdigest()}"'
        headers, body, etag = made
        head: Headers = [(b"etag", etag.encode()), (b"cache-control", b"no-cache")]
        conditions.check_match(request, etag)
        if_none_match = request.header(b"if-none-match")
        if if_none_match is not None and conditions.is_not_modified(if_none_match, etag):
            return Response(304, head)
        return Response(200, [*headers, *head], body)

    return page
