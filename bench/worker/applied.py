"""Our worker under load.

    python -m bench.worker.applied KIND COUNT FOLDER [--profile]

The commands wait in the queue; then the worker runs until queue and outbox are empty, which is when the last event has
been acknowledged. An event that fails, a worker that ends and a deadline end the run with the cause. Not so an event
that other writers of its document were faster than: it is tried again by design. Those are counted.
"""

import asyncio
import cProfile
import pstats
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from bench.backlog import Backlog
from bench.errors import Failed
from bench.worker import kinds
from bench.worker.kinds import KINDS
from bench.worker.result import Result
from fairlead_contract.runtime import RuntimeDocument
from fairlead_workload.bindings import Bindings
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.caches.policy import Fetched, policy_of
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.model.operations import OperationIds, decode_record
from fairlead_workload.model.resource import Resource
from fairlead_workload.process import garbage
from fairlead_workload.queues.base import LetterFilter, Message
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.sqlite import Database
from fairlead_workload.stores.base import OPERATIONS
from fairlead_workload.stores.sqlite import SqliteStore
from fairlead_workload.telemetry import logs
from fairlead_workload.worker.failures.retry_policy import ErrorKind
from fairlead_workload.worker.loop import Worker
from fairlead_workload.worker.stats import WorkerStats

PAGE = 500
LOOK_SECONDS = 0.002
DRAIN_SECONDS = 5.0


def deadline_seconds(count: int) -> float:
    """How long a run of `count` commands may take at most; far more than on a machine that is only slow."""
    return 60 + count / 50


class Bench:
    """A service whose queue is filled and whose worker is measured."""

    def __init__(self, document: RuntimeDocument, database: Database, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._queue = SqliteQueue(database)
        self._store = SqliteStore(database, document.api.resources)
        self._bindings = _bindings(document, self._store, self._queue)

    async def publish(self, messages: Sequence[Message]) -> None:
        """Put them into the queue. Raises Failed."""
        for start in range(0, len(messages), PAGE):
            for error in await self._queue.publish(messages[start : start + PAGE]):
                if error is not None:
                    raise Failed(f"a command was not published: {error}")

    async def apply(self, messages: Sequence[Message], *, timeout_seconds: float) -> Result:
        """Publish, then run a worker until nothing is left. Raises Failed."""
        await self.publish(messages)
        worker = Worker(self._bindings)
        garbage.freeze_gc()  # as `fairlead run` does when it has started
        began, cpu = time.perf_counter(), time.process_time()
        running = asyncio.create_task(worker.run())
        try:
            await self._emptied(worker, running, deadline=began + timeout_seconds)
            seconds, spent = time.perf_counter() - began, time.process_time() - cpu
        finally:
            await worker.drain(DRAIN_SECONDS)
        await running
        if failures(worker.stats):
            raise Failed(await self._cause(worker, messages))
        depth = await self._queue.depth()
        if any((depth.ready, depth.leased, depth.delayed, depth.dead)):
            raise Failed(f"the queue is not empty: {depth}")
        return Result(worker.stats.succeeded.total(), seconds, spent, worker.stats.retried.total())

    async def _emptied(self, worker: Worker, running: "asyncio.Task[None]", *, deadline: float) -> None:
        """Return when nothing is left, or an event has failed. Raises Failed."""
        with Backlog(self._data_dir) as backlog:
            while backlog.left() and not failures(worker.stats):
                if running.done():
                    raise Failed(f"the worker ended: {running.exception()!r}")
                if time.perf_counter() > deadline:
                    raise Failed(f"not done at the deadline: {await self._queue.depth()}, {worker.stats}")
                await asyncio.sleep(LOOK_SECONDS)

    async def _cause(self, worker: Worker, messages: Sequence[Message]) -> str:
        """What the first dead letter, or else the first operation that failed, says."""
        counts = "events failed: " + ", ".join(f"{count} {what}" for what, count in failures(worker.stats).items())
        async for letter in self._queue.scan(LetterFilter()):
            return f"{counts}\nthe first dead letter: {letter.message.key}: {letter.failure}"
        for start in range(0, len(messages), PAGE):
            keys = [(OPERATIONS, message.id) for message in messages[start : start + PAGE]]
            for stored in await self._store.records(keys):
                if stored is not None and (record := decode_record(stored.value)).error is not None:
                    return f"{counts}\nthe first operation that failed: {record.path}: {record.error}"
        return counts


def failures(stats: WorkerStats) -> dict[str, int]:
    """How many events of each type have failed for good, or will sooner or later, by kind of failure."""
    lost = {f"{type_} ({kind})": count for (type_, kind), count in stats.failed.items() if kind != ErrorKind.DEPENDENCY}
    return lost | {f"{type_} (dead letter, {class_})": count for (type_, class_), count in stats.dead_lettered.items()}


def _bindings(document: RuntimeDocument, store: SqliteStore, queue: SqliteQueue) -> Bindings:
    resources = {spec.name: Resource(spec) for spec in document.api.resources}
    cache = MemoryCache(10_000)

    async def fetch(path: str, strong: bool) -> Fetched:
        raise AssertionError(f"nobody reads {path} ({strong})")

    caches = {
        name: DocumentCache(name, policy_of(resource.spec.cache, strong=False), cache, fetch)
        for name, resource in resources.items()
    }
    return Bindings(document, resources, store, caches, cache, queue, OperationIds(b"b" * 32))


async def measure(kind: kinds.Kind, count: int, folder: Path, *, messages: Sequence[Message] | None = None) -> Result:
    """Apply the commands of `kind` (or `messages`) with a worker. Raises Failed with the cause."""
    database = Database.open(folder)
    try:
        bench = Bench(kinds.service(kind), database, folder)
        limit = deadline_seconds(count + kind.stored)
        await bench.apply(kinds.stored(kind), timeout_seconds=limit)
        commands = kinds.written(kind, count) if messages is None else messages
        result = await bench.apply(commands, timeout_seconds=limit)
    finally:
        await database.close()
    if result.events != len(commands) * kind.events_each:
        raise Failed(f"{result.events} events succeeded, not {kind.events_each} for each of {len(commands)} commands")
    return result


def main() -> None:
    name, count, folder = sys.argv[1:4]
    logs.configure("console", stream=sys.stderr.buffer)
    profile = cProfile.Profile()
    if "--profile" in sys.argv:
        profile.enable()
    try:
        result = uvloop.run(measure(KINDS[name], int(count), Path(folder)))
    except Failed as failure:
        raise SystemExit(str(failure)) from None
    if "--profile" in sys.argv:
        profile.disable()
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(30)
    print(result.line())


if __name__ == "__main__":
    main()
