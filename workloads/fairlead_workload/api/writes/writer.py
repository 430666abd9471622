"""POST, PUT, PATCH and DELETE: what a client sent becomes a `Write`, checked as far as that needs no stored document.

A write is checked in this order: negotiation, key, body, schema, then its Idempotency-Key. It goes one of three ways:
at once (`sync`), through the queue (`accepted`), or through the cache (`write_back`). Writers of one document take
turns, unless they carry an ETag, which lets one of them succeed anyway, or go through the queue.
"""

from functools import partial

from msgspec.structs import replace

from fairlead_contract.spec.api import CacheStrategy, Writes
from fairlead_workload.api.messages import bodies, conditions, content_coding, media_types
from fairlead_workload.api.messages.conditions import UNCONDITIONAL
from fairlead_workload.api.messages.request import Request, decode_segment
from fairlead_workload.api.messages.responses import Response
from fairlead_workload.api.shared_timeout import SharedTimeout
from fairlead_workload.api.writes.accepted import AcceptedWrites
from fairlead_workload.api.writes.idempotency import HEADER, IdempotencyKeys
from fairlead_workload.api.writes.sync import SyncWrites
from fairlead_workload.api.writes.write import Write, WritePath
from fairlead_workload.api.writes.write_back import WriteBacks
from fairlead_workload.bindings import Bindings
from fairlead_workload.model import identifiers, problems
from fairlead_workload.model.effects import Action
from fairlead_workload.model.resource import Resource
from fairlead_workload.stores.base import Document, Key


class Writer:
    """Takes the writes of one resource."""

    def __init__(self, resource: Resource, bindings: Bindings, keys: IdempotencyKeys) -> None:
        self._resource = resource
        self._clock = bindings.clock
        self._max_body_bytes = bindings.document.security.max_body_bytes
        self._patience = SharedTimeout(bodies.READ_SECONDS)
        self._document_locks = bindings.document_locks
        self._keys = keys
        self._accepted = AcceptedWrites(resource, bindings, self._keys) if bindings.queue is not None else None
        self._default = self._default_write_path(bindings)

    def _default_write_path(self, bindings: Bindings) -> WritePath:
        spec = self._resource.spec
        if spec.cache.strategy is CacheStrategy.WRITE_BACK and bindings.queue is not None:
            return WriteBacks(self._resource, bindings, self._keys)
        if spec.writes is Writes.ACCEPTED and self._accepted is not None:
            return self._accepted
        return SyncWrites(self._resource, bindings, self._keys)

    async def post(self, request: Request, segments: list[str]) -> Response:
        """Create a document; its key is generated, or in the body."""
        del segments
        conditions.check_accept(request)
        body, raw = await self._body(request, media_types.JSON)
        self._resource.check_new(body)
        fresh = self._resource.generated
        if fresh:
            body[self._resource.key_names[0]] = identifiers.uuid7(self._clock)
        body = self._resource.normalise(body)
        key = self._resource.document_key(body)
        write = Write(request, Action.CREATE, key, body, UNCONDITIONAL, self._clock(), fresh)
        return await self._take(self._write_path(request), write, raw)

    async def put(self, request: Request, segments: list[str]) -> Response:
        """Create or replace the document at the URL's key."""
        conditions.check_accept(request)
        key = self._key(segments)
        condition = conditions.write_condition(request)
        body, raw = await self._body(request, media_types.JSON)
        self._resource.check_new(body, from_path=key)
        return await self._in_turn(Write(request, Action.REPLACE, key, body, condition, self._clock()), raw)

    async def patch(self, request: Request, segments: list[str]) -> Response:
        """Apply a JSON Merge Patch to the document at the URL's key."""
        conditions.check_accept(request)
        key = self._key(segments)
        condition = conditions.write_condition(request)
        body, raw = await self._body(request, media_types.PATCH)
        self._resource.check_patch(body)
        self._resource.check_key({name: value for name, value in body.items() if value is not None}, key)
        return await self._in_turn(Write(request, Action.PATCH, key, body, condition, self._clock()), raw)

    async def delete(self, request: Request, segments: list[str]) -> Response:
        """Delete the document at the URL's key."""
        key = self._key(segments)
        condition = conditions.write_condition(request)
        return await self._in_turn(Write(request, Action.DELETE, key, None, condition, self._clock()), b"")

    def _key(self, segments: list[str]) -> Key:
        return self._resource.parse_key(tuple(decode_segment(segment) for segment in segments))

    async def _body(self, request: Request, types: tuple[str, ...]) -> tuple[Document, bytes]:
        media_types.check_type(request, types)
        coding = content_coding.content_coding(request) if content_coding.HEADER in request.headers else ""
        raw = await bodies.read_body(request, limit=self._max_body_bytes, patience=self._patience)
        if coding:
            raw = content_coding.decoded(raw, coding, limit=self._max_body_bytes)
        return bodies.decode_object(raw), raw

    def _write_path(self, request: Request) -> WritePath:
        wanted = (
            self._accepted is not None and isinstance(self._default, SyncWrites) and conditions.prefers_async(request)
        )
        return self._accepted if wanted and self._accepted is not None else self._default

    async def _in_turn(self, write: Write, raw: bytes) -> Response:
        write_path = self._write_path(write.request)
        if write_path is self._accepted or isinstance(write.condition.match, frozenset):
            return await self._take(write_path, write, raw)
        lock = self._document_locks.of(self._resource.path(write.key))
        try:
            async with lock:
                return await self._take(write_path, replace(write, lock=lock), raw)
        except TimeoutError:
            raise problems.conflict() from None

    async def _take(self, write_path: WritePath, write: Write, raw: bytes) -> Response:
        if HEADER not in write.request.headers:
            return await write_path.apply(write, None)
        return await self._keys.run_once(write.request, raw, partial(write_path.apply, write), write_path.resume)
