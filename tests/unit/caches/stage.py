"""A stage for the strategies: an origin to fetch from, a far cache and a clock whose every move the test decides."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tests.wrapped import WrappedCache

from fairlead_contract.spec.api import CacheStrategy
from fairlead_workload.caches.base import Cache
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.caches.policy import Fetched, Lookup, Policy
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.errors import Unavailable

T = TypeVar("T")
KEY = "orders/1"
READ_THROUGH = Policy(ttl_seconds=60, negative_ttl_seconds=5)
WRITE_THROUGH = Policy(strategy=CacheStrategy.WRITE_THROUGH, ttl_seconds=60, negative_ttl_seconds=5)
WRITE_BACK = Policy(strategy=CacheStrategy.WRITE_BACK, ttl_seconds=60, negative_ttl_seconds=5)
TWO_LAYERS = Policy(ttl_seconds=60, negative_ttl_seconds=5, local_ttl_seconds=2)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


async def settle_down() -> None:
    """Let every task run until it waits for the test."""
    for _ in range(20):
        await asyncio.sleep(0)


def body_of(version: int) -> bytes:
    return b'{"version":%d}' % version


@dataclass
class Origin:
    """Documents to fetch, by key. With `held`, a fetch waits at a gate, and brings what was there when it began."""

    clock: Clock
    versions: dict[str, int] = field(default_factory=dict)  # absent keys have no document
    fetches: list[tuple[str, bool]] = field(default_factory=list)
    gates: list[asyncio.Future[None]] = field(default_factory=list)
    held: bool = False
    seconds: float = 0.0
    error: Exception | None = None
    running: int = 0
    most_running: int = 0

    async def fetch(self, key: str, strong: bool) -> Fetched:
        self.fetches.append((key, strong))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        version = self.versions.get(key, 0)
        try:
            if self.held:
                gate = asyncio.get_running_loop().create_future()
                self.gates.append(gate)
                await gate
        finally:
            self.running -= 1
        if self.error is not None:
            raise self.error
        self.clock.now += self.seconds
        return Fetched(body_of(version), version, f'"{version}"') if version else Fetched(None, 0, "")

    async def release(self) -> None:
        for gate in self.gates:
            if not gate.done():
                gate.set_result(None)
        self.gates.clear()
        await settle_down()


class FarCache(WrappedCache):
    """A cache in another process: each call waits before and after it takes effect if `held`, and fails if `down`."""

    def __init__(self, inner: MemoryCache) -> None:
        super().__init__(inner, self._do)
        self.down = False
        self.held = False
        self.gates: list[asyncio.Future[None]] = []
        self.calls: list[str] = []

    async def _do(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        self.calls.append(name)
        await self._travel()
        answer = await call()
        await self._travel()
        return answer

    async def _travel(self) -> None:
        if self.held:
            gate = asyncio.get_running_loop().create_future()
            self.gates.append(gate)
            await gate
        if self.down:
            raise Unavailable("cache", "connection refused")

    async def release(self) -> None:
        while self.gates:
            self.gates.pop(0).set_result(None)
            await settle_down()


@dataclass
class Stage:
    clock: Clock
    origin: Origin
    memory: MemoryCache
    far: FarCache
    documents: DocumentCache
    random: list[float]  # what the next draws give; the middle (no jitter) when empty
    pauses: list[asyncio.Future[None]]  # before calls are repeated that got no answer

    async def repeat(self) -> None:
        """Let the next pause end, and what follows it."""
        self.pauses.pop(0).set_result(None)
        await settle_down()

    def another(self, policy: Policy) -> DocumentCache:
        """The document cache of another process, over the same cache."""
        return DocumentCache("orders", policy, WrappedCache(self.memory), self.origin.fetch, clock=self.clock)


def set_stage(policy: Policy, *, far: bool = False, degraded_concurrency: int = 32) -> Stage:
    """The document cache over an in-process cache, or over one in another process if `far`."""
    clock = Clock()
    origin = Origin(clock)
    memory = MemoryCache(1000, clock=clock)
    far_cache = FarCache(memory)
    draws: list[float] = []
    pauses: list[asyncio.Future[None]] = []

    async def sleep(seconds: float) -> None:
        pauses.append(asyncio.get_running_loop().create_future())
        await pauses[-1]

    shared: Cache = far_cache if far else memory
    documents = DocumentCache(
        "orders",
        policy,
        shared,
        origin.fetch,
        clock=clock,
        random=lambda: draws.pop(0) if draws else 0.5,
        sleep=sleep,
        degraded_concurrency=degraded_concurrency,
    )
    return Stage(clock, origin, memory, far_cache, documents, draws, pauses)


async def write(stage: Stage, version: int) -> bool:
    """The store has a new version. Says whether the cache has confirmed it."""
    stage.origin.versions[KEY] = version
    return await stage.documents.written(KEY, version, body_of(version), f'"{version}"')


async def show(documents: DocumentCache, version: int, *, after: int | None = None, deletes: bool = False) -> bool:
    """Stage a write-back, decided on the version before it unless said otherwise."""
    body, etag = (None, "") if deletes else (body_of(version), f'"{version}"')
    return await documents.stage(KEY, version, body, etag, after=version - 1 if after is None else after)


def version_of(lookup: Lookup) -> int:
    """The version that a reader got."""
    return lookup.entry.version
