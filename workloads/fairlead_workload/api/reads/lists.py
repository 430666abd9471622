"""GET of a collection: one page of documents in the order of an index.

Lists are never cached, and the order is always total: by sort value, if the index has one, then by primary key.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec
from msgspec.structs import replace

from fairlead_contract.spec.api import Reads
from fairlead_workload.api.messages import conditions
from fairlead_workload.api.messages.request import Request
from fairlead_workload.api.messages.responses import JSON, NO_STORE, Headers, Response
from fairlead_workload.api.reads import cursors
from fairlead_workload.api.reads.queries import ListIndex, ListQuery, QueryParser
from fairlead_workload.bindings import Bindings
from fairlead_workload.model import problems
from fairlead_workload.model.resource import Resource
from fairlead_workload.stores.base import Query

_encode = msgspec.json.Encoder().encode


class Lister:
    """Lists the documents of one resource."""

    def __init__(self, resource: Resource, bindings: Bindings) -> None:
        self._resource = resource
        self._store = bindings.store
        self._strong = resource.spec.reads is Reads.STRONG
        self._parser = QueryParser(resource)
        self._path = f"/{bindings.document.api.version}/{resource.name}"

    async def get(self, request: Request, segments: list[str]) -> Response:
        """One page: `{"items": [...], "next": cursor or null}`, and a Link to the next one."""
        del segments
        conditions.check_accept(request)
        parsed = self._parser.parse(request.url_query)
        query = self._query(parsed)
        conditions.check_match(request, None)
        page = await self._store.query(self._resource.name, query, strong=self._strong)
        cursor = None if page.next is None else cursors.encode(self._resource.name, query, page.next)
        items = b",".join([self._resource.encode(record.document) for record in page.records])
        headers: Headers = [JSON, NO_STORE]
        if cursor is not None:
            headers.append((b"link", self._link(parsed.parameters, cursor).encode()))
        return Response(200, headers, b'{"items":[%b],"next":%b}' % (items, _encode(cursor)))

    def _query(self, parsed: ListQuery) -> Query:
        index = parsed.index
        query = Query(
            index=None if index is None else index.name,
            partition=parsed.partition,
            sort=parsed.sort,
            limit=parsed.limit,
            descending=parsed.descending,
        )
        if parsed.cursor is None:
            return query
        try:
            position = cursors.decode(parsed.cursor, self._resource.name, query, self._position_types(query, index))
        except cursors.InvalidCursor:
            raise problems.invalid_query(
                "The cursor is not one of this query; start again without it.",
                errors=({"parameter": "cursor", "detail": "not a cursor of this query"},),
            ) from None
        return replace(query, after=position)

    def _position_types(self, query: Query, index: ListIndex | None) -> list[str]:
        leading = [index.sort] if index is not None and index.sort is not None and query.partition is not None else []
        names = dict.fromkeys([*leading, *self._resource.key_names])
        return [self._resource.properties[name].get("type", "string") for name in names]

    def _link(self, parameters: Mapping[str, str], cursor: str) -> str:
        return f'<{self._path}?{urlencode({**parameters, "cursor": cursor})}>; rel="next"'
