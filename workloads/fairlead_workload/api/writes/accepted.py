"""Accepted writes: checked, published durably, answered with 202; the worker carries them out.

The answer is 202 only after the queue has the command. Nothing is written to the store unless the client sent an
Idempotency-Key, and nothing read unless it sent a condition or a reference is not in the cache.
"""

from fairlead_contract.spec.api import Writes
from fairlead_workload.api.messages.conditions import prefers_async
from fairlead_workload.api.messages.responses import Response, json_response
from fairlead_workload.api.writes.idempotency import Claim, IdempotencyKeys
from fairlead_workload.api.writes.publishing import publish
from fairlead_workload.api.writes.references import References
from fairlead_workload.api.writes.write import Write
from fairlead_workload.bindings import Bindings
from fairlead_workload.errors import Refused
from fairlead_workload.events import cloudevents
from fairlead_workload.events.commands import command_event
from fairlead_workload.model import identifiers, operations
from fairlead_workload.model.effects import Command
from fairlead_workload.model.resource import Resource
from fairlead_workload.queues.base import Message
from fairlead_workload.stores.base import Expect

APPLIED = (b"preference-applied", b"respond-async")


class AcceptedWrites:
    """Takes the writes of one resource into the queue. `bindings.queue` is not None."""

    def __init__(self, resource: Resource, bindings: Bindings, keys: IdempotencyKeys) -> None:
        self._resource = resource
        self._bindings = bindings
        self._cache = bindings.caches[resource.name]
        self._source = bindings.source
        self._keys = keys
        self._references = References(resource, bindings)
        self._base = f"/{bindings.document.api.version}/"
        self._by_preference = resource.spec.writes is not Writes.ACCEPTED

    async def apply(self, write: Write, claim: Claim | None) -> Response:
        expect = await self._expectation(write)
        if write.body is not None:
            await self._references.check(write.body)
        message, response = self._accept(write, expect)
        if claim is not None:
            await self._keys.reserve(claim, message, response)
        await self._publish(message, response, claim)
        return response

    async def resume(self, claim: Claim) -> Response:
        message, response = claim.message, claim.answer
        assert message is not None and response is not None  # noqa: S101, PT018 - what taking over means
        await self._publish(message, response, claim)
        return response

    async def _expectation(self, write: Write) -> Expect | int:
        if not write.condition.given:
            return Expect.ANY
        (record,) = await self._bindings.store.get(self._resource.name, [write.key], strong=True)
        return write.expectation(None if record is None else record.version)

    def _accept(self, write: Write, expect: Expect | int) -> tuple[Message, Response]:
        request, path = write.request, self._resource.path(write.key)
        uuid = identifiers.uuid7_bytes(self._bindings.clock)
        id_ = self._bindings.operations.mint(uuid, principal=request.principal, path=path)
        event = command_event(
            Command(self._resource.name, write.action, write.key, write.body, expect, write.at),
            id_=identifiers.text(uuid),
            source=self._source,
            principal=request.principal,
            operation=id_,
            traceparent=request.trace_context(),
        )
        created_at = identifiers.created_at(uuid)
        content = operations.body(id_, "Pending", resource=self._base + path, created_at=created_at)
        extra = [(b"location", f"{self._base}operations/{id_}".encode())]
        if self._by_preference or prefers_async(request):
            extra.append(APPLIED)
        return Message(event.id, event.partitionkey, cloudevents.encode(event)), json_response(202, content, *extra)

    async def _publish(self, message: Message, response: Response, claim: Claim | None) -> None:
        error = await publish(self._bindings.queue, message)
        if error is not None:
            if claim is not None:
                await self._keys.release(claim, message, response, keep=not isinstance(error, Refused))
            raise error
        await self._cache.pending(message.key)
        if claim is not None:
            await self._keys.finish(claim, response)
