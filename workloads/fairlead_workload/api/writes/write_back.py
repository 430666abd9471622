"""Write-back: shown in the cache first, then published; the worker brings it to the store.

A write is decided against the newest version that any client may have read (cache, else store), gets its version here,
and travels as the whole document. It is answered when the queue has it; if the queue does not take it, nobody keeps
seeing it. Conditions are refused: two writers may have read the same version.
"""

import msgspec

from fairlead_workload.api.messages.responses import Response
from fairlead_workload.api.writes.idempotency import Claim, IdempotencyKeys
from fairlead_workload.api.writes.publishing import publish
from fairlead_workload.api.writes.references import References
from fairlead_workload.api.writes.write import Write, attempts, deleted, written
from fairlead_workload.bindings import Bindings
from fairlead_workload.caches.base import Entry, State
from fairlead_workload.errors import Unavailable
from fairlead_workload.events import cloudevents
from fairlead_workload.events.commands import command_event
from fairlead_workload.model import identifiers, problems, versions
from fairlead_workload.model.effects import Action, Command, Effect, Fact, effect
from fairlead_workload.model.resource import Resource
from fairlead_workload.queues.base import Message
from fairlead_workload.stores.base import Expect, Record

_decode = msgspec.json.Decoder(dict[str, object]).decode
_ACTIONS = {Fact.CREATED: Action.CREATE, Fact.UPDATED: Action.REPLACE, Fact.DELETED: Action.DELETE}


class WriteBacks:
    """Takes the writes of one resource into cache and queue. `bindings.queue` is not None."""

    def __init__(self, resource: Resource, bindings: Bindings, keys: IdempotencyKeys) -> None:
        self._resource = resource
        self._bindings = bindings
        self._cache = bindings.caches[resource.name]
        self._source = bindings.source
        self._keys = keys
        self._references = References(resource, bindings)
        self._base = f"/{bindings.document.api.version}/"

    async def apply(self, write: Write, claim: Claim | None) -> Response:
        if write.condition.given:
            raise problems.condition_not_supported()
        for _ in attempts():
            current, last_version = await self._current(write)
            command = Command(self._resource.name, write.action, write.key, write.body, Expect.ANY, write.at)
            decided = effect(self._resource, command, current)
            if decided.document is not None:
                await self._references.check(decided.document)
            version = versions.next_version(
                None if current is None else current.version,
                last=last_version,
                least=versions.from_time(self._bindings.clock()),
            )
            body = None if decided.document is None else self._resource.encode(decided.document)
            path = self._resource.path(write.key)
            if await self._cache.stage(path, version, body, "" if body is None else versions.etag(version)):
                return await self._publish(write, decided, version, body, claim)
            if self._cache.degraded:
                raise Unavailable("cache", "a write-back could not be shown")
        raise problems.conflict()

    async def resume(self, claim: Claim) -> Response:
        message, response = claim.message, claim.answer
        assert message is not None and response is not None  # noqa: S101, PT018 - what taking over means
        error = await publish(self._bindings.queue, message)
        if error is not None:
            raise error
        await self._keys.finish(claim, response)
        return response

    async def _current(self, write: Write) -> tuple[Record | None, int]:
        """The newest document that a client may have read, and the newest version, of a deletion too."""
        if write.fresh:
            return None, 0
        entry: Entry = (await self._cache.read(self._resource.path(write.key))).entry
        if entry.body is not None and entry.state is State.DIRTY:
            return Record(write.key, _decode(entry.body), entry.version), entry.version
        if entry.state is State.DIRTY:
            return None, entry.version
        (record,) = await self._bindings.store.get(self._resource.name, [write.key], strong=True)
        return record, entry.version if record is None else record.version

    async def _publish(
        self, write: Write, decided: Effect, version: int, body: bytes | None, claim: Claim | None
    ) -> Response:
        path = self._resource.path(write.key)
        message = self._message(write, decided, version)
        response = self._response(decided, version, body or b"", path)
        try:
            if claim is not None:
                await self._keys.reserve(claim, message, response)
            error = await publish(self._bindings.queue, message)
        except BaseException:  # whatever it was: what is not published must not stay visible
            await self._cache.discard(path, version)
            raise
        if error is not None:
            await self._cache.discard(path, version)
            if claim is not None:
                await self._keys.release(claim, message, response, keep=False)
            raise error
        if claim is not None:
            await self._keys.finish(claim, response)
        return response

    def _message(self, write: Write, decided: Effect, version: int) -> Message:
        command = Command(
            self._resource.name,
            _ACTIONS[decided.fact],
            write.key,
            decided.document,
            Expect.ANY,
            write.at,
            version,
        )
        event = command_event(
            command,
            id_=identifiers.uuid7(self._bindings.clock),
            source=self._source,
            principal=write.request.principal,
            operation="",
            traceparent=write.request.trace_context(),
        )
        return Message(event.id, event.partitionkey, cloudevents.encode(event))

    def _response(self, decided: Effect, version: int, body: bytes, path: str) -> Response:
        if decided.fact is Fact.DELETED:
            return deleted()
        status = 201 if decided.fact is Fact.CREATED else 200
        return written(status, location=self._base + path, etag=versions.etag(version), body=body)
