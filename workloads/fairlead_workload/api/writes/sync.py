"""Sync writes: read, decide, commit; answered when the document is stored.

Document, facts and idempotency record are one unit, and what another writer changed in between is decided again, for a
while. The caches are updated after the commit, and after one of unknown outcome: it may have changed the document.

Of writers who wait for each other, one leaves the document that it has committed to the next, which does not read it
then. Only the commit, which expects exactly that version, shows that nobody has changed it meanwhile: a conflict, and
whatever would be refused, is decided again on what is read.
"""

import asyncio

from msgspec.structs import replace

from fairlead_workload.api.messages.responses import Response
from fairlead_workload.api.writes.idempotency import Claim, IdempotencyKeys
from fairlead_workload.api.writes.references import References
from fairlead_workload.api.writes.write import Write, attempts, deleted, written
from fairlead_workload.bindings import Bindings
from fairlead_workload.errors import Conflict, ConflictKind, Problem, Refused, Unavailable
from fairlead_workload.events.facts import facts
from fairlead_workload.model import problems, versions
from fairlead_workload.model.effects import Action, Command, Effect, Fact, effect
from fairlead_workload.model.resource import Resource
from fairlead_workload.stores.base import Committed, Mutation, Record, RecordWrite, Unit


class SyncWrites:
    """Carries out the writes of one resource at once."""

    def __init__(self, resource: Resource, bindings: Bindings, keys: IdempotencyKeys) -> None:
        self._resource = resource
        self._store = bindings.store
        self._cache = bindings.caches[resource.name]
        self._clock = bindings.clock
        self._source = bindings.source
        self._handled_event_types = bindings.handled_event_types
        self._keys = keys
        self._references = References(resource, bindings)
        self._base = f"/{bindings.document.api.version}/"

    async def apply(self, write: Write, claim: Claim | None) -> Response:
        left = None if write.lock is None else write.lock.take_over()
        if left is not None and (response := await self._attempt(write, left, claim)) is not None:
            return response
        last_version = 0  # of the key, as conflicts have shown it
        for _ in attempts():
            decided = self._decide(write, await self._current(write))
            try:
                return await self._commit(write, decided, claim, last_version)
            except Conflict as conflict:
                if conflict.kind is ConflictKind.RECORD:
                    raise
                if conflict.kind is ConflictKind.REFERENCE:
                    await self._references.lost(decided.document or {})
                elif write.action is Action.CREATE and conflict.kind is ConflictKind.EXISTS:
                    raise problems.already_exists() from None
                last_version = max(last_version, conflict.version or 0)
        raise problems.conflict()

    async def _attempt(self, write: Write, left: Record, claim: Claim | None) -> Response | None:
        """The answer to a write of the document that the writer before has left; None if it has to be read first."""
        try:
            return await self._commit(write, self._decide(write, left), claim, 0)
        except (Problem, Refused):
            return None
        except Conflict as conflict:
            if conflict.kind is ConflictKind.RECORD:  # whatever the document is
                raise
            return None

    async def resume(self, claim: Claim) -> Response:  # noqa: ARG002 - the seam's
        raise problems.idempotency_in_progress()  # a write that goes another way holds the key

    async def _current(self, write: Write) -> Record | None:
        if write.action is Action.CREATE:
            return None  # the commit finds out whether it exists
        (record,) = await self._store.get(self._resource.name, [write.key], strong=True)
        return record

    def _decide(self, write: Write, current: Record | None) -> Effect:
        expect = write.expectation(None if current is None else current.version)
        return effect(
            self._resource,
            Command(self._resource.name, write.action, write.key, write.body, expect, write.at),
            current,
        )

    async def _commit(self, write: Write, decided: Effect, claim: Claim | None, last_version: int) -> Response:
        document = decided.document
        requires = () if document is None else await self._references.check(document)
        body = b"" if document is None else self._resource.encode(document)
        mutation = decided.mutation
        records: tuple[RecordWrite, ...] = ()
        if claim is not None:
            # The record holds the answer, and with it the version, so the version must be known before the commit.
            mutation = self._numbered(decided, last_version)
            records = (self._keys.answered(claim, self._response(write, decided, mutation.version or 0, body)),)
        outbox = facts(
            decided,
            self._resource,
            handled_event_types=self._handled_event_types,
            source=self._source,
            at=write.at,
            traceparent=write.request.trace_context(),
        )
        unit = Unit(mutations=(mutation,), requires=requires, records=records, outbox=outbox)
        (version,) = (await self._store_unit(write, unit)).versions
        if write.lock is not None and document is not None:
            write.lock.leave(Record(write.key, document, version))
        await self._update_cache(write, version, body, gone=document is None)
        return self._response(write, decided, version, body)

    async def _store_unit(self, write: Write, unit: Unit) -> Committed:
        try:
            return await self._store.commit(unit)
        except (Unavailable, asyncio.CancelledError):
            least_version = versions.least_committed(unit.mutations[0])
            await self._cache.maybe_written(self._resource.path(write.key), least_version)
            raise

    def _numbered(self, decided: Effect, last_version: int) -> Mutation:
        mutation = decided.mutation
        if decided.fact is Fact.DELETED:
            return mutation
        stored = mutation.expect if isinstance(mutation.expect, int) else None
        least = versions.from_time(self._clock())
        return replace(mutation, version=versions.next_version(stored, last=last_version, least=least))

    async def _update_cache(self, write: Write, version: int, body: bytes, *, gone: bool) -> None:
        path = self._resource.path(write.key)
        if gone:
            await self._cache.deleted(path, version)
        else:
            await self._cache.written(path, version, body, versions.etag(version))

    def _response(self, write: Write, decided: Effect, version: int, body: bytes) -> Response:
        if decided.fact is Fact.DELETED:
            return deleted()
        status = 201 if decided.fact is Fact.CREATED else 200
        return written(
            status, location=self._base + self._resource.path(write.key), etag=versions.etag(version), body=body
        )
