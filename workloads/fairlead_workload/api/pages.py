"""What is served beside the resources: a few fixed paths, each a function from request to response.

Decided here: these are GET and HEAD only, anything else is a problem document, as it is for resources. A page is made
when it is first asked for, and has a strong ETag.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b

from fairlead_workload.api import conditions
from fairlead_workload.api.request import Request
from fairlead_workload.api.responses import Headers, Response, problem_response
from fairlead_workload.api.server import Receive, Scope, Send
from fairlead_workload.errors import Problem
from fairlead_workload.model import problems

Page = Callable[[Request], Awaitable[Response]]
_log = logging.getLogger(__name__)


class Pages:
    """ASGI application (scope type `http`) of fixed paths."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Problem as problem:
            response = _refusal(problem, request)
        except Exception as error:  # noqa: BLE001 - the outermost place: whatever it is, the client gets a problem
            _log.error("request failed", exc_info=error, extra={"request_id": request.id})
            response = _refusal(problems.internal_error(), request)
        await send(response.start(request.id))
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else response.body})

    async def _answer(self, request: Request) -> Response:
        if request.refusal is not None:
            raise request.refusal
        page = self._pages.get(request.raw_path)
        if page is None:
            raise problems.not_found("There is nothing at this URL.")
        if request.method not in ("GET", "HEAD"):
            raise problems.method_not_allowed("GET, HEAD")
        return await page(request)


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
        given = request.header(b"if-none-match")
        if given is not None and conditions.is_not_modified(given, etag):
            return Response(304, head)
        return Response(200, [*headers, *head], body)

    return page
