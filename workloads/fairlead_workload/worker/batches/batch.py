"""Applying a batch of events that need one unit each: commands, and facts whose steps make no call.

All documents of the batch are read with one call, and all first events of a document are committed in one tick of the
event loop, which the store makes one transaction; then the second ones, on what the first left. On a conflict the
document is read and decided on again. Nothing is awaited per event but its commit, and the cache.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fairlead_contract.cel.expressions import ExpressionError
from fairlead_workload.bindings import Bindings
from fairlead_workload.errors import Conflict, ConflictKind, DependencyError, FairleadError, Unavailable
from fairlead_workload.model.versions import least_committed
from fairlead_workload.stores.base import Committed, Record
from fairlead_workload.worker import inbox
from fairlead_workload.worker.batches import cache_update, commands
from fairlead_workload.worker.batches.commands import CommandRules
from fairlead_workload.worker.decisions import BY_STEP, DONE, Decision, Outcome
from fairlead_workload.worker.dispatch import CommandItem, DocumentRef, FactItem, Item
from fairlead_workload.worker.failures.failure_policy import FailurePolicy
from fairlead_workload.worker.failures.retry_policy import Rejected
from fairlead_workload.worker.handlers.fact_rules import FactRules
from fairlead_workload.worker.stats import WorkerStats

MAX_DECISIONS = 10


@dataclass(slots=True)
class BatchState:
    """A batch under way. `waiting`: by document, the items without an outcome, in order. `records`: as last seen."""

    waiting: dict[DocumentRef, deque[Item]]
    records: dict[DocumentRef, Record | None]
    outcomes: dict[Item, Outcome] = field(default_factory=dict)
    conflicts: dict[Item, int] = field(default_factory=dict)
    stale: set[DocumentRef] = field(default_factory=set)  # to be read again before the next decision

    def advance(self) -> None:
        """Take the items with an outcome from those that wait."""
        for ref in list(self.waiting):
            items = self.waiting[ref]
            while items and items[0] in self.outcomes:
                items.popleft()
            if not items:
                del self.waiting[ref]


class Batches:
    """Applies batches, one at a time or several at once; the store decides conflicts between them."""

    def __init__(
        self,
        bindings: Bindings,
        command_rules: CommandRules,
        fact_rules: FactRules,
        failure_policy: FailurePolicy,
        *,
        stats: WorkerStats,
    ) -> None:
        self._store = bindings.store
        self._caches = bindings.caches
        self._commands = command_rules
        self._facts = fact_rules
        self._failure_policy = failure_policy
        self._stats = stats
        self._clock = bindings.clock

    async def apply(self, items: Sequence[Item]) -> dict[Item, Outcome]:
        """The outcome of every item."""
        try:
            await self._load(items)
            records = await self._read({item.ref for item in items})
        except DependencyError as error:
            return {item: await self._failed(item, error) for item in items}
        waiting: dict[DocumentRef, deque[Item]] = {}
        for item in items:
            waiting.setdefault(item.ref, deque()).append(item)
        state = BatchState(waiting, records)
        while state.waiting:
            await self._round(state)
        return state.outcomes

    async def _load(self, items: Sequence[Item]) -> None:
        """Read what is on record about events that may have been here before."""
        known = [item for item in items if not item.fresh]
        if known:
            for item, history in zip(
                known, await inbox.read_histories(self._store, [item.id for item in known]), strict=True
            ):
                item.history = history

    async def _read(self, places: Iterable[DocumentRef]) -> dict[DocumentRef, Record | None]:
        by_resource: dict[str, list[DocumentRef]] = {}
        for ref in places:
            by_resource.setdefault(ref[0], []).append(ref)
        documents: dict[DocumentRef, Record | None] = {}
        for resource, document_refs in by_resource.items():
            records = await self._store.get(resource, [key for _, key in document_refs], strong=True)
            documents.update(zip(document_refs, records, strict=True))
        return documents

    async def _round(self, state: BatchState) -> None:
        """Decide on the first item of each document, commit, and take from the batch what came to its end."""
        decisions: list[tuple[Item, Decision]] = []
        for ref, items in state.waiting.items():
            item = items[0]
            decision = await self._decide(item, state.records[ref])
            if isinstance(decision, Decision):
                decisions.append((item, decision))
            else:
                state.outcomes[item] = decision
        results = await asyncio.gather(
            *(self._store.commit(decision.unit) for _, decision in decisions), return_exceptions=True
        )
        for (item, decision), result in zip(decisions, results, strict=True):
            outcome = await self._finish(state, item, decision, result)
            if outcome is not None:
                state.outcomes[item] = outcome
        if state.stale:
            await self._read_again(state)
        state.advance()

    async def _read_again(self, state: BatchState) -> None:
        try:
            state.records.update(await self._read(state.stale))
        except DependencyError as error:
            for ref in state.stale:
                item = state.waiting[ref][0]
                state.outcomes[item] = await self._failed(item, error)
        state.stale.clear()

    async def _decide(self, item: Item, record: Record | None) -> Decision | Outcome:
        entry = item.history.final_entry(item.delivery.redrives)
        if entry is not None:
            return await self._duplicate(item, entry)
        try:
            if isinstance(item, CommandItem):
                return self._commands.decide(item, record, now=self._clock())
            assert isinstance(item, FactItem)  # noqa: S101 - there are two kinds of items
            decision = self._facts.decide(item, record, now=self._clock())
            return decision or BY_STEP
        except (FairleadError, ExpressionError, Rejected) as error:
            return BY_STEP if isinstance(item, FactItem) else await self._failed(item, error)

    async def _finish(
        self, state: BatchState, item: Item, decision: Decision, result: Committed | BaseException
    ) -> Outcome | None:
        """The outcome after a commit; None when the item is to be decided on again."""
        if isinstance(result, Committed):
            return await self._committed(state, item, decision, result)
        if not isinstance(result, Conflict):
            await self._maybe_committed(item, decision, result)
            return await self._failed(item, result)
        conflicts = state.conflicts[item] = state.conflicts.get(item, 0) + 1
        if conflicts >= MAX_DECISIONS:
            return BY_STEP if isinstance(item, FactItem) else await self._failed(item, result)
        if result.kind is ConflictKind.RECORD and result.position == 0:
            return await self._recheck_inbox(item)
        if isinstance(item, CommandItem):
            commands.learn(item, result)
        if result.kind is not ConflictKind.REFERENCE:
            state.stale.add(item.ref)
        return None

    async def _maybe_committed(self, item: Item, decision: Decision, error: BaseException) -> None:
        """Until the next delivery finds out, nothing older is served. A write-back is shown anyway."""
        if isinstance(error, Unavailable) and decision.writes and decision.staged is None:
            version = least_committed(decision.unit.mutations[0])
            await self._caches[item.resource.name].maybe_written(item.resource.path(item.key), version)

    async def _committed(self, state: BatchState, item: Item, decision: Decision, result: Committed) -> Outcome:
        name, key = item.ref
        cache, confirmed, version = self._caches[name], True, None
        if decision.writes:
            version, document = result.versions[0], decision.document
            state.records[item.ref] = None if document is None else Record(key, document, version)
            confirmed = await cache_update.update_cache(cache, item.resource, key, document, version)
        if decision.staged is not None:
            confirmed &= await cache_update.end_staged(cache, item, decision.staged, version)
        label = self._stats.label(item.event.type)
        if decision.client_error:
            self._stats.failed[label, "client_error"] += 1
        else:
            self._stats.succeeded[label] += 1
        return DONE if confirmed else self._failure_policy.retry_unconfirmed(item)

    async def _recheck_inbox(self, item: Item) -> Outcome | None:
        """The inbox has an entry after all: learn from it."""
        try:
            (item.history,) = await inbox.read_histories(self._store, [item.id])
        except DependencyError as error:
            return await self._failed(item, error)
        entry = item.history.final_entry(item.delivery.redrives)
        return None if entry is None else await self._duplicate(item, entry)

    async def _duplicate(self, item: Item, entry: inbox.InboxEntry) -> Outcome:
        """It ended before, but its worker may have died before it updated the cache, or moved the message."""
        try:
            return await self._failure_policy.end_duplicate(item, entry)
        except DependencyError as error:
            return await self._failed(item, error)

    async def _failed(self, item: Item, error: BaseException) -> Outcome:
        if isinstance(item, CommandItem):
            return await self._failure_policy.retry_or_dead_letter(item, error)
        return await self._failure_policy.retry_unread(item, error) if isinstance(error, Unavailable) else BY_STEP
