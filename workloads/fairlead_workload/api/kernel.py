"""The kernel: everything below `/{version}/` in one ASGI callable.

Routes are compiled at start into dictionary look-ups; a request goes match -> head limits -> method -> handler, and
every answer, problems too, leaves through the same two sends, past CORS where the service has it. Handlers are plain
calls; there are no layers to wrap. HEAD is GET without its body. An unforeseen exception is a 500 whose text stays in
the log.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter

from fairlead_contract.spec.api import Operation
from fairlead_workload.api.messages.cors import cors_of
from fairlead_workload.api.messages.request import Disconnected, Request, decode_segment
from fairlead_workload.api.messages.responses import Response, options, problem_response
from fairlead_workload.api.reads.documents import DocumentReader
from fairlead_workload.api.reads.lists import Lister
from fairlead_workload.api.reads.operations import OperationReader
from fairlead_workload.api.servers.base import Receive, Scope, Send
from fairlead_workload.api.writes.idempotency import IdempotencyKeys
from fairlead_workload.api.writes.writer import Writer
from fairlead_workload.bindings import Bindings
from fairlead_workload.errors import DiskFull, Problem, Refused, Unavailable, Unstorable
from fairlead_workload.model import problems
from fairlead_workload.model.resource import Resource
from fairlead_workload.telemetry.http import UNMATCHED, HttpTelemetry, RouteMetrics

CLIENT_CLOSED_REQUEST = 499  # in log and metrics only: most such clients read no answer

Handler = Callable[[Request, list[str]], Awaitable[Response]]
Quick = Callable[[Request], Response | None]
_log = logging.getLogger(__name__)


class Endpoint:
    """One compiled route. `quick`, if given, may answer a GET without waiting."""

    __slots__ = ("allow", "handlers", "metrics", "quick")

    def __init__(self, metrics: RouteMetrics, handlers: Mapping[str, Handler], quick: Quick | None = None) -> None:
        self.metrics = metrics
        self.handlers = dict(handlers)
        if "GET" in self.handlers:
            self.handlers["HEAD"] = self.handlers["GET"]
        self.allow = ", ".join(sorted((*self.handlers, "OPTIONS")))
        self.quick = quick


class Kernel:
    """ASGI application (scope type `http`) of the resources of one ApiService."""

    def __init__(self, bindings: Bindings, *, http: HttpTelemetry) -> None:
        self._http = http
        self._cors = cors_of(bindings.document)
        self._version = bindings.document.api.version
        # By name of the collection and number of path segments below it.
        self._endpoints: dict[tuple[str, int], Endpoint] = {}
        keys = IdempotencyKeys(bindings.store, bindings.clock)
        for resource in bindings.resources.values():
            self._compile(resource, bindings, keys)
        operations = Endpoint(http.route(f"/{self._version}/operations/{{id}}"), {"GET": OperationReader(bindings).get})
        self._endpoints["operations", 1] = operations
        self._unmatched = Endpoint(http.route(UNMATCHED), {})

    def _compile(self, resource: Resource, bindings: Bindings, keys: IdempotencyKeys) -> None:
        reader, lister, writer = (
            DocumentReader(resource, bindings),
            Lister(resource, bindings),
            Writer(resource, bindings, keys),
        )
        served = resource.spec.operations
        collection = {
            method: handler
            for operation, method, handler in (
                (Operation.LIST, "GET", lister.get),
                (Operation.CREATE, "POST", writer.post),
            )
            if operation in served
        }
        document = {
            method: handler
            for operation, method, handler in (
                (Operation.GET, "GET", reader.get),
                (Operation.UPDATE, "PUT", writer.put),
                (Operation.PATCH, "PATCH", writer.patch),
                (Operation.DELETE, "DELETE", writer.delete),
            )
            if operation in served
        }
        template = f"/{self._version}/{resource.name}"
        if collection:
            self._endpoints[resource.name, 0] = Endpoint(self._http.route(template), collection)
        if document:
            names = "".join(f"/{{{name}}}" for name in resource.key_names)
            quick = reader.quick if Operation.GET in served else None
            endpoint = Endpoint(self._http.route(template + names), document, quick)
            self._endpoints[resource.name, len(resource.key_names)] = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started_at = perf_counter()
        http = self._http
        http.active += 1
        request = Request(scope, receive)
        endpoint = self._unmatched
        status, size, left = CLIENT_CLOSED_REQUEST, 0, False
        try:
            try:
                endpoint, segments = self._match(request.raw_path)
                if request.head_problem is not None and not self._is_preflight(request):
                    raise request.head_problem
                response = endpoint.quick(request) if endpoint.quick is not None and request.method == "GET" else None
                if response is None:
                    response = await self._handle(endpoint, request, segments)
            except Disconnected:  # a client that has closed only its sending half still reads
                response, left = self._failure(request, problems.bad_request("The body is not complete.")), True
            except Exception as error:  # noqa: BLE001 - the outermost place: whatever it is, the client gets a problem
                response = self._failure(request, error)
            if self._cors is not None:
                self._cors.mark(request, response)
            body = b"" if request.method == "HEAD" else response.body
            status, size = CLIENT_CLOSED_REQUEST if left else response.status, len(body)
            await send(response.start(request.id))
            await send({"type": "http.response.body", "body": body})
        finally:
            http.active -= 1
            http.finished(
                endpoint.metrics,
                request.method,
                request.raw_path,
                status,
                perf_counter() - started_at,
                size,
                request_id=request.id,
                trace_id=request.trace_id,
                principal=request.principal,
            )

    def _match(self, raw_path: str) -> tuple[Endpoint, list[str]]:
        segments = raw_path.split("/")
        if len(segments) < 3 or segments[0]:
            return self._unmatched, segments
        version, name = segments[1], segments[2]
        if "%" in raw_path:
            version, name = decode_segment(version), decode_segment(name)
        below = segments[3:]
        endpoint = self._endpoints.get((name, len(below)))
        if endpoint is None or version != self._version or "" in below:
            return self._unmatched, below
        return endpoint, below

    async def _handle(self, endpoint: Endpoint, request: Request, segments: list[str]) -> Response:
        handler = endpoint.handlers.get(request.method)
        if handler is not None:
            return await handler(request, segments)
        if request.method == "OPTIONS" and (endpoint.handlers or self._is_preflight(request)):
            return options(endpoint.allow)
        if not endpoint.handlers:
            raise problems.not_found("There is nothing at this URL.")
        raise problems.method_not_allowed(endpoint.allow)

    def _is_preflight(self, request: Request) -> bool:
        return self._cors is not None and self._cors.answers(request)

    def _failure(self, request: Request, error: Exception) -> Response:
        if isinstance(error, Problem):
            problem = error
        elif isinstance(error, Unavailable):
            _log.warning("dependency unavailable", extra=self._log_fields(request, error))
            problem = problems.unavailable(error.dependency, full=isinstance(error, DiskFull))
        elif isinstance(error, Unstorable):
            pointer = "/" + error.property.replace("~", "~0").replace("/", "~1")
            problem = problems.invalid_document(({"pointer": pointer, "detail": f"It {error.why}."},))
        elif isinstance(error, Refused):
            _log.error("dependency refused", extra=self._log_fields(request, error))
            problem = problems.dependency_refused(error.dependency)
        else:
            _log.error("request failed", exc_info=error, extra={"request_id": request.id})
            problem = problems.internal_error()
        return problem_response(problem, instance=request.raw_path, request_id=request.id)

    @staticmethod
    def _log_fields(request: Request, error: Unavailable | Refused) -> dict[str, str]:
        return {"request_id": request.id, "dependency": error.dependency, "reason": error.message}
