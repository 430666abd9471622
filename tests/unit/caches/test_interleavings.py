"""Whatever the order of things: no reader gets less than what was known when he began, nothing older replaces newer.

One model world per example. Fetches and calls of a cache in another process wait at gates; the drawn moves begin reads
and writes, open gates in any order, let time pass, and take the cache away. Where one process has the cache for
itself, eventual fetches may come from a replica that is behind by up to `LAG_SECONDS`; where two share it, each may do
any move.

A written-back document is published by one process at a time, and applied in the order of publishing: that is what
`api/writes/write_back.py` and the queue see to.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead_contract.spec.api import CacheStrategy
from fairlead_workload.caches.base import UNSTORED, Cache, Entry, State
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.caches.policy import Fetched, Lookup, Policy, Status
from fairlead_workload.caches.strategy import STAGED_SECONDS, DocumentCache

from .stage import Clock, FarCache, body_of, settle_down

LAG_SECONDS = 20.0  # less than any time to live or tombstone
KEYS = ("orders/1", "orders/2")
WHICH = st.integers(0, 1)  # of two processes
FIRST_VERSION = 2  # real ones are microseconds; 1 is the cache's own mark of an accepted write

EVERYWHERE = (
    st.tuples(st.just("read"), st.sampled_from(KEYS), st.booleans()),
    st.tuples(st.just("pending"), st.sampled_from(KEYS)),
    st.tuples(st.just("peek"), st.sampled_from(KEYS)),
    st.tuples(st.just("open"), st.integers(0, 7)),
    st.tuples(st.just("open"), st.integers(0, 7)),
    st.tuples(st.just("drain")),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 3.0, 40.0, 70.0])),
    st.tuples(st.just("down"), st.booleans()),
    st.tuples(st.just("repeat")),
)
COMMIT = st.tuples(st.just("commit"), st.sampled_from(KEYS), st.booleans())
# The steps of a staged write, each for the document where it is due.
STAGED = (
    st.tuples(st.just("stage"), st.sampled_from(KEYS), st.booleans()),
    st.tuples(st.just("publish"), st.sampled_from([True, True, True, False])),
    st.tuples(st.just("apply"), st.sampled_from([True, True, True, False])),
)
MOVES = {
    CacheStrategy.READ_THROUGH: st.one_of(*EVERYWHERE, COMMIT),
    CacheStrategy.WRITE_THROUGH: st.one_of(*EVERYWHERE, COMMIT),
    CacheStrategy.WRITE_BACK: st.one_of(*EVERYWHERE, *STAGED, *STAGED),
}


class WatchedCache(MemoryCache):
    """Notes when something older takes the place of something newer that has not expired."""

    def __init__(self, max_entries: int, *, clock: Clock) -> None:
        super().__init__(max_entries, clock=clock)
        self.faults: list[tuple[Entry, Entry | None]] = []

    def put_now(self, key: str, entry: Entry) -> bool:
        before = self.peek(key)
        stored = super().put_now(key, entry)
        self._check(key, before)
        return stored

    def invalidate_now(self, key: str, version: int, *, ttl_seconds: float) -> None:
        before = self.peek(key)
        super().invalidate_now(key, version, ttl_seconds=ttl_seconds)
        self._check(key, before)

    def _check(self, key: str, before: Entry | None) -> None:
        after = self.peek(key)
        if before is not None and (after is None or after.version < before.version):
            self.faults.append((before, after))


@dataclass
class Past:
    """What the store was at, by time: versions with whether there was a document."""

    states: list[tuple[float, int, bool]] = field(default_factory=lambda: [(0.0, 0, False)])

    @property
    def version(self) -> int:
        return self.states[-1][1]

    def at(self, time: float) -> tuple[int, bool]:
        return next((version, there) for since, version, there in reversed(self.states) if since <= time)


@dataclass
class Known:
    """What a reader who begins now may count on; on what the cache has, unless he finds it down."""

    own: int
    shared: int
    acknowledged: frozenset[int]
    discarded: frozenset[int]


@dataclass(eq=False)
class Process:
    """One of those who share the cache, and the least versions that it may still serve."""

    documents: DocumentCache
    own: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    shared: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class World:
    def __init__(self, policy: Policy, *, far: bool, processes: int, draw: Any) -> None:
        self.clock = Clock()
        self.policy = policy
        self.memory = WatchedCache(1000, clock=self.clock)
        self.far = FarCache(self.memory)
        self.far.held = far
        self.draw = draw
        self.past: dict[str, Past] = defaultdict(Past)
        self.gates: list[asyncio.Future[None]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.pauses: list[asyncio.Future[None]] = []
        self.acknowledged: dict[str, set[int]] = defaultdict(set)  # written back, and in the cache
        self.busy: set[str] = set()  # documents of which a write is being published
        self.dead: list[tuple[str, int]] = []  # dead letters that the cache has not confirmed
        self.discarded: dict[str, set[int]] = defaultdict(set)
        self.shown: dict[str, dict[int, bool]] = defaultdict(dict)  # staged versions, with whether they have a body
        self.staged: dict[str, list[tuple[Process, int]]] = defaultdict(list)
        self.queue: dict[str, list[int]] = defaultdict(list)
        self.processes = [self.process(self.far if far else self.memory) for _ in range(processes)]

    def process(self, cache: Cache) -> Process:
        draws = st.sampled_from([0.0, 0.5, 0.95])
        documents = DocumentCache(
            "orders",
            self.policy,
            cache,
            self.fetch,
            clock=self.clock,
            random=lambda: float(self.draw(draws)),
            sleep=self.sleep,
        )
        return Process(documents)

    def one(self) -> Process:
        return self.processes[self.draw(WHICH) % len(self.processes)]

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(asyncio.get_running_loop().create_future())
        await self.pauses[-1]

    async def fetch(self, key: str, strong: bool) -> Fetched:
        lags = not strong and len(self.processes) == 1
        behind = self.draw(st.sampled_from([0.0, 1.0, LAG_SECONDS])) if lags else 0.0
        version, there = self.past[key].at(self.clock.now - behind)
        gate = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        await gate
        return Fetched(body_of(version), version, f'"{version}"') if there else Fetched(None, 0, "")

    # What is drawn

    async def play(self, moves: list[tuple[Any, ...]]) -> None:
        for name, *arguments in moves:
            await getattr(self, f"move_{name}")(*arguments)
            await settle_down()
        self.far.held = self.far.down = False
        await self.finish()
        for key in KEYS:
            for process in self.processes:
                self.begin(self.read(process, key, revalidate=False))
        await self.finish()
        await self.come_to_rest()

    async def come_to_rest(self) -> None:
        """What is on its way arrives; then nothing is shown any more that only the cache has."""
        for key, version in self.dead:
            self.begin(self.discard(self.processes[0], key, version))
        while any(self.queue.values()):
            await self.move_apply(True)
        await self.finish()
        self.clock.now += STAGED_SECONDS
        entries = [self.memory.peek(key) for key in KEYS]
        assert [entry for entry in entries if entry is not None and entry.state in UNSTORED] == []

    async def finish(self) -> None:
        await settle_down()
        while not all(task.done() for task in self.tasks):
            assert self.gates or self.far.gates or self.pauses, "something waits for what will never come"
            await self.move_open(0)
            await settle_down()
            if not (self.gates or self.far.gates):
                await self.move_repeat()
        await asyncio.gather(*self.tasks)
        assert self.memory.faults == []

    def begin(self, coroutine: Any) -> None:
        self.tasks.append(asyncio.create_task(coroutine))

    async def move_open(self, which: int) -> None:
        gates = self.gates if which % 2 == 0 or not self.far.gates else self.far.gates
        gates = gates or self.far.gates
        if gates:
            gate = gates.pop(which // 2 % len(gates))
            if not gate.done():
                gate.set_result(None)

    async def move_drain(self) -> None:
        while self.gates or self.far.gates:
            await self.move_open(0)
            await settle_down()

    async def move_wait(self, seconds: float) -> None:
        if seconds > 1 and len(self.processes) > 1:  # no fetch of another process takes as long as a tombstone
            await self.move_drain()
        while seconds > 1 and self.far.gates:  # nobody waits long for an answer of the cache
            self.far.gates.pop(0).set_result(None)
            await settle_down()
        self.clock.now += seconds

    async def move_down(self, down: bool) -> None:
        self.far.down = down

    async def move_repeat(self) -> None:
        while self.pauses and not self.far.down:
            pause = self.pauses.pop()
            if not pause.done():
                pause.set_result(None)
            await settle_down()

    async def move_read(self, key: str, revalidate: bool) -> None:
        self.begin(self.read(self.one(), key, revalidate=revalidate))

    async def move_peek(self, key: str) -> None:
        process = self.one()
        entry = process.documents.peek(key)
        if entry is not None:
            self.check(key, self.known(process, key), entry, Status.HIT)

    async def move_pending(self, key: str) -> None:
        self.begin(self.one().documents.pending(key))

    async def move_commit(self, key: str, there: bool) -> None:
        self.commit(key, max(self.past[key].version + 1, FIRST_VERSION), there=there)
        self.begin(self.notify(self.one(), key, self.past[key].version, there=there))

    async def move_stage(self, key: str, there: bool) -> None:
        if key not in self.busy:
            self.busy.add(key)
            self.begin(self.stage(self.one(), key, there=there))

    async def move_publish(self, works: bool) -> None:
        for key in [key for key in KEYS if self.staged[key]][:1]:
            process, version = self.staged[key].pop(0)
            if works:
                self.queue[key].append(version)
                self.begin(self.keep(process, key, version))
            else:
                self.begin(self.discard(process, key, version))

    async def move_apply(self, works: bool) -> None:
        for key in [key for key in KEYS if self.queue[key]][:1]:
            version = self.queue[key].pop(0)
            there = self.shown[key][version]
            if works:
                self.commit(key, version, there=there)
                self.begin(self.settle(self.one(), key, version, absent=not there))
            else:
                self.begin(self.discard(self.one(), key, version))

    # What follows from it

    def commit(self, key: str, version: int, *, there: bool) -> None:
        self.past[key].states.append((self.clock.now, version, there))

    async def notify(self, process: Process, key: str, version: int, *, there: bool) -> None:
        if there:
            confirmed = await process.documents.written(key, version, body_of(version), f'"{version}"')
        else:
            confirmed = await process.documents.deleted(key, version)
        self.is_known(process, key, version, confirmed=confirmed)

    async def stage(self, process: Process, key: str, *, there: bool) -> None:
        version = max(self.past[key].version, *self.shown[key], FIRST_VERSION - 1) + 1
        self.shown[key][version] = there
        body, etag = (body_of(version), f'"{version}"') if there else (None, "")
        if await process.documents.stage(key, version, body, etag, after=version - 1):
            self.staged[key].append((process, version))
            return
        self.busy.discard(key)
        if not process.documents.degraded:
            self.discarded[key].add(version)

    async def keep(self, process: Process, key: str, version: int) -> None:
        await process.documents.keep(key, version, seconds=86_400)
        entry = self.memory.peek(key)
        if entry is not None and entry.version == version and entry.state is not State.STAGED:
            self.acknowledged[key].add(version)
        self.busy.discard(key)

    async def discard(self, process: Process, key: str, version: int) -> None:
        if await process.documents.discard(key, version):
            self.discarded[key].add(version)
        else:
            self.dead.append((key, version))
        self.busy.discard(key)

    async def settle(self, process: Process, key: str, version: int, *, absent: bool) -> None:
        confirmed = False
        while not confirmed:  # the event is delivered again and again
            confirmed = await process.documents.settle(key, version, absent=absent)
            self.is_known(process, key, version, confirmed=confirmed)
            if not confirmed:
                await self.sleep(1)

    def is_known(self, process: Process, key: str, version: int, *, confirmed: bool) -> None:
        """`process` knows of this version; the others find it in the cache, but for what they keep for themselves."""
        process.own[key] = max(process.own[key], version)
        if confirmed and not self.policy.local_ttl_seconds:
            for other in self.processes:
                other.shared[key] = max(other.shared[key], version)

    async def read(self, process: Process, key: str, *, revalidate: bool) -> None:
        known = self.known(process, key)
        lookup: Lookup = await process.documents.read(key, revalidate=revalidate)
        self.check(key, known, lookup.entry, lookup.status)

    def known(self, process: Process, key: str) -> Known:
        acknowledged = frozenset() if self.policy.local_ttl_seconds else frozenset(self.acknowledged[key])
        return Known(process.own[key], process.shared[key], acknowledged, frozenset(self.discarded[key]))

    def floor(self, key: str, known: Known, status: Status) -> int:
        """The least version that a reader may get."""
        if status is Status.BYPASS:
            return known.own
        gone = self.discarded[key] | {version for dead, version in self.dead if dead == key}
        return max(known.own, known.shared, *(known.acknowledged - gone), 0)

    def check(self, key: str, known: Known, entry: Entry, status: Status) -> None:
        floor = self.floor(key, known, status)
        history = {version: there for _, version, there in self.past[key].states} | self.shown[key]
        if entry.body is None and entry.version == 0:
            absences = [version for _, version, there in self.past[key].states if not there]
            assert max(absences) >= floor
        else:
            assert entry.version >= floor
            assert entry.version not in known.discarded
            assert history[entry.version] is (entry.body is not None)


LAYERS = {  # whether the cache is in another process, the time to live in this one, and how many share the cache
    "in this process": (False, 0.0, 1),
    "in another process": (True, 0.0, 1),
    "in both": (True, 2.0, 1),
    "in another process, for two": (True, 0.0, 2),
    "in both, for two": (True, 2.0, 2),
}


@pytest.mark.parametrize("strategy", MOVES)
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS.keys())
@settings(max_examples=25)
@given(data=st.data())
def test_no_interleaving_serves_or_stores_what_is_older(
    strategy: CacheStrategy, layers: tuple[bool, float, int], data: st.DataObject
) -> None:
    moves = data.draw(st.lists(MOVES[strategy], min_size=10, max_size=60))
    far, local_ttl_seconds, processes = layers
    policy = Policy(strategy=strategy, ttl_seconds=60, negative_ttl_seconds=5, local_ttl_seconds=local_ttl_seconds)

    async def run() -> None:
        await World(policy, far=far, processes=processes, draw=data.draw).play(moves)

    asyncio.run(run())
