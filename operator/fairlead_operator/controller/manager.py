"""The running operator: kopf and informers fill stores, changes wake the queue, workers reconcile under the lease."""

import asyncio
import datetime
import random
from collections.abc import Coroutine
from functools import partial
from typing import Any

from aiohttp import web

from fairlead_operator.cache.cache import Children, ClusterCache
from fairlead_operator.cache.liveness import ServerReachability, WatchLiveness
from fairlead_operator.cache.records import CachedChild, CachedResource, Name
from fairlead_operator.cache.store import Store
from fairlead_operator.controller import health
from fairlead_operator.controller.informers import Informers
from fairlead_operator.controller.leader_election import Election, LeaseOptions
from fairlead_operator.controller.metrics import Metrics
from fairlead_operator.controller.wakeups import frees_rollout, wakeup
from fairlead_operator.controller.workers import Workers
from fairlead_operator.controller.workqueue import Priority, Schedule, WorkQueue
from fairlead_operator.front.front import Front
from fairlead_operator.front.intake import Intake
from fairlead_operator.front.missed_events import MissedEventFetcher
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import AnswerObserver, Client
from fairlead_operator.kube.credentials import Credentials
from fairlead_operator.kube.discovery import Discovery
from fairlead_operator.kube.pacing import Pacing
from fairlead_operator.plan import classes
from fairlead_operator.reasons import Reason
from fairlead_operator.reconcile.planner import Planner
from fairlead_operator.reconcile.reconciler import Reconciler
from fairlead_operator.reconcile.rollout_gate import Rollouts
from fairlead_operator.reconcile.teardown import is_left_over
from fairlead_operator.settings import Settings
from fairlead_operator.status.recorder import EventRecorder

DRAIN_SECONDS = 0.7


class Operator:
    """One replica. `run` ends when it is cancelled: workers finish first, then the lease is given up.

    With an `only_class`, classes are not read from the cluster.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        only_class: CachedResource | None = None,
        credentials: Credentials | None = None,
        observe: AnswerObserver | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock = asyncio.get_running_loop().time
        self.metrics = Metrics(workers=settings.workers, clock=clock)
        self.queue = WorkQueue(Schedule(), clock=clock, added=self.metrics.added)
        self.reachability = ServerReachability(clock=clock)
        self.election = Election(_lease_options(settings), liveness=WatchLiveness(self.reachability), clock=clock)
        credentials = credentials or Credentials(clock=clock)
        observe = observe or self.metrics.answered
        self.client = Client(
            credentials,
            in_flight=settings.requests_in_flight,
            may_write=self.election.may_write,
            observe=observe,
        )
        self.cache = ClusterCache(
            services=Store(self._service_changed),
            classes=Store(self._class_changed),
            children=Children(self._child_changed),
        )
        every = settings.discovery_seconds
        self.discovery = Discovery(self.client, changed=self._capabilities_changed, every_seconds=every)
        intakes, pacing = self._intakes(only_class), Pacing(clock=clock)
        self.front = self._make_front(credentials, intakes, pacing, observe)
        self.informers = self._make_informers(intakes, pacing)
        self._catching_up = [self._catch_up(each) for each in intakes]
        self.rollouts = Rollouts(self.cache, start=lambda name: self.queue.add(name, priority=Priority.RESYNC))
        self._event_recorder = EventRecorder(self.client, identity=settings.identity, clock=clock, now=_now)
        self.reconciler = self._make_reconciler()
        self._workers = self._make_workers()
        self._runner = self._make_runner()
        self._connect_metrics()

    async def run(self) -> None:
        """Run until cancelled."""
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._serve()
            self.informers.start()
            tasks += [asyncio.create_task(each) for each in self._background()]
            # None of them ends by itself; if one does, that is a defect, and all are better started anew.
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            await self._stop(tasks)

    def resync(self) -> None:
        """Have every resource reconciled, after what users want."""
        for name in self.cache.services:
            self.queue.add(name, priority=Priority.RESYNC)

    def unready(self) -> list[str]:
        """The kinds that have not been read yet."""
        missing = self.informers.unread()
        return missing if self.discovery.known.is_set() else ["optional kinds", *missing]

    def watches(self) -> dict[str, WatchLiveness]:
        """When the server answered about each kind, and the election."""
        return self.informers.watches() | {"Lease": self.election.liveness}

    def _make_front(
        self, credentials: Credentials, intakes: list[Intake], pacing: Pacing, observe: AnswerObserver
    ) -> Front:
        return Front(
            credentials,
            intakes,
            namespace=self._settings.namespace,
            pacing=pacing,
            observe=observe,
            restarted=self.metrics.kopf_restarted,
            clock=self._clock,
        )

    def _make_informers(self, intakes: list[Intake], pacing: Pacing) -> Informers:
        return Informers(
            self.client,
            self.cache,
            intakes,
            turn=partial(pacing.turn, yielding=True),
            namespace=self._settings.namespace,
            watch_seconds=self._settings.watch_seconds,
            reachability=self.reachability,
            clock=self._clock,
        )

    def _make_reconciler(self) -> Reconciler:
        return Reconciler(
            self.client,
            self.cache,
            planner=Planner(image=self._settings.image, runbooks=self._settings.runbooks),
            rollouts=self.rollouts,
            capabilities=self.discovery.capabilities,
            record_event=self._event_recorder.record_event,
            busy=lambda: self.queue.is_behind() or self.cache.is_rolling_out_many(),
            now=_now,
            clock=self._clock,
        )

    def _make_workers(self) -> Workers:
        return Workers(
            self.queue,
            self.metrics,
            reconcile=self.reconciler.reconcile,
            ready=self._until_ready,
            known=lambda name: self.cache.services.get(name) is not None,
        )

    def _make_runner(self) -> web.AppRunner:
        app = health.application(
            watches=self.watches,
            reachability=self.reachability,
            unready=self.unready,
            metrics=self.metrics.render,
        )
        return health.runner(app)

    def _connect_metrics(self) -> None:
        self.metrics.depth(lambda: len(self.queue.schedule))
        self.metrics.leading(self.election.held.is_set, lease=self._settings.lease_name)
        self.metrics.heard(lambda: {name: liveness.heard_at for name, liveness in self.watches().items()})

    def _intakes(self, only_class: CachedResource | None) -> list[Intake]:
        """What comes by kopf. With an `only_class`, no class is read from the cluster."""
        services = Intake(kinds.API_SERVICE, self.cache.services, clock=self._clock)
        if only_class:
            self.cache.classes.put(only_class.owner, only_class)
            return [services]
        return [services, Intake(kinds.API_SERVICE_CLASS, self.cache.classes, clock=self._clock)]

    def _catch_up(self, intakes: Intake) -> MissedEventFetcher:
        return MissedEventFetcher(
            self.client,
            intakes,
            self.front,
            is_listed=lambda: self.informers.is_listed(intakes.kind),
            is_served=lambda: self.informers.is_served(intakes.kind),
            missed=self.metrics.kopf_missed,
        )

    def _background(self) -> list[Coroutine[Any, Any, None]]:
        return [
            self.election.run(self.client),
            self.discovery.run(),
            self.informers.watch_over(),
            self.front.run(),
            *(each.run() for each in self._catching_up),
            self._resync_for_ever(),
            *(self._workers.run() for _ in range(self._settings.workers)),
        ]

    def _capabilities_changed(self) -> None:
        self.informers.serve(self.discovery.capabilities())
        self.resync()

    async def _until_ready(self) -> None:
        await self.election.held.wait()
        await self.discovery.known.wait()
        await self.informers.all_read()

    async def _resync_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.resync_seconds * random.uniform(0.9, 1.1))  # noqa: S311
            self.resync()

    def _service_changed(self, name: Name, before: CachedResource | None, after: CachedResource | None) -> None:
        if after is None:
            if before is not None:
                self._event_recorder.forget(before.uid)
            self.queue.add(name, priority=Priority.CHILD)
        elif before is None or before.pass_digest != after.pass_digest:
            is_start = not self.informers.is_read(kinds.API_SERVICE)
            self.queue.add(name, priority=Priority.RESYNC if is_start else Priority.EDIT)

    def _class_changed(self, name: Name, before: CachedResource | None, after: CachedResource | None) -> None:
        del before, after
        for each in self.cache.services.values():
            if classes.concerns(each.content, name[1]):
                self.queue.add(each.owner, priority=Priority.RESYNC)

    def _child_changed(self, name: Name, before: CachedChild | None, after: CachedChild | None) -> None:
        if frees_rollout(before, after):
            self.rollouts.wake()
        child = after or before
        if child is None or (self.cache.services.get(child.owner) is None and not is_left_over(name, child)):
            return
        is_reported = partial(self._is_fault_reported, child.owner)
        change = wakeup(before, after, is_fault_reported=is_reported, now=_now())
        if change is not None:
            self.queue.add(child.owner, priority=Priority.CHILD, urgent=change.urgent, delay=change.delay)

    def _is_fault_reported(self, owner: Name) -> bool:
        record = self.cache.services.get(owner)
        return record is not None and Reason.SCALER_FAILED.encode() in record.text

    async def _serve(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._settings.host, self._settings.port).start()

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        """Let passes under way end, for a moment; what is cut off is done again by the next leader."""
        await self._workers.drain(seconds=DRAIN_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.informers.stop()
        await self.election.release(self.client)
        await self._runner.cleanup()
        await self.client.close()


def _lease_options(settings: Settings) -> LeaseOptions:
    return LeaseOptions(
        namespace=settings.lease_namespace,
        name=settings.lease_name,
        identity=settings.identity,
        lease_seconds=settings.lease_seconds,
        renew_seconds=settings.lease_renew_seconds,
        retry_seconds=settings.lease_retry_seconds,
    )


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
