"""Writers of one document in two processes, in any order: each answer is right at a time of its request.

The drawn moves begin requests, and open the gates at which reads and commits wait, before the store is asked and after
it has answered; commits fail before or after they are done, and something else writes to the store. Then holds:

- What succeeded is in the store once, decided on the very document before it, with the status that this one gives.
- What was refused would have been refused by the document that was stored at some time of the request.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st
from tests.embedded import open_database
from tests.unit.api.stage import Answer, Clock, Service, make_service, specification
from tests.wrapped import WrappedStore

from fairlead_contract.runtime import derive
from fairlead_workload.errors import Unavailable
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.stores.base import Committed, Mutation, Unit
from fairlead_workload.stores.sqlite import SqliteStore

T = TypeVar("T")
NOTES = {
    "name": "notes",
    "key": {"partition": "id"},
    "schema": {
        "type": "object",
        "required": ["text"],
        "properties": {
            "id": {"type": "string"},
            "text": {"type": "string"},
            "serial": {"type": "integer", "readOnly": True},
            "productId": {"type": "string"},
        },
    },
    "references": [{"field": "productId", "resource": "products"}],
    "writes": "Sync",
}
NOTE = "/v1/notes/a"
KEY = ("a",)
PEN = {"id": "pen", "name": "Pen", "price": 1}

CONDITIONS = st.sampled_from(["", "", "", "exists", "absent", "newest"])
REQUEST = st.tuples(
    st.just("send"),
    st.integers(0, 1),
    st.sampled_from(["PUT", "PUT", "PATCH", "PATCH", "DELETE"]),
    CONDITIONS,
    st.sampled_from([None, None, None, "serial", "product"]),
    st.booleans(),
)
MOVES = st.one_of(
    REQUEST,
    REQUEST,
    REQUEST,
    st.tuples(st.just("open"), st.integers(0, 7)),
    st.tuples(st.just("open"), st.integers(0, 7)),
    st.tuples(st.just("open"), st.integers(0, 7)),
    st.tuples(st.just("drain")),
    st.tuples(st.just("set")),
    st.tuples(st.just("product")),
    st.tuples(st.just("fail"), st.integers(0, 1), st.booleans()),
)


@dataclass(frozen=True)
class State:
    """The document, from a moment on; and whether the product is there."""

    document: dict[str, Any] | None
    version: int
    product: bool


@dataclass
class Request:
    """What was asked for. `number` is in what it writes."""

    number: int
    method: str
    headers: dict[str, str]
    body: dict[str, Any] | None
    began: int
    ended: int = 0
    answers: list[Answer] = field(default_factory=list)

    def status(self, state: State) -> int:
        """What it is answered in this state."""
        document = state.document
        if document is None and self.method in ("PATCH", "DELETE"):
            return 404
        if not self._holds(state):
            return 412
        if self.body is None:
            return 204
        if "serial" in self.body and self.body["serial"] != (document or {}).get("serial"):
            return 422
        after = self.after(document)
        return 422 if "productId" in after and not state.product else 201 if document is None else 200

    def _holds(self, state: State) -> bool:
        wanted = self.headers.get("if-match")
        if wanted is not None:
            return state.document is not None and wanted in ("*", f'"{state.version}"')
        return "if-none-match" not in self.headers or state.document is None

    def after(self, document: dict[str, Any] | None) -> dict[str, Any]:
        """The document that it makes of this one."""
        assert self.body is not None
        kept = document or {}
        if self.method == "PUT":
            kept = {"serial": kept["serial"]} if "serial" in kept else {}
        return kept | self.body | {"id": "a"}


class Store(WrappedStore):
    """The store as one process sees it. Reads and commits of notes wait at gates; `fails` is what the next commit does.

    False: it fails and is not done; True: it is done, and its answer is lost.
    """

    def __init__(self, world: "World") -> None:
        super().__init__(world.store, self._around)
        self.world = world
        self.fails: list[bool] = []

    async def _around(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        if name != "get":
            return await self.world.running(call())
        await self.world.gate()
        found = await self.world.running(call())
        await self.world.gate()
        return found

    async def commit(self, unit: Unit) -> Committed:
        await self.world.gate()
        done = self.fails.pop() if self.fails else None
        if done is False:
            raise Unavailable("datastore", "connection refused")
        committed = await self.world.running(self.world.commit(unit))
        await self.world.gate()
        if done:
            raise Unavailable("datastore", "the answer is lost")
        return committed


class World:
    def __init__(self, store: SqliteStore, queue: SqliteQueue, clock: Clock) -> None:
        self.store = store
        self.waiting: list[asyncio.Future[None]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.under_way: set[asyncio.Future[Any]] = set()
        document = derive(specification(others=[NOTES]))
        self.stores = [Store(self), Store(self)]
        self.services: list[Service] = [make_service(document, each, queue, clock) for each in self.stores]  # type: ignore[arg-type]
        self.requests: list[Request] = []
        self.states = [State(None, 0, product=False)]  # that of each moment

    # Time goes on with each change of what is stored

    @property
    def now(self) -> int:
        return len(self.states) - 1

    async def commit(self, unit: Unit) -> Committed:
        committed = await self.store.commit(unit)
        for mutation, version in zip(unit.mutations, committed.versions, strict=True):
            former = self.states[-1]
            if mutation.resource == "products":
                self.states.append(State(former.document, former.version, mutation.document is not None))
            elif version:
                self.states.append(State(mutation.document, version, former.product))
        return committed

    async def gate(self) -> None:
        self.waiting.append(asyncio.get_running_loop().create_future())
        await self.waiting[-1]

    async def running(self, call: Awaitable[T]) -> T:
        task = asyncio.ensure_future(call)
        self.under_way.add(task)
        try:
            return await task
        finally:
            self.under_way.discard(task)

    async def quiet(self) -> None:
        """Return when everything waits at a gate."""
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            if not self.under_way:
                return
            await asyncio.wait(self.under_way, return_when=asyncio.FIRST_COMPLETED)

    # What is drawn

    async def play(self, moves: list[tuple[Any, ...]]) -> None:
        document = {"id": "a", "text": "text", "serial": 1}
        await self.commit(Unit((Mutation("notes", KEY, document), Mutation("products", ("pen",), PEN))))
        for name, *arguments in moves:
            await getattr(self, f"move_{name}")(*arguments)
            await self.quiet()
        await self.move_drain()
        await asyncio.gather(*self.tasks)
        for request in self.requests:
            self.check(request)

    async def move_send(self, process: int, method: str, condition: str, extra: str | None, keyed: bool) -> None:
        number, newest = len(self.requests) + 1, self.states[-1]
        tag = f'"{newest.version}"'
        headers = {"": {}, "exists": {"if-match": "*"}, "absent": {"if-none-match": "*"}, "newest": {"if-match": tag}}
        body = {"text": "text", f"n{number}": number}
        if extra == "serial":
            body["serial"] = (newest.document or {}).get("serial", 1)
        if extra == "product":
            body["productId"] = "pen"
        chosen = headers[condition] | ({"idempotency-key": f'"{number}"'} if keyed else {})
        request = Request(number, method, chosen, None if method == "DELETE" else body, self.now)
        self.requests.append(request)
        self.tasks.append(asyncio.create_task(self.send(self.services[process], request, twice=keyed)))

    async def send(self, service: Service, request: Request, *, twice: bool) -> None:
        calls = [service.send(request.method, NOTE, request.body, request.headers) for _ in range(1 + twice)]
        request.answers = await asyncio.gather(*calls)
        request.ended = self.now

    async def move_set(self) -> None:
        """What a `set` step does: the document gets its next serial number."""
        (record,) = await self.store.get("notes", [KEY], strong=True)
        if record is None:
            return
        document = record.document | {"serial": record.document.get("serial", 0) + 1}
        await self.commit(Unit((Mutation("notes", KEY, document, record.version),)))

    async def move_product(self) -> None:
        """It comes or goes."""
        await self.commit(Unit((Mutation("products", ("pen",), None if self.states[-1].product else PEN),)))

    async def move_fail(self, process: int, done: bool) -> None:
        self.stores[process].fails = [done]

    async def move_open(self, which: int) -> None:
        if self.waiting:
            gate = self.waiting.pop(which % len(self.waiting))
            if not gate.done():
                gate.set_result(None)

    async def move_drain(self) -> None:
        while self.waiting:
            await self.move_open(0)
            await self.quiet()

    # What holds

    def check(self, request: Request) -> None:
        answers = [each for each in request.answers if each.status != 503]
        event(f"{request.method} {', '.join(sorted({str(each.status) for each in request.answers}))}")
        written = [each.headers.get("etag") for each in answers if each.status in (200, 201)]
        assert len(set(written)) <= 1, "a repetition has the same answer"
        during = range(request.began, request.ended + 1)
        for answer in answers:
            if answer.status in (200, 201, 204):
                done = [at for at in during[1:] if self.is_by(request, at)]
                assert len(done) == 1 or request.method == "DELETE", f"{request} is done once, not at {done}"
                assert any(request.status(self.states[at - 1]) == answer.status for at in done)
            elif answer.status == 409:
                assert "idempotency-key" in request.headers, "nobody else loses"
            else:
                assert answer.status in {request.status(self.states[at]) for at in during}, f"{request} had {answer}"

    def is_by(self, request: Request, at: int) -> bool:
        """Whether the change at this moment is what the request does to the document before."""
        before, after = self.states[at - 1], self.states[at]
        if before.version == after.version:  # it was the product that changed
            return False
        if request.body is None:
            return before.document is not None and after.document is None
        return after.document == request.after(before.document)


@settings(max_examples=150, phases=[Phase.reuse, Phase.generate])  # making one smaller takes too long
@given(moves=st.lists(MOVES, min_size=10, max_size=60))
def test_each_answer_is_right_at_some_time_of_its_request(moves: list[tuple[Any, ...]]) -> None:
    async def run() -> None:
        clock = Clock()
        async with open_database() as database:
            document = derive(specification(others=[NOTES]))
            store = SqliteStore(database, document.api.resources, clock=clock)
            world = World(store, SqliteQueue(database, clock=clock), clock)
            try:
                await world.play(moves)
            finally:
                for service in world.services:
                    await service.close()

    asyncio.run(run())
