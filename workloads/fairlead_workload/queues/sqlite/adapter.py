"""The adapter: a `Queue` with dead letters that can be looked at, on the shared database.

A receiver that finds nothing waits until something is published or due. Publishes of this process wake it; those of
another one (`fairlead dlq redrive`) are found by looking twice a second.
"""

import asyncio
import math
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Sequence

from fairlead_contract.spec.bindings import Order
from fairlead_workload.errors import FairleadError, Unavailable
from fairlead_workload.queues.base import DeadLetter, Delivery, Depth, Failure, LetterFilter, Message
from fairlead_workload.queues.sqlite import letters
from fairlead_workload.queues.sqlite.messages import Leased, LeaseRequest, Messages, Row, Waits, row
from fairlead_workload.queues.sqlite.tables import migrate
from fairlead_workload.sqlite import BatchOperation, Database

_QUEUE = "queue"
_SHORTEST_WAIT_SECONDS = 0.001
_STEP_SECONDS = 1.0  # by how much a clock is set back, if not by a slow correction
RETENTION_SECONDS = 4 * 24 * 3600.0  # as with the default of SQS
_ALL = -1  # SQLite's LIMIT for no limit
PAGE = 100  # dead letters that are read at once
_POLL_SECONDS = 0.5  # how long a publish of another process may go unnoticed


class SqliteQueue:
    """A queue called `name` in `database`; one queue per file. Capability: `DeadLetters`.

    Makes its tables when made (blocks). `order` is that of a server; beside one, the file's is kept. `clock` gives unix
    seconds. The database is closed by whoever opened it. No message waits longer than `longest_delay_seconds` because
    the clock was ahead for a while: when it goes back, and when a server starts, delays are cut to that. A message that
    has been in the queue for `retention_seconds` becomes a dead letter `Expired`.
    """

    def __init__(
        self,
        database: Database,
        *,
        name: str = "queue",
        order: Order = Order.NONE,
        visibility_seconds: float = 60.0,
        retention_seconds: float = RETENTION_SECONDS,
        dead_letter_retention_seconds: float = 14 * 24 * 3600.0,
        longest_delay_seconds: float = math.inf,
        clock: Callable[[], float] = time.time,
    ) -> None:
        wanted = order if database.exclusive else None
        found = database.migrate(lambda connection: migrate(connection, wanted))
        messages = Messages(found, clock)
        dead = letters.Letters(messages, origin=name, clock=clock)
        self._waits = Waits(visibility_seconds, longest_delay_seconds)

        def begin(connection: sqlite3.Connection) -> None:
            messages.hold_to_clock(connection, [self._waits])
            dead.expire(connection, [(retention_seconds, _ALL)])

        if database.exclusive:
            database.migrate(begin)
        self._database = database
        self._clock = clock
        self._visibility_seconds = visibility_seconds
        self._retention_seconds = retention_seconds
        self._dead_letter_retention_seconds = dead_letter_retention_seconds
        self._order = found
        self._closed = False
        self._waiting: set[asyncio.Future[None]] = set()
        self._publishes = BatchOperation(_QUEUE, messages.publish)
        self._leases = BatchOperation(_QUEUE, messages.lease)
        self._acks = BatchOperation(_QUEUE, messages.acknowledge)
        self._extends = BatchOperation(_QUEUE, messages.extend)
        self._releases = BatchOperation(_QUEUE, messages.release)
        self._corrections = BatchOperation(_QUEUE, messages.hold_to_clock)
        self._ahead_seconds = clock() - time.monotonic()
        self._depths = BatchOperation(_QUEUE, messages.depth)
        self._dead_letterings = BatchOperation(_QUEUE, dead.dead_letter)
        self._redrives = BatchOperation(_QUEUE, dead.redrive)
        self._purges = BatchOperation(_QUEUE, dead.purge)
        self._expirations = BatchOperation(_QUEUE, dead.expire)
        self._sweeps = BatchOperation(_QUEUE, dead.sweep)
        self._reads = BatchOperation(_QUEUE, letters.read)

    @property
    def retention_seconds(self) -> float:
        return self._retention_seconds

    @property
    def lease_seconds(self) -> float | None:
        return self._visibility_seconds

    @property
    def blocks_keys(self) -> bool:
        return self._order is Order.KEY

    async def publish(self, messages: Sequence[Message]) -> list[Exception | None]:
        now = self._clock()
        results: list[Exception | None] = []
        rows: list[Row] = []
        for message in messages:
            try:
                rows.append(row(message, now=now))
                results.append(None)
            except FairleadError as error:
                results.append(error)
        try:
            self._require_open()
            await self._database.writer.submit(self._publishes, rows)
        except FairleadError as error:
            return [result or error for result in results]
        self._wake()
        return results

    async def receive(self, limit: int, *, wait_seconds: float) -> list[Delivery]:
        deadline = asyncio.get_running_loop().time() + wait_seconds
        while not self._closed:
            woken = self._register()
            try:
                await self._follow_clock()
                leased = await self._lease(limit)
                left = deadline - asyncio.get_running_loop().time()
                if leased.deliveries or left <= 0:
                    return leased.deliveries
                due = leased.next_due - self._clock() if leased.next_due is not None else _POLL_SECONDS
                await asyncio.wait([woken], timeout=max(_SHORTEST_WAIT_SECONDS, min(left, due, _POLL_SECONDS)))
            finally:
                self._waiting.discard(woken)
        return []

    async def _follow_clock(self) -> None:
        """Notice that the clock was set back since the last look."""
        former, self._ahead_seconds = self._ahead_seconds, self._clock() - time.monotonic()
        if self._ahead_seconds < former - _STEP_SECONDS:
            await self._database.writer.submit(self._corrections, self._waits)

    async def _lease(self, limit: int) -> Leased:
        """Lease messages. If the caller is cancelled meanwhile, they go back at once."""
        future = self._database.writer.submit(self._leases, LeaseRequest(limit, self._visibility_seconds))
        try:
            leased: Leased = await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(self._give_back)
            raise
        return leased

    def _give_back(self, future: "asyncio.Future[Leased]") -> None:
        if not future.cancelled() and future.exception() is None and future.result().deliveries:
            try:
                self._database.writer.submit(self._releases, (future.result().deliveries, 0.0))
            except Unavailable:
                return  # closed meanwhile: the leases run out by themselves

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        await self._database.writer.submit(self._acks, deliveries)
        self._wake_blocked()

    async def retry(self, delivery: Delivery, *, delay_seconds: float) -> None:
        await self._database.writer.submit(self._releases, ([delivery], delay_seconds))
        self._wake()

    async def extend(self, deliveries: Sequence[Delivery]) -> None:
        await self._database.writer.submit(self._extends, (deliveries, self._visibility_seconds))

    async def dead_letter(self, delivery: Delivery, failure: Failure) -> None:
        await self._database.writer.submit(self._dead_letterings, (delivery, failure))
        self._wake_blocked()

    async def depth(self) -> Depth:
        depth: Depth = await self._database.reader.submit(self._depths, None)
        return depth

    async def check(self) -> None:
        self._require_open()
        await self._database.check(_QUEUE)

    async def close(self) -> None:
        self._closed = True
        self._wake()

    async def scan(self, match: LetterFilter) -> AsyncGenerator[DeadLetter, None]:
        after = 0
        while page := await self._database.reader.submit(self._reads, (match, PAGE, after)):
            for letter in page:
                yield letter
            after = page[-1].receipt

    async def redrive(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        found = await self._take(self._redrives, letters)
        self._wake()
        return found

    async def purge(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        return await self._take(self._purges, letters)

    async def _take(self, operation: BatchOperation, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        there: set[int] = await self._database.writer.submit(operation, [letter.receipt for letter in letters])
        return [letter for letter in letters if letter.receipt in there]

    async def sweep(self, *, limit: int = 1000) -> int:
        """Move messages that are older than their retention to the dead letters, and remove dead letters that are
        older than theirs. Returns how many went.
        """
        expired: int = await self._database.writer.submit(self._expirations, (self._retention_seconds, limit))
        before = self._clock() - self._dead_letter_retention_seconds
        removed: int = await self._database.writer.submit(self._sweeps, (before, limit))
        return expired + removed

    def _register(self) -> "asyncio.Future[None]":
        """A future that the next wake-up resolves; taken before looking, so that no publish falls in between."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(woken)
        return woken

    def _wake(self) -> None:
        for woken in self._waiting:
            if not woken.done():
                woken.set_result(None)

    def _wake_blocked(self) -> None:
        """What left the queue may let a later message of its key be delivered."""
        if self._order is Order.KEY:
            self._wake()

    def _require_open(self) -> None:
        if self._closed:
            raise Unavailable(_QUEUE, "the queue is closed")
