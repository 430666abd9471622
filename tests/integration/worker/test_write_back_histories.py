"""Write-back as a whole, whatever the order of things: two API processes and a worker over one store, queue and cache.

The drawn moves begin writes, reads and deliveries, and open the gates at which publishing, committing and every call of
the cache wait. The cache loses what it has, publishing fails or loses its reply, the store refuses a write for good,
and a handler writes to the store meanwhile. In the end everything arrives, and then holds:

- What was answered is in the store once, in the order of the answers, unless it is a dead letter.
- Nobody is served anything older after something newer that was answered or stored, as long as the cache has lost
  nothing, nor anything that was refused before he asked.
- A version stands for one document, and nothing is shown for ever that is only in the cache.

While clocks go back, versions follow on each other instead of the time: then only what concerns the store is promised.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.embedded import open_database
from tests.unit.api.stage import Clock, Service, make_service, specification
from tests.wrapped import WrappedCache, WrappedQueue, WrappedStore

from fairlead_contract.runtime import RuntimeDocument, derive
from fairlead_contract.spec.bindings import Order
from fairlead_workload.caches.base import UNSTORED
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.caches.strategy import STAGED_SECONDS
from fairlead_workload.errors import Conflict, Refused, Unavailable
from fairlead_workload.queues.base import LetterFilter, Message
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.stores.base import Committed, Mutation, Unit
from fairlead_workload.stores.sqlite import SqliteStore
from fairlead_workload.worker.batches.cache_update import update_cache
from fairlead_workload.worker.loop import Worker

T = TypeVar("T")
CART = "/v1/carts/a"
PATH = "carts/a"
GATED = frozenset({"publish", "commit", "get", "put", "stage", "keep", "settle", "discard", "invalidate"})
PROCESS = st.integers(0, 1)

MOVES = st.one_of(
    st.tuples(st.just("write"), PROCESS),
    st.tuples(st.just("write"), PROCESS),
    st.tuples(st.just("read"), PROCESS),
    st.tuples(st.just("read"), PROCESS),
    st.tuples(st.just("deliver")),
    st.tuples(st.just("deliver")),
    st.tuples(st.just("open"), st.integers(0, 7)),
    st.tuples(st.just("open"), st.integers(0, 7)),
    st.tuples(st.just("drain")),
    st.tuples(st.just("drain")),
    st.tuples(st.just("set")),
    st.tuples(st.just("lose")),
    st.tuples(st.just("fail"), PROCESS, st.sampled_from(["refused", "unavailable", "unknown"])),
    st.tuples(st.just("refuse")),
    st.tuples(st.just("wait"), st.sampled_from([2.0, 61.0])),
)
SET_BACK = st.tuples(st.just("wait"), st.just(-3.0))


class Ticking(Clock):
    """No two look at it at the same microsecond."""

    def __call__(self) -> float:
        self.now += 0.000_003
        return self.now


class Gates:
    """Where calls wait for the test. `running` are those that are under way in an adapter."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[None]] = []
        self.running: set[asyncio.Future[Any]] = set()
        self.open = False

    async def around(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        if name in GATED and not self.open:
            self.waiting.append(asyncio.get_running_loop().create_future())
            await self.waiting[-1]
        return await self.pass_through(call)

    async def of_store(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        """The same for the store, whose reads do not wait."""
        return await (self.around(name, call) if name == "commit" else self.pass_through(call))

    async def pass_through(self, call: Callable[[], Awaitable[T]]) -> T:
        running = asyncio.ensure_future(call())
        self.running.add(running)
        try:
            return await running
        finally:
            self.running.discard(running)

    def release(self, which: int) -> None:
        if self.waiting:
            gate = self.waiting.pop(which % len(self.waiting))
            if not gate.done():
                gate.set_result(None)

    async def quiet(self) -> None:
        """Return when everything waits at a gate, or for time to pass."""
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            if not self.running:
                return
            await asyncio.wait(self.running, return_when=asyncio.FIRST_COMPLETED)


@dataclass(eq=False)
class Write:
    """A PUT of `items` = `number`. Moments are counted; `ended` and `status` are there with the answer."""

    number: int
    began: int
    losses: int
    ended: int | None = None
    status: int = 0

    @property
    def answered(self) -> bool:
        return self.status in (200, 201)


@dataclass(frozen=True)
class Read:
    number: int
    began: int
    ended: int
    losses: tuple[int, int]  # how often the cache had lost everything, at both moments


class Store(WrappedStore):
    """The store as one process sees it. What is committed is noted; `refuses` so many of the next commits."""

    def __init__(self, world: "World") -> None:
        super().__init__(world.store, world.gates.of_store)
        self.world = world
        self.refuses = 0

    async def commit(self, unit: Unit) -> Committed:
        return await self.world.gates.of_store("commit", lambda: self._commit(unit))

    async def _commit(self, unit: Unit) -> Committed:
        if unit.mutations and self.refuses:
            self.refuses -= 1
            raise Refused("datastore", "it does not fit")
        committed = await self.inner.commit(unit)
        self.world.note(unit)
        return committed


class Queue(WrappedQueue):
    """The queue as one process sees it. `fails` is what becomes of the next publish."""

    def __init__(self, world: "World") -> None:
        super().__init__(world.queue, world.gates.around)
        self.world = world
        self.fails = ""

    async def publish(self, messages: Sequence[Message]) -> list[Exception | None]:
        return await self.world.gates.around("publish", lambda: self._publish(messages))

    async def _publish(self, messages: Sequence[Message]) -> list[Exception | None]:
        fails, self.fails = self.fails, ""
        if fails == "refused":
            return [Refused("queue", "too large")]
        if fails == "unavailable":
            return [Unavailable("queue", "connection refused")]
        results = await self.inner.publish(messages)
        return [Unavailable("queue", "the reply is lost")] if fails else results


class World:
    def __init__(self, store: SqliteStore, queue: SqliteQueue, clock: Clock, *, set_back: bool) -> None:
        self.store, self.queue, self.clock, self.set_back = store, queue, clock, set_back
        self.gates = Gates()
        self.memory = MemoryCache(100, clock=clock)
        document = derive(specification())
        self.services = [self._service(document) for _ in range(3)]
        self.bindings = self.services[2].bindings  # of the worker
        self.worker = Worker(self.bindings, random=lambda: 0.5)
        self.tasks: list[asyncio.Task[None]] = []
        self.moment = 0
        self.losses = 0
        self.number = 0
        self.delivered = 0
        self.history: list[int] = []  # the documents that were committed, in that order
        self.stored_at: dict[int, int] = {}
        self.writes: dict[int, Write] = {}
        self.reads: list[Read] = []
        self.etags: dict[str, int] = {}

    def _service(self, document: RuntimeDocument) -> Service:
        cache = WrappedCache(self.memory, self.gates.around)
        return make_service(document, Store(self), Queue(self), self.clock, cache=cache)

    def next_moment(self) -> int:
        self.moment += 1
        return self.moment

    def note(self, unit: Unit) -> None:
        """What a commit has changed."""
        for mutation in unit.mutations:
            assert mutation.document is not None
            number = mutation.document["items"]
            self.history.append(number)
            self.stored_at[number] = self.next_moment()

    def note_etag(self, etag: str, number: int) -> None:
        assert self.set_back or self.etags.setdefault(etag, number) == number, "a version stands for one document"

    # What is drawn

    async def play(self, moves: list[tuple[Any, ...]]) -> None:
        await self.services[0].keep("carts", {"id": "a", "items": 0})
        self.history.append(0)
        self.stored_at[0] = 0
        for name, *arguments in moves:
            await getattr(self, f"move_{name}")(*arguments)
            await self.gates.quiet()
        await self.come_to_rest()
        await self.check()

    def begin(self, coroutine: Any) -> None:
        self.tasks.append(asyncio.create_task(coroutine))

    async def move_write(self, process: int) -> None:
        self.number += 1
        self.begin(self.write(self.services[process], self.number))

    async def move_read(self, process: int) -> None:
        self.begin(self.read(self.services[process]))

    async def move_deliver(self) -> None:
        self.begin(self.deliver())

    async def move_set(self) -> None:
        self.number += 1
        self.begin(self.apply_set(self.number))

    async def move_open(self, which: int) -> None:
        self.gates.release(which)

    async def move_drain(self) -> None:
        """Everything goes on until nothing waits at a gate."""
        while self.gates.waiting or any(service.pauses.waiting for service in self.services):
            self.gates.release(0)
            for service in self.services:
                await service.pauses.end()
            await self.gates.quiet()

    async def move_lose(self) -> None:
        self.losses += 1
        await self.memory.close()

    async def move_fail(self, process: int, how: str) -> None:
        queue = self.services[process].queue
        assert isinstance(queue, Queue)
        queue.fails = how

    async def move_refuse(self) -> None:
        store = self.bindings.store
        assert isinstance(store, Store)
        store.refuses = 1

    async def move_wait(self, seconds: float) -> None:
        if seconds > 10:  # nobody waits so long for an answer
            await self.move_drain()
        self.clock.now += seconds

    # What follows from it

    async def write(self, service: Service, number: int) -> None:
        write = self.writes[number] = Write(number, self.next_moment(), self.losses)
        answer = await service.send("PUT", CART, {"items": number})
        write.ended, write.status = self.next_moment(), answer.status
        if write.answered:
            self.note_etag(answer.headers["etag"], number)

    async def read(self, service: Service) -> None:
        began, losses = self.next_moment(), self.losses
        answer = await service.send("GET", CART)
        number = answer.json["items"]
        self.note_etag(answer.headers["etag"], number)
        self.reads.append(Read(number, began, self.next_moment(), (losses, self.losses)))

    async def deliver(self) -> None:
        deliveries = await self.bindings.queue.receive(1, wait_seconds=0)  # type: ignore[union-attr]
        self.delivered += len(deliveries)
        if deliveries:
            await self.worker.handle(deliveries)

    async def apply_set(self, number: int) -> None:
        """What a `set` step does, which knows of the store only."""
        (record,) = await self.bindings.store.get("carts", [("a",)], strong=True)
        assert record is not None
        document = record.document | {"items": number}
        try:
            committed = await self.bindings.store.commit(Unit((Mutation("carts", ("a",), document, record.version),)))
        except (Conflict, Refused):
            return
        cache, resource = self.bindings.caches["carts"], self.bindings.resources["carts"]
        await update_cache(cache, resource, ("a",), document, committed.versions[0])

    async def come_to_rest(self) -> None:
        for service in self.services:
            queue, store = service.queue, service.bindings.store
            assert isinstance(queue, Queue)
            assert isinstance(store, Store)
            queue.fails, store.refuses = "", 0
        for _ in range(200):
            delivered = self.delivered
            await self.move_deliver()
            await self.gates.quiet()
            await self.move_drain()
            depth = await self.queue.depth()
            if all(task.done() for task in self.tasks) and not depth.ready + depth.delayed + depth.leased:
                break
            if self.delivered == delivered:
                self.clock.now += 61
        else:
            raise AssertionError(f"it does not come to rest: {depth}")
        await asyncio.gather(*self.tasks)
        self.clock.now += STAGED_SECONDS

    async def check(self) -> None:
        letters = [letter async for letter in self.queue.scan(LetterFilter())]
        dead = {json.loads(letter.message.body)["data"]["body"]["items"] for letter in letters}
        answered = [write for write in self.writes.values() if write.answered and write.number not in dead]
        self.check_history(answered, dead)
        order = {number: place for place, number in enumerate(self.history)}
        for read in self.reads if not self.set_back else []:
            self.check_read(read, answered, order)
        entry = self.memory.peek(PATH)
        assert entry is None or entry.state not in UNSTORED
        self.gates.open = True
        for service in self.services:
            await self.read(service)
            assert self.reads[-1].number == self.history[-1]

    def check_history(self, answered: list[Write], dead: set[int]) -> None:
        """What was answered is stored once, in the order of the answers."""
        assert len(set(self.history)) == len(self.history)
        assert not dead & set(self.history)
        assert {write.number for write in answered} <= set(self.history)
        order = {number: place for place, number in enumerate(self.history)}
        for first in answered:
            for second in answered:
                if (first.ended or 0) < second.began:
                    assert order[first.number] < order[second.number]

    def check_read(self, read: Read, answered: list[Write], order: dict[int, int]) -> None:
        """It gives nothing older than what was known before, and nothing that had come to nothing before."""
        if read.number not in order:
            write = self.writes[read.number]
            assert write.ended is None or write.ended > read.began or write.answered, "it was refused before"
            return
        known = {write.number: write.ended or 0 for write in answered if write.losses == read.losses[1]}
        sure = {write.number: write.ended or 0 for write in answered} | self.stored_at
        for earlier in self.reads:
            alike = earlier.losses == read.losses == (read.losses[0],) * 2
            if alike and earlier.number in order and sure[earlier.number] < earlier.began:
                known[earlier.number] = earlier.ended
        assert all(order[number] <= order[read.number] for number, moment in known.items() if moment < read.began)


@pytest.mark.parametrize("set_back", [False, True], ids=["clocks go on", "clocks are set back"])
@settings(max_examples=40, phases=[Phase.reuse, Phase.generate])  # making one smaller takes too long
@given(data=st.data())
def test_what_is_written_back_reaches_the_store_and_is_shown_until_then(set_back: bool, data: st.DataObject) -> None:
    moves = data.draw(st.lists(MOVES | SET_BACK if set_back else MOVES, min_size=10, max_size=50))

    async def run() -> None:
        clock = Ticking()
        async with open_database() as database:
            document = derive(specification())
            store = SqliteStore(database, document.api.resources, clock=clock)
            world = World(store, SqliteQueue(database, order=Order.KEY, clock=clock), clock, set_back=set_back)
            try:
                await world.play(moves)
            finally:
                world.gates.open = True
                await world.worker.drain(0)
                for service in world.services:
                    await service.close()

    asyncio.run(run())
