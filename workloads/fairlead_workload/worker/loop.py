"""The worker: fetch, dispatch, apply, acknowledge, until drained. Wires the worker, and runs its tasks.

Commands, and facts whose steps make no call, are applied in batches, several at once. Facts whose steps make calls run
as tasks of their own, at most `worker.concurrency` at a time, in fair turns of their handlers. In outage mode one event
is tried at a time.
"""

import asyncio
import contextlib
import logging
import random as randomness
from collections.abc import Callable, Iterable, Sequence

from fairlead_contract.spec.bindings import Order
from fairlead_contract.spec.model import seconds
from fairlead_workload.bindings import Bindings
from fairlead_workload.errors import DependencyError, Misconfigured
from fairlead_workload.queues.base import Delivery, Queue
from fairlead_workload.worker.acknowledgement import Acknowledger, HandledDelivery
from fairlead_workload.worker.batches.batch import Batches
from fairlead_workload.worker.batches.commands import CommandRules
from fairlead_workload.worker.calls.client import Caller, ServiceMap
from fairlead_workload.worker.decisions import BY_STEP, ByStep, Outcome
from fairlead_workload.worker.dispatch import Dispatch, FactItem, Item, RejectedDelivery, UnhandledItem
from fairlead_workload.worker.failures.failure_policy import FailurePolicy
from fairlead_workload.worker.failures.outage import Outage
from fairlead_workload.worker.failures.retry_policy import RetryPolicy, WorkerDied, classify
from fairlead_workload.worker.failures.suspects import Suspects, death
from fairlead_workload.worker.handlers.execution import Handlers
from fairlead_workload.worker.handlers.fact_rules import FactRules
from fairlead_workload.worker.handlers.plans import build_plans
from fairlead_workload.worker.handlers.slots import Slots, limits
from fairlead_workload.worker.handlers.unhandled import Unhandled
from fairlead_workload.worker.housekeeping import Housekeeping
from fairlead_workload.worker.key_order import DeliveryQueue, KeyOrder
from fairlead_workload.worker.lease_renewal import LeaseRenewer
from fairlead_workload.worker.relay import relay_of
from fairlead_workload.worker.stats import WorkerStats

BATCH = 256
FETCHERS = 2
WAIT_SECONDS = 1.0
QUEUE_DOWN_SECONDS = 1.0
SLACK_SECONDS = 60.0  # by which a try may come later than planned
BACKLOG = 1_000  # events with calls that may wait here for their turn

_log = logging.getLogger(__name__)


class Worker:
    """The worker of one ApiService."""

    def __init__(
        self,
        bindings: Bindings,
        *,
        services: ServiceMap | None = None,
        caller: Caller | None = None,
        random: Callable[[], float] = randomness.random,
        batch: int = BATCH,
        fetchers: int = FETCHERS,
    ) -> None:
        document = bindings.document
        if bindings.queue is None or document.queue is None or document.worker is None:
            raise Misconfigured("queue", "a worker needs a queue", "add spec.queue")
        queue: Queue = bindings.queue
        self._store = bindings.store
        self._clock = bindings.clock
        self._batch = batch
        self._fetchers = fetchers
        concurrency = document.worker.concurrency
        self._backlog = asyncio.Semaphore(concurrency + BACKLOG)
        plans = build_plans(document.worker, bindings.resources)
        self._slots = Slots(concurrency, limits(concurrency, plans.values()))
        self._dispatch = Dispatch(bindings.source, bindings.resources, plans)
        self.stats = WorkerStats(self._dispatch.declared)
        self._outage = Outage()
        rules = CommandRules(bindings, document.queue)
        retry_policy = RetryPolicy(document.queue.retry, random=random)
        self._failure_policy = FailurePolicy(
            bindings, document.queue, retry_policy, rules, outage=self._outage, stats=self.stats
        )
        facts = FactRules(bindings, document.queue)
        self._batches = Batches(bindings, rules, facts, self._failure_policy, stats=self.stats)
        timeout_seconds = seconds(document.worker.timeout)
        self._caller = caller or Caller(services or ServiceMap(document.namespace))
        self._caller.availability.longest_seconds = retry_policy.longest_seconds + timeout_seconds + SLACK_SECONDS
        self.stats.called = self._caller.availability.known
        self._handlers = Handlers(
            bindings,
            document.queue,
            self._caller,
            self._failure_policy,
            timeout_seconds=timeout_seconds,
            stats=self.stats,
        )
        self._unhandled = Unhandled(bindings, document.queue, self._failure_policy)
        self._suspects = Suspects(bindings, document.queue)
        self.relay = relay_of(bindings)
        self._housekeeping = Housekeeping(bindings.store, queue, clock=self._clock, random=random)
        self._lease_renewer = LeaseRenewer(queue, stats=self.stats)
        self._key_order = KeyOrder(queue, self._lease_renewer) if document.queue.order is Order.KEY else None
        self._queue: DeliveryQueue = self._key_order or queue
        self._acknowledger = Acknowledger(
            self._queue,
            self._failure_policy,
            self._lease_renewer,
            outage=self._outage,
            stats=self.stats,
            clock=self._clock,
        )
        self._stopping = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._single = asyncio.Lock()
        self._fetching: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Handle events until `drain`. Outages are waited out; a defect of one event harms no other."""
        background = [asyncio.create_task(self._lease_renewer.run()), asyncio.create_task(self._housekeeping.run())]
        if self.relay is not None:
            background.append(asyncio.create_task(self.relay.run()))
        self._fetching = [asyncio.create_task(self._fetch(number)) for number in range(self._fetchers)]
        fetching = asyncio.gather(*self._fetching)
        watching = asyncio.gather(*background)
        try:
            await asyncio.wait([fetching, watching], return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()  # it never ends by itself, so this raises
            with contextlib.suppress(asyncio.CancelledError):  # a drain that has waited long enough
                fetching.result()
        finally:
            await _cancelled([*background, *self._fetching])
            await self._stop_receiving()
            await asyncio.gather(fetching, watching, return_exceptions=True)

    async def drain(self, deadline_seconds: float) -> None:
        """Fetch no more, finish what runs, give back the rest, publish the outbox, close connections.

        Returns within about `deadline_seconds`, and two for the outbox. What could not be finished is delivered again.
        """
        self._stopping.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_seconds):
                while tasks := [*self._fetching, *self._running]:  # a batch that was fetched may start some more
                    await asyncio.wait(tasks)
                    self._fetching = [task for task in self._fetching if not task.done()]
        await _cancelled([*self._fetching, *self._running])
        await self._stop_receiving()
        with contextlib.suppress(DependencyError):
            await self._lease_renewer.release()
        if self.relay is not None:
            await self.relay.drain()
        await self._caller.close()

    async def _stop_receiving(self) -> None:
        if self._key_order is not None:
            await self._key_order.stop()

    async def handle(self, deliveries: Sequence[Delivery]) -> None:
        """Handle leased deliveries, and whatever else runs, to the end. `run` does not wait for the slow ones."""
        await self._handle_deliveries(deliveries)
        if self._running:
            await asyncio.wait(self._running)

    async def publish_outbox(self) -> bool:
        """Publish what is in the outbox. True: something has to wait."""
        return self.relay is not None and await self.relay.flush()

    # Fetching

    async def _fetch(self, number: int) -> None:
        while not self._stopping.is_set():
            if self._outage.active:
                if number > 0:
                    await asyncio.sleep(WAIT_SECONDS)
                    continue
                await self._probe()
                continue
            deliveries = await self._receive(self._batch)
            if deliveries:
                await self._handle_deliveries(deliveries)

    async def _probe(self) -> None:
        """Outage mode: when everything that runs has ended, one event, after a pause."""
        if self._running:
            await asyncio.wait(self._running)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._outage.probe()):
                await self._stopping.wait()
        deliveries = [] if self._stopping.is_set() else await self._receive(1)
        if deliveries:
            await self.handle(deliveries)
        elif not self._stopping.is_set():
            await self._check_store()

    async def _check_store(self) -> None:
        """No event is left that would show that the store is back: another worker may have it. Check the store."""
        with contextlib.suppress(DependencyError):
            await self._store.check()
            self._outage.succeeded()
        self.stats.outage = self._outage.active

    async def _receive(self, limit: int) -> list[Delivery]:
        try:
            return await self._queue.receive(limit, wait_seconds=WAIT_SECONDS)
        except DependencyError:
            await asyncio.sleep(QUEUE_DOWN_SECONDS)
            return []

    # Handling

    async def _handle_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Apply a batch, end its deliveries, and start a task for each event that goes step by step."""
        self._lease_renewer.add(deliveries)
        outcomes, batch, stepwise = await self._dispatch_all(deliveries)
        suspects = await self._find_suspects([*batch, *stepwise])
        if suspects:
            batch = [item for item in batch if item not in suspects]
            stepwise = [item for item in stepwise if item not in suspects]
        for item, outcome in (await self._apply_in_turn(batch)).items():
            if isinstance(outcome, ByStep) and isinstance(item, FactItem):
                stepwise.append(item)
            else:
                outcomes.append((item.delivery, item.event, outcome))
        await self._acknowledger.finish(outcomes)
        for fact in stepwise:
            await self._start_steps(fact)
        for suspect in suspects:
            await self._handle_alone(suspect)

    async def _dispatch_all(
        self, deliveries: Sequence[Delivery]
    ) -> tuple[list[HandledDelivery], list[Item], list[FactItem]]:
        """Deliveries that need no handling, items for a batch, and items that go step by step."""
        outcomes: list[HandledDelivery] = []
        batch: list[Item] = []
        stepwise: list[FactItem] = []
        for delivery in deliveries:
            item = self._dispatch.read(delivery)
            self.stats.received[self.stats.label(item.event.type if item.event is not None else "")] += 1
            if isinstance(item, RejectedDelivery):
                outcomes.append((delivery, item.event, await self._failure_policy.reject(item)))
            elif isinstance(item, UnhandledItem):
                outcomes.append((delivery, item.event, await self._unhandled.end(item)))
            elif isinstance(item, FactItem) and item.plan.calls:
                stepwise.append(item)
            else:
                batch.append(item)
        return outcomes, batch, stepwise

    async def _find_suspects(self, items: Sequence[Item]) -> list[Item]:
        repeated = [item for item in items if item.delivery.may_be_repeated]
        return await self._suspects.among(repeated) if repeated else []

    async def _apply_in_turn(self, batch: list[Item]) -> dict[Item, Outcome]:
        """Apply a batch while no exclusive event runs. Each event that ends here has its share of the time."""
        await self._slots.enter()
        began = asyncio.get_running_loop().time()
        try:
            outcomes = await self._apply_batch(batch)
        finally:
            self._slots.leave()
        share = (asyncio.get_running_loop().time() - began) / max(len(batch), 1)
        for item, outcome in outcomes.items():
            if not isinstance(outcome, ByStep):
                self.stats.observe_duration(item.event.type, share)
        return outcomes

    async def _apply_batch(self, items: list[Item]) -> dict[Item, Outcome]:
        if not items:
            return {}
        try:
            return await self._batches.apply(items)
        except Exception as error:  # noqa: BLE001 - outermost: a defect met by one event must not stop the others
            if len(items) == 1:
                if isinstance(items[0], FactItem):  # meets it again step by step, where it is undone
                    return {items[0]: BY_STEP}
                _log.exception("unexpected error", extra={"event_type": items[0].event.type, "event_id": items[0].id})
                return {items[0]: await self._failure_policy.retry_or_dead_letter(items[0], error)}
            outcomes: dict[Item, Outcome] = {}
            for item in items:
                outcomes |= await self._apply_batch([item])
            return outcomes

    async def _start_steps(self, item: FactItem) -> None:
        await self._backlog.acquire()
        task = asyncio.create_task(self._run_steps(item))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run_steps(self, item: FactItem) -> None:
        try:
            async with self._slots.slot(item.plan.event):
                if self._stopping.is_set():
                    return  # not begun: the drain returns it to the queue
                outcome = await self._handle_one(item)
            await self._acknowledger.finish([(item.delivery, item.event, outcome)])
        finally:
            self._backlog.release()

    async def _handle_alone(self, item: Item) -> None:
        """Handle an event that may have crashed workers, while no other event runs that would fail with it."""
        async with self._slots.exclusive():
            if self._stopping.is_set():
                return
            died = death(item)
            _log.warning(
                "an event is handled alone: workers died while they had it",
                extra={"event_type": item.event.type, "event_id": item.id, "deliveries": item.delivery.deliveries},
            )
            try:
                if died is None:
                    await self._suspects.begin(item)
                outcome = await self._handle_one(item, died)
            except DependencyError as error:
                outcome = self._failure_policy.retry_uncounted(item, classify(error))
        await self._acknowledger.finish([(item.delivery, item.event, outcome)])

    async def _handle_one(self, item: Item, died: WorkerDied | None = None) -> Outcome:
        """The outcome of one event; `died`: the worker died of it, which is to be counted first."""
        began = asyncio.get_running_loop().time()
        try:
            if isinstance(item, FactItem):
                return await self._handlers.handle(item, died)
            if died is not None:
                return await self._failure_policy.retry_or_dead_letter(item, died)
            return (await self._apply_batch([item]))[item]
        except Exception as error:  # noqa: BLE001 - outermost: whatever it is, the event must come to an end
            _log.exception("unexpected error", extra={"event_type": item.event.type, "event_id": item.id})
            return await self._failure_policy.retry_or_dead_letter(item, error)
        finally:
            self.stats.observe_duration(item.event.type, asyncio.get_running_loop().time() - began)


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
