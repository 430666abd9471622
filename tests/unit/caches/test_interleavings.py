"""Whatever the order of things: no reader gets less than what was known when he began, nothing older replaces newer.

One model world per example. Fetches and calls of a cache in another process wait at gates; the drawn moves begin reads
and writes, open gates in any order, let time pass, and take the cache away. Eventual fetches may come from a replica
that is behind by up to `LAG_SECONDS`.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead_contract.spec.api import CacheStrategy
from fairlead_workload.caches.base import Entry
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.caches.policy import Fetched, Lookup, Policy
from fairlead_workload.caches.strategy import DocumentCache

from .stage import Clock, FarCache, body_of, settle_down

LAG_SECONDS = 20.0  # less than any time to live or tombstone
KEYS = ("orders/1", "orders/2")
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
)
COMMIT = st.tuples(st.just("commit"), st.sampled_from(KEYS), st.booleans())
# The steps of a staged write, each for the document where it is due.
STAGED = (
    st.tuples(st.just("stage"), st.sampled_from(KEYS), st.booleans()),
    st.tuples(st.just("publish"), st.sampled_from([True, True, True, False])),
    st.tuples(st.just("apply")),
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
    """What a reader who begins now may count on."""

    floor: int
    discarded: frozenset[int]


class World:
    def __init__(self, policy: Policy, *, far: bool, draw: Any) -> None:
        self.clock = Clock()
        self.memory = WatchedCache(1000, clock=self.clock)
        self.far = FarCache(self.memory)
        self.far.held = far
        self.draw = draw
        self.past: dict[str, Past] = defaultdict(Past)
        self.gates: list[asyncio.Future[None]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.floors: dict[str, int] = defaultdict(int)
        self.discarded: dict[str, set[int]] = defaultdict(set)
        self.shown: dict[str, dict[int, bool]] = defaultdict(dict)  # staged versions, with whether they have a body
        self.staged: dict[str, list[int]] = defaultdict(list)
        self.queue: dict[str, list[int]] = defaultdict(list)
        self.documents = DocumentCache(
            "orders",
            policy,
            self.far if far else self.memory,
            self.fetch,
            clock=self.clock,
            random=lambda: draw(st.sampled_from([0.0, 0.5, 0.95])),
        )

    async def fetch(self, key: str, strong: bool) -> Fetched:
        behind = 0.0 if strong else self.draw(st.sampled_from([0.0, 1.0, LAG_SECONDS]))
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
            self.begin(self.read(key, revalidate=False))
        await self.finish()

    async def finish(self) -> None:
        await settle_down()
        while not all(task.done() for task in self.tasks):
            assert self.gates or self.far.gates, "something waits for what will never come"
            await self.move_open(0)
            await settle_down()
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
        while seconds > 1 and self.far.gates:  # nobody waits long for an answer of the cache
            self.far.gates.pop(0).set_result(None)
            await settle_down()
        self.clock.now += seconds

    async def move_down(self, down: bool) -> None:
        self.far.down = down

    async def move_read(self, key: str, revalidate: bool) -> None:
        self.begin(self.read(key, revalidate=revalidate))

    async def move_peek(self, key: str) -> None:
        entry = self.documents.peek(key)
        if entry is not None:
            self.check(key, self.known(key), entry)

    async def move_pending(self, key: str) -> None:
        self.begin(self.documents.pending(key))

    async def move_commit(self, key: str, there: bool) -> None:
        self.commit(key, max(self.past[key].version + 1, FIRST_VERSION), there=there)
        self.begin(self.notify(key, self.past[key].version, there=there))

    async def move_stage(self, key: str, there: bool) -> None:
        self.begin(self.stage(key, there=there))

    async def move_publish(self, works: bool) -> None:
        for key in [key for key in KEYS if self.staged[key]][:1]:
            version = self.staged[key].pop(0)
            if works:
                self.queue[key].append(version)
            else:
                self.begin(self.discard(key, version))

    async def move_apply(self) -> None:
        for key in [key for key in KEYS if self.queue[key]][:1]:
            version = self.queue[key].pop(0)
            there = self.shown[key][version]
            self.commit(key, version, there=there)
            self.begin(self.settle(key, version, absent=not there))

    # What follows from it

    def commit(self, key: str, version: int, *, there: bool) -> None:
        self.past[key].states.append((self.clock.now, version, there))

    async def notify(self, key: str, version: int, *, there: bool) -> None:
        if there:
            await self.documents.written(key, version, body_of(version), f'"{version}"')
        else:
            await self.documents.deleted(key, version)
        self.floors[key] = max(self.floors[key], version)

    async def stage(self, key: str, *, there: bool) -> None:
        version = max(self.past[key].version, *self.shown[key], FIRST_VERSION - 1) + 1
        self.shown[key][version] = there
        body, etag = (body_of(version), f'"{version}"') if there else (None, "")
        if await self.documents.stage(key, version, body, etag):
            self.staged[key].append(version)
            self.staged[key].sort()
        elif not self.documents.degraded:
            self.discarded[key].add(version)

    async def discard(self, key: str, version: int) -> None:
        errors = self.documents.errors
        await self.documents.discard(key, version)
        if self.documents.errors == errors:
            self.discarded[key].add(version)

    async def settle(self, key: str, version: int, *, absent: bool) -> None:
        await self.documents.settle(key, version, absent=absent)
        self.floors[key] = max(self.floors[key], version)

    async def read(self, key: str, *, revalidate: bool) -> None:
        known = self.known(key)
        lookup: Lookup = await self.documents.read(key, revalidate=revalidate)
        self.check(key, known, lookup.entry)

    def known(self, key: str) -> Known:
        return Known(self.floors[key], frozenset(self.discarded[key]))

    def check(self, key: str, known: Known, entry: Entry) -> None:
        history = {version: there for _, version, there in self.past[key].states} | self.shown[key]
        if entry.body is None and entry.version == 0:
            absences = [version for _, version, there in self.past[key].states if not there]
            assert max(absences) >= known.floor
        else:
            assert entry.version >= known.floor
            assert entry.version not in known.discarded
            assert history[entry.version] is (entry.body is not None)


LAYERS = {
    "in this process": (False, 0.0),
    "in another process": (True, 0.0),
    "in both": (True, 2.0),
}


@pytest.mark.parametrize("strategy", MOVES)
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS.keys())
@settings(max_examples=25)
@given(data=st.data())
def test_no_interleaving_serves_or_stores_what_is_older(
    strategy: CacheStrategy, layers: tuple[bool, float], data: st.DataObject
) -> None:
    moves = data.draw(st.lists(MOVES[strategy], min_size=10, max_size=60))
    far, local_ttl_seconds = layers
    policy = Policy(strategy=strategy, ttl_seconds=60, negative_ttl_seconds=5, local_ttl_seconds=local_ttl_seconds)

    async def run() -> None:
        await World(policy, far=far, draw=data.draw).play(moves)

    asyncio.run(run())
