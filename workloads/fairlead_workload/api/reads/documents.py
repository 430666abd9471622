"""GET of one document: from the cache without waiting where that is possible, else through it; `Strong` goes past it.

`Age` and `Cache-Status` (RFC 9211) say how fresh the answer is; `Cache-Control: no-cache` of the client reads through
the cache, and so does `If-Match`.
"""

from fairlead_workload.api.messages import conditions
from fairlead_workload.api.messages.request import Request, decode_segment
from fairlead_workload.api.messages.responses import JSON, REVALIDATE, Headers, Response
from fairlead_workload.bindings import Bindings
from fairlead_workload.caches.base import Entry, State
from fairlead_workload.caches.policy import Lookup, Status
from fairlead_workload.model import problems
from fairlead_workload.model.resource import Resource

CACHE_NAME = "fairlead"
_PRESENT, _ABSENT = State.PRESENT, State.ABSENT  # as stored, so that there is a time to live


class DocumentReader:
    """Serves the documents of one resource."""

    def __init__(self, resource: Resource, bindings: Bindings) -> None:
        self._resource = resource
        self._cache = bindings.caches[resource.name]
        self._is_cached = self._cache.is_used
        self._clock = bindings.clock
        self._path_start = len(f"/{bindings.document.api.version}/")

    def quick(self, request: Request) -> Response | None:
        """The answer if this process has it, without waiting."""
        headers = request.headers
        if not self._is_cached or b"cache-control" in headers or b"if-match" in headers:
            return None
        # Entries have canonical keys only, so another spelling of the path misses here and is decoded below.
        entry = self._cache.peek(request.raw_path[self._path_start :])
        if entry is None:
            return None
        conditions.check_accept(request)
        now = self._clock()
        status = f"{CACHE_NAME}; hit"
        if entry.state is _PRESENT or entry.state is _ABSENT:
            status = f"{CACHE_NAME}; hit; ttl={int(entry.expires_at - now)}"
        return self._answer(request, entry, status, now)

    async def get(self, request: Request, segments: list[str]) -> Response:
        """The document at the key in `segments`."""
        conditions.check_accept(request)
        key = self._resource.parse_key(tuple(decode_segment(segment) for segment in segments))
        fresh = b"if-match" in request.headers or conditions.wants_fresh(request)
        lookup = await self._cache.read(self._resource.path(key), revalidate=fresh)
        if lookup.entry.body is not None:
            conditions.check_match(request, lookup.entry.etag)
        now = self._clock()
        return self._answer(request, lookup.entry, cache_status(lookup, now), now)

    def _answer(self, request: Request, entry: Entry, status: str, now: float) -> Response:
        body = entry.body
        age = int(now - entry.stored_at)
        headers: Headers = [(b"cache-status", status.encode()), (b"age", b"%d" % age if age > 0 else b"0")]
        if body is None:
            problem = problems.not_found()
            problem.headers = tuple((name.decode(), value.decode()) for name, value in headers)
            raise problem
        headers.append((b"etag", entry.etag.encode()))
        headers.append(REVALIDATE)
        if_none_match = request.headers.get(b"if-none-match")
        if if_none_match is not None and conditions.is_not_modified(if_none_match.decode("latin-1"), entry.etag):
            return Response(304, headers)
        headers.append(JSON)
        return Response(200, headers, body)


def cache_status(lookup: Lookup, now: float) -> str:
    """`Cache-Status` of a lookup (RFC 9211, section 2)."""
    parts = [CACHE_NAME, str(lookup.status)]
    if lookup.stored:
        parts.append("stored")
    if lookup.collapsed:
        parts.append("collapsed")
    entry = lookup.entry
    if lookup.status is Status.HIT and entry.state in (_PRESENT, _ABSENT):
        parts.append(f"ttl={int(entry.expires_at - now)}")
    return "; ".join(parts)
