"""Order by key for the worker: deliveries come through the gate, and endings open it for the next ones of their key.

One receive is under way at a time, whoever waits for it: an ending that makes a delivery ready wakes those who wait at
once. What is held here is renewed with all other leases, and so returned by a drain. While many deliveries are held,
nothing is received: each of them waits for one that is being handled.

An ending that raised is no end: the queue delivers the message again, and until then its key goes no further.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Protocol

from fairlead_workload.errors import DependencyError
from fairlead_workload.queues.base import Delivery, Failure, Queue
from fairlead_workload.queues.gate import AWAY_SECONDS, Gate, GivenBack
from fairlead_workload.worker.lease_renewal import LeaseRenewer

MOST_HELD = 1_000


class DeliveryQueue(Protocol):
    """What the worker needs of a queue to get deliveries and to end them."""

    async def receive(self, limit: int, *, wait_seconds: float) -> list[Delivery]: ...

    async def ack(self, deliveries: Sequence[Delivery]) -> None: ...

    async def retry(self, delivery: Delivery, *, delay_seconds: float) -> None: ...

    async def dead_letter(self, delivery: Delivery, failure: Failure) -> None: ...


class KeyOrder:
    """The queue as the worker uses it where its order is Key."""

    def __init__(self, queue: Queue, lease_renewer: LeaseRenewer, *, clock: Callable[[], float] = monotonic) -> None:
        self._queue = queue
        self._lease_renewer = lease_renewer
        self._clock = clock
        lease_seconds = queue.lease_seconds or 0.0
        self._gate = Gate(remembers=not queue.blocks_keys, away_seconds=AWAY_SECONDS + lease_seconds)
        # Where keys are blocked, what follows a failed ending cannot be delivered too early.
        self._unended_seconds = 0.0 if queue.blocks_keys else lease_seconds
        self._receiving: asyncio.Task[list[Delivery]] | None = None
        self._opened = asyncio.Event()  # a delivery has become ready

    async def receive(self, limit: int, *, wait_seconds: float) -> list[Delivery]:
        """What may be handled now, waiting up to `wait_seconds` for the first."""
        if not self._gate.ready:
            await self._await_delivery(limit, wait_seconds)
        return self._gate.take(limit)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """As the queue's."""
        try:
            await self._queue.ack(deliveries)
        except BaseException:
            await self._unended(deliveries)
            raise
        await self._ended(deliveries)

    async def retry(self, delivery: Delivery, *, delay_seconds: float) -> None:
        """As the queue's. What is held behind it goes back with it."""
        back = self._gate.returned(delivery, delay_seconds=delay_seconds, now=self._clock())
        try:
            await self._queue.retry(delivery, delay_seconds=delay_seconds)
        finally:
            await self._give_back(back)

    async def dead_letter(self, delivery: Delivery, failure: Failure) -> None:
        """As the queue's."""
        try:
            await self._queue.dead_letter(delivery, failure)
        except BaseException:
            await self._unended([delivery])
            raise
        await self._ended([delivery])

    async def stop(self) -> None:
        """Receive no more. What was received meanwhile is among the leases that the drain returns."""
        receiving = self._receiving
        if receiving is None:
            return
        receiving.cancel()
        await asyncio.wait([receiving])
        if receiving is not self._receiving:
            return  # stopped twice at once
        self._receiving = None
        if not receiving.cancelled() and receiving.exception() is None:
            self._lease_renewer.add(receiving.result())

    async def _await_delivery(self, limit: int, wait_seconds: float) -> None:
        self._opened.clear()
        opened = asyncio.create_task(self._opened.wait())
        try:
            if self._gate.held >= MOST_HELD:
                await asyncio.wait([opened], timeout=wait_seconds)
                return
            receiving = self._receiving
            if receiving is None:
                receiving = asyncio.create_task(self._queue.receive(limit, wait_seconds=wait_seconds))
                self._receiving = receiving
            await asyncio.wait([receiving, opened], return_when=asyncio.FIRST_COMPLETED)
            if receiving.done() and receiving is self._receiving:
                self._receiving = None
                await self._admit(receiving.result())
        finally:
            opened.cancel()

    async def _admit(self, deliveries: Sequence[Delivery]) -> None:
        self._lease_renewer.add(deliveries)
        await self._give_back(self._gate.admit(deliveries, now=self._clock()))
        self._wake()

    async def _ended(self, deliveries: Sequence[Delivery]) -> None:
        now = self._clock()
        back = [one for delivery in deliveries for one in self._gate.ended(delivery, now=now)]
        self._wake()
        await self._give_back(back)

    async def _unended(self, deliveries: Sequence[Delivery]) -> None:
        now, delay = self._clock(), self._unended_seconds
        await self._give_back(
            [one for each in deliveries for one in self._gate.returned(each, delay_seconds=delay, now=now)]
        )

    async def _give_back(self, back: Sequence[GivenBack]) -> None:
        """Return these to the queue; where that fails, their leases run out."""
        self._lease_renewer.remove([one.delivery for one in back])
        for one in back:
            with suppress(DependencyError):
                await self._queue.retry(one.delivery, delay_seconds=one.delay_seconds)

    def _wake(self) -> None:
        if self._gate.ready:
            self._opened.set()
