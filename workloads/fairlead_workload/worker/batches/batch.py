"""Applying a batch of events that need one unit each: commands, and facts whose steps make no call.

All documents of the batch are read with one call, and all first events of a document are committed in one tick of the
event loop, which the store makes one transaction; then the second ones, on what the first left. On a conflict the
document is read and decided on again. Nothing is awaited per event but its commit.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from fairlead_contract.cel.expressions import ExpressionError
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.errors import Conflict, ConflictKind, DependencyError, FairleadError, Unavailable
from fairlead_workload.model.operations import decode_record
from fairlead_workload.stores.base import OPERATIONS, Committed, Record, Store
from fairlead_workload.worker import inbox
from fairlead_workload.worker.batches import commands
from fairlead_workload.worker.batches.cache_update import tell
from fairlead_workload.worker.batches.commands import CommandRules
from fairlead_workload.worker.decisions import BY_STEP, DONE, Dead, Decision, Ending, Later
from fairlead_workload.worker.dispatch import CommandItem, FactItem, Item, Place
from fairlead_workload.worker.failures.policy import Failing
from fairlead_workload.worker.failures.retries import Rejected, classify
from fairlead_workload.worker.handlers.reactions import FactRules
from fairlead_workload.worker.stats import WorkerStats

MAX_DECISIONS = 10
UNHEARD = Unavailable("cache", "it did not hear that a staged write is stored")


class Batches:
    """Applies batches. One at a time or several at once: the store settles who is first."""

    def __init__(
        self,
        store: Store,
        caches: Mapping[str, DocumentCache],
        command_rules: CommandRules,
        fact_rules: FactRules,
        failing: Failing,
        *,
        stats: WorkerStats,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._caches = caches
        self._commands = command_rules
        self._facts = fact_rules
        self._failing = failing
        self._stats = stats
        self._clock = clock

    async def apply(self, items: Sequence[Item]) -> dict[Item, Ending]:
        """The ending of every item."""
        endings: dict[Item, Ending] = {}
        try:
            await self._load(items)
            records = await self._read({item.place for item in items})
        except DependencyError as error:
            return {item: await self._failed(item, error) for item in items}
        chains: dict[Place, deque[Item]] = {}
        for item in items:
            chains.setdefault(item.place, deque()).append(item)
        tries: dict[Item, int] = {}
        while chains:
            await self._round(chains, records, endings, tries)
        return endings

    async def _load(self, items: Sequence[Item]) -> None:
        """Read what is on record about events that may have been here before."""
        known = [item for item in items if not item.fresh]
        if known:
            for item, history in zip(
                known, await inbox.read_histories(self._store, [item.id for item in known]), strict=True
            ):
                item.history = history

    async def _read(self, places: Iterable[Place]) -> dict[Place, Record | None]:
        by_resource: dict[str, list[Place]] = {}
        for place in places:
            by_resource.setdefault(place[0], []).append(place)
        found: dict[Place, Record | None] = {}
        for resource, wanted in by_resource.items():
            records = await self._store.get(resource, [key for _, key in wanted], strong=True)
            found.update(zip(wanted, records, strict=True))
        return found

    async def _round(
        self,
        chains: dict[Place, deque[Item]],
        records: dict[Place, Record | None],
        endings: dict[Item, Ending],
        tries: dict[Item, int],
    ) -> None:
        """Decide on the first item of each document, commit, and take from the chains what came to its end."""
        decided: list[tuple[Item, Decision]] = []
        for place, chain in chains.items():
            item = chain[0]
            outcome = await self._decide(item, records[place])
            if isinstance(outcome, Decision):
                decided.append((item, outcome))
            else:
                endings[item] = outcome
        results = await asyncio.gather(
            *(self._store.commit(decision.unit) for _, decision in decided), return_exceptions=True
        )
        stale: set[Place] = set()
        for (item, decision), result in zip(decided, results, strict=True):
            ending = await self._settled(item, decision, result, records, stale, tries)
            if ending is not None:
                endings[item] = ending
        if stale:
            try:
                records.update(await self._read(stale))
            except DependencyError as error:
                for place in stale:
                    endings[chains[place][0]] = await self._failed(chains[place][0], error)
        _advance(chains, endings)

    async def _decide(self, item: Item, record: Record | None) -> Decision | Ending:
        entry = item.history.ended(item.delivery.redrives)
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

    async def _settled(
        self,
        item: Item,
        decision: Decision,
        result: Committed | BaseException,
        records: dict[Place, Record | None],
        stale: set[Place],
        tries: dict[Item, int],
    ) -> Ending | None:
        """What a commit came to; None when the item is to be decided on again."""
        if isinstance(result, Committed):
            return await self._committed(item, decision, result, records)
        if not isinstance(result, Conflict):
            return await self._failed(item, result)
        tries[item] = tries.get(item, 0) + 1
        if tries[item] >= MAX_DECISIONS:
            return BY_STEP if isinstance(item, FactItem) else await self._failed(item, result)
        if result.kind is ConflictKind.RECORD and result.position == 0:
            return await self._was_here(item)
        if isinstance(item, CommandItem):
            commands.learn(item, result)
        if result.kind is not ConflictKind.REFERENCE:
            stale.add(item.place)
        return None

    async def _committed(
        self, item: Item, decision: Decision, result: Committed, records: dict[Place, Record | None]
    ) -> Ending:
        name, key = item.place
        cache = self._caches[name]
        if decision.writes:
            version, document = result.versions[0], decision.document
            records[item.place] = None if document is None else Record(key, document, version)
            await tell(cache, item.resource, key, document, version)
        if decision.settles is not None and not await cache.settle(
            item.resource.path(key),
            decision.settles,
            absent=isinstance(item, CommandItem) and item.command.body is None,
        ):
            return await self._failed(item, UNHEARD)
        label = self._stats.label(item.event.type)
        if decision.mistake:
            self._stats.failed[label, "mistake"] += 1
        else:
            self._stats.succeeded[label] += 1
        return DONE

    async def _was_here(self, item: Item) -> Ending | None:
        """The inbox has an entry after all: learn from it."""
        try:
            (item.history,) = await inbox.read_histories(self._store, [item.id])
        except DependencyError as error:
            return await self._failed(item, error)
        entry = item.history.ended(item.delivery.redrives)
        return None if entry is None else await self._duplicate(item, entry)

    async def _duplicate(self, item: Item, entry: inbox.InboxEntry) -> Ending:
        """It ended before, but perhaps its worker died before it told the cache, or moved the message."""
        if entry.dead is not None and not entry.moved and item.history.inbox is not None:
            return Dead(entry.dead, inbox.moved_at_last(item.history.inbox))
        self._stats.duplicates[self._stats.label(item.event.type)] += 1
        path, cache = item.resource.path(item.key), self._caches[item.resource.name]
        if isinstance(item, CommandItem) and item.command.version is not None:
            settled = await cache.settle(path, item.command.version, absent=item.command.body is None)
            return DONE if settled else Later(1.0, classify(UNHEARD))
        try:
            await self._refresh(item, path, cache)
        except DependencyError as error:
            return await self._failed(item, error)
        return DONE

    async def _refresh(self, item: Item, path: str, cache: DocumentCache) -> None:
        (record,) = await self._store.get(item.resource.name, [item.key], strong=True)
        (operation,) = await self._store.records([(OPERATIONS, item.event.id)])
        written = None if operation is None else decode_record(operation.value).version
        version = max(written or 0, 0 if record is None else record.version)
        if version:
            await cache.invalidate(path, version)

    async def _failed(self, item: Item, error: BaseException) -> Ending:
        if isinstance(item, CommandItem):
            return await self._failing.single(item, error)
        return await self._failing.fact(item, error) if isinstance(error, Unavailable) else BY_STEP


def _advance(chains: dict[Place, deque[Item]], endings: Mapping[Item, Ending]) -> None:
    for place in list(chains):
        chain = chains[place]
        while chain and chain[0] in endings:
            chain.popleft()
        if not chain:
            del chains[place]
