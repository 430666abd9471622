"""Write-back: shown in the cache first, then published; the worker brings it to the store.

A write is decided against the newest version that any client may have read (cache, else store), gets its version here,
and travels as the whole document. It is answered when the queue has it; if the queue does not take it, nobody keeps
seeing it, and if this process ends before it is published, nobody does after a minute. It is never decided on a write
of another process that is not published yet: that one might come to nothing, or reach the store after it. Conditions
are refused: two writers may have read the same version.

The version is the time, so that it stands for this document only: whoever writes without having seen this one (the
cache was lost) or writes to the store meanwhile (a handler) takes another one.
"""

from dataclasses import dataclass

import msgspec

from fairlead_workload.api.messages.responses import Response
from fairlead_workload.api.writes.idempotency import Claim, IdempotencyKeys
from fairlead_workload.api.writes.publishing import publish
from fairlead_workload.api.writes.references import References
from fairlead_workload.api.writes.write import Write, attempts, deleted, written
from fairlead_workload.bindings import Bindings
from fairlead_workload.caches.base import State
from fairlead_workload.errors import Refused, Unavailable
from fairlead_workload.events import cloudevents
from fairlead_workload.events.commands import command_event
from fairlead_workload.model import identifiers, problems, versions
from fairlead_workload.model.effects import Action, Command, Effect, Fact, effect
from fairlead_workload.model.resource import Resource
from fairlead_workload.model.retention import HOUR
from fairlead_workload.queues.base import Message
from fairlead_workload.stores.base import Expect, Record

POLL_SECONDS = 0.02  # while another process publishes its write of the same document

_decode = msgspec.json.Decoder(dict[str, object]).decode
_ACTIONS = {Fact.CREATED: Action.CREATE, Fact.UPDATED: Action.REPLACE, Fact.DELETED: Action.DELETE}


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest document that a client may have read, and the newest version, of a deletion too."""

    record: Record | None
    version: int


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
            newest = await self._newest(write)
            if newest is None:
                await self._bindings.sleep(POLL_SECONDS)
                continue
            decided = await self._decide(write, newest.record)
            now = versions.from_time(self._bindings.clock())
            version = versions.next_version(None, last=newest.version, least=now)
            body = None if decided.document is None else self._resource.encode(decided.document)
            path, etag = self._resource.path(write.key), "" if body is None else versions.etag(version)
            if await self._cache.stage(path, version, body, etag, after=newest.version):
                return await self._publish(write, decided, version, body, claim)
            if self._cache.degraded:
                raise Unavailable("cache", "a write-back could not be shown")
        raise problems.conflict()

    async def resume(self, claim: Claim) -> Response:
        message, response = claim.message, claim.answer
        assert message is not None and response is not None  # noqa: S101, PT018 - what taking over means
        error = await publish(self._bindings.queue, message)
        if error is not None:
            await self._keys.release(claim, message, response, keep=not isinstance(error, Refused))
            raise error
        await self._keep(message.key, _staged_version(message))  # if it is shown still
        await self._keys.finish(claim, response)
        return response

    async def _newest(self, write: Write) -> _Newest | None:
        """What the write is decided on. None: that is a write which is not known to be published."""
        if write.fresh:
            return _Newest(None, 0)
        lookup = await self._cache.read(self._resource.path(write.key))
        entry = lookup.entry
        if entry.state is State.STAGED:
            return None
        if entry.state is State.DIRTY:
            record = None if entry.body is None else Record(write.key, _decode(entry.body), entry.version)
            return _Newest(record, entry.version)
        (record,) = await self._bindings.store.get(self._resource.name, [write.key], strong=True)
        return _Newest(record, max(lookup.newest, 0 if record is None else record.version))

    async def _decide(self, write: Write, current: Record | None) -> Effect:
        command = Command(self._resource.name, write.action, write.key, write.body, Expect.ANY, write.at)
        decided = effect(self._resource, command, current)
        if decided.document is not None:
            await self._references.check(decided.document)
        return decided

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
                await self._keys.release(claim, message, response, keep=not isinstance(error, Refused))
            raise error
        await self._keep(path, version)
        if claim is not None:
            await self._keys.finish(claim, response)
        return response

    async def _keep(self, path: str, version: int) -> None:
        await self._cache.keep(path, version, seconds=self._bindings.delivered_seconds + HOUR)

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


def _staged_version(message: Message) -> int:
    """The version under which the write of this message is shown."""
    return int(cloudevents.decode(message.body).data["version"])
