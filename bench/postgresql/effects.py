"""The store's share of a worker: effects of events, applied by our worker's batches or by hand.

    python -m bench.postgresql.effects SIDE ADDRESS_FILE COUNT [--profile]

SIDE is `ours` or `by-hand`. Both decode each event, and commit the document, the inbox entry, the operation's record
and the event that follows. Ours does so in batches of 256, two at a time, as the worker does when its queue is full;
there is no queue here, so nothing is leased or acknowledged. By hand, each event is a transaction, ten at a time.
Every document is as popular as the others: what popular ones cost is measured by the part `worker`.
"""

import asyncio
import cProfile
import json
import pstats
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvloop

from bench.errors import Failed
from bench.peers.fastapi_asyncpg import storage
from bench.postgresql import database, documents
from bench.postgresql.database import Address
from bench.worker.result import Result
from fairlead_workload.api.reads.fetching import fetcher
from fairlead_workload.bindings import Bindings
from fairlead_workload.caches.policy import policy_of
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.events import cloudevents
from fairlead_workload.events.commands import command_event
from fairlead_workload.model import identifiers
from fairlead_workload.model.effects import Action, Command
from fairlead_workload.model.operations import OperationIds
from fairlead_workload.model.resource import Resource
from fairlead_workload.process import garbage
from fairlead_workload.queues.base import Delivery, Message
from fairlead_workload.stores.base import Expect
from fairlead_workload.stores.postgresql import PostgresqlStore
from fairlead_workload.worker.batches.batch import Batches
from fairlead_workload.worker.batches.commands import CommandRules
from fairlead_workload.worker.decisions import DONE
from fairlead_workload.worker.dispatch import CommandItem, Dispatch
from fairlead_workload.worker.failures.failure_policy import FailurePolicy
from fairlead_workload.worker.failures.outage import Outage
from fairlead_workload.worker.failures.retry_policy import RetryPolicy
from fairlead_workload.worker.handlers.fact_rules import FactRules
from fairlead_workload.worker.handlers.plans import build_plans
from fairlead_workload.worker.loop import BATCH, FETCHERS
from fairlead_workload.worker.stats import WorkerStats

OURS, BY_HAND = "ours", "by-hand"
AT_ONCE = storage.POOL_SIZE


def events(count: int) -> list[bytes]:
    """The encoded commands: replacements of stored documents."""
    now, numbers = time.time(), documents.drawn(count, documents.COUNT, exponent=0.0)
    return [_event(number, at, now) for at, number in enumerate(numbers, 1)]


def _event(number: int, edition: int, now: float) -> bytes:
    body = documents.document(number, edition=edition)
    command = Command("articles", Action.REPLACE, (body["id"],), body, Expect.ANY, now)
    id_ = identifiers.uuid7()
    return cloudevents.encode(
        command_event(command, id_=id_, source="/bench/articles", principal="", operation=f"op-{id_}")
    )


class Batched:
    """Our worker's batches on a store."""

    def __init__(self, store: PostgresqlStore) -> None:
        document = database.service()
        assert document.worker is not None and document.queue is not None  # noqa: PT018
        resources = {spec.name: Resource(spec) for spec in document.api.resources}
        caches = {
            name: DocumentCache(name, policy_of(each.spec.cache, strong=False), None, fetcher(each, store))
            for name, each in resources.items()
        }
        bindings = Bindings(document, resources, store, caches, None, None, OperationIds(b"b" * 32))
        self._dispatch = Dispatch(bindings.source, resources, build_plans(document.worker, resources))
        stats = WorkerStats(self._dispatch.declared)
        rules, facts = CommandRules(bindings, document.queue), FactRules(bindings, document.queue)
        retries = RetryPolicy(document.queue.retry, random=lambda: 0.5)
        policy = FailurePolicy(bindings, document.queue, retries, rules, outage=Outage(), stats=stats)
        self._batches = Batches(bindings, rules, facts, policy, stats=stats)

    async def apply(self, bodies: Sequence[bytes]) -> None:
        """Apply a batch. Raises Failed when an event is not done."""
        items = [self._item(body) for body in bodies]
        outcomes = await self._batches.apply(items)
        if failed := [outcome for outcome in outcomes.values() if outcome is not DONE]:
            raise Failed(f"{len(failed)} events of a batch are not done; the first: {failed[0]}")

    def _item(self, body: bytes) -> CommandItem:
        item = self._dispatch.read(Delivery(Message("", "", body), None, 1, time.time()))
        if not isinstance(item, CommandItem):
            raise Failed(f"an event is no command: {item}")
        return item


class OneByOne:
    """A transaction an event, as somebody would write it with asyncpg."""

    def __init__(self, pool: storage.asyncpg.Pool) -> None:
        self._pool = pool

    async def apply(self, bodies: Sequence[bytes]) -> None:
        """Apply one event. Raises Failed when it was applied before."""
        (body,) = bodies
        event = json.loads(body)
        made = storage.Article.model_validate(event["data"]["body"])
        now = datetime.now(UTC)
        async with self._pool.acquire() as connection, connection.transaction():
            first = await connection.fetchval(
                "INSERT INTO inbox (event, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true",
                event["id"],
                now + timedelta(days=14),
            )
            if not first:
                raise Failed(f"the event {event['id']} was applied before")
            version = await storage.write(connection, made)
            await connection.execute(
                "INSERT INTO operations (id, status, path, version, created_at, expires_at)"
                " VALUES ($1, 'Succeeded', $2, $3, $4, $5)",
                event["data"]["operation"],
                f"articles/{made.id}",
                version,
                now,
                now + timedelta(days=7),
            )


async def _ours(address: Address, bodies: Sequence[bytes], profile: cProfile.Profile | None) -> Result:
    store = await PostgresqlStore.open(
        address.server, database.service().api.resources, schema=address.schema, listen=address.server
    )
    try:
        return await _measured(Batched(store).apply, bodies, BATCH, FETCHERS, profile)
    finally:
        await store.close()


async def _by_hand(address: Address, bodies: Sequence[bytes], profile: cProfile.Profile | None) -> Result:
    async with await storage.connect(address.url) as pool:
        return await _measured(OneByOne(pool).apply, bodies, 1, AT_ONCE, profile)


async def _measured(
    apply: Callable[[Sequence[bytes]], Awaitable[None]],
    bodies: Sequence[bytes],
    batch: int,
    at_once: int,
    profile: cProfile.Profile | None,
) -> Result:
    """Apply a tenth to warm up, then the rest on the clock."""
    warm = len(bodies) // 10
    await _apply_all(apply, bodies[:warm], batch, at_once)
    garbage.freeze_gc()
    if profile is not None:
        profile.enable()
    began, cpu = time.perf_counter(), time.process_time()
    await _apply_all(apply, bodies[warm:], batch, at_once)
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    if profile is not None:
        profile.disable()
    return Result(len(bodies) - warm, seconds, spent)


async def _apply_all(
    apply: Callable[[Sequence[bytes]], Awaitable[None]], bodies: Sequence[bytes], batch: int, at_once: int
) -> None:
    waiting = _batches(bodies, batch)

    async def work() -> None:
        for each in waiting:
            await apply(each)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())


def _batches(bodies: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(bodies), size):
        yield bodies[start : start + size]


_SIDES = {OURS: _ours, BY_HAND: _by_hand}


def main() -> None:
    side, file, count = sys.argv[1:4]
    profile = cProfile.Profile() if "--profile" in sys.argv else None
    try:
        result = uvloop.run(_SIDES[side](Address.read(Path(file)), events(int(count)), profile))
    except* Failed as group:
        raise SystemExit(str(group.exceptions[0])) from None
    if profile is not None:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(40)
    print(result.line())


if __name__ == "__main__":
    main()
