"""The running operator: informers fill the stores, changes wake the queue, and workers reconcile under the lease."""

import asyncio
import contextvars
import datetime
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from fairlead_contract import names
from fairlead_operator import health, kinds
from fairlead_operator.announcements import Announcer
from fairlead_operator.cluster.client import Client, Observer
from fairlead_operator.cluster.credentials import Credentials
from fairlead_operator.cluster.discovery import Discovery
from fairlead_operator.cluster.informer import Informer
from fairlead_operator.cluster.lease import Election, Terms
from fairlead_operator.cluster.store import Child, Name, Store, Whole
from fairlead_operator.cluster.workqueue import Priority, Schedule, WorkQueue
from fairlead_operator.cluster.world import World, child_stores
from fairlead_operator.errors import NotLeading, OperatorError, Refused
from fairlead_operator.facts import OF_KIND, JobEnd, Rollout
from fairlead_operator.kinds import Kind
from fairlead_operator.logs import RESOURCE
from fairlead_operator.metrics import Metrics
from fairlead_operator.prepare import Preparer
from fairlead_operator.reconcile import Reconciler
from fairlead_operator.rollouts import Rollouts
from fairlead_operator.settings import Settings
from fairlead_operator.teardown import is_left_over

LOG = logging.getLogger(__name__)
DRAIN_SECONDS = 0.7
# Nothing tells when rights, a quota or a policy change.
REFUSED_SECONDS = 8.0
AnyInformer = Informer[Child] | Informer[Whole]


class Operator:
    """One replica. `run` ends when it is cancelled: workers finish first, then the lease is given up.

    With an `only_class`, classes are not read from the cluster.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        only_class: Whole | None = None,
        credentials: Credentials | None = None,
        observe: Observer | None = None,
    ) -> None:
        self._settings = settings
        self._only_class = only_class
        self._clock = clock = asyncio.get_running_loop().time
        self.metrics = Metrics(workers=settings.workers, clock=clock)
        self.queue = WorkQueue(Schedule(), clock=clock, added=self.metrics.added)
        self.metrics.depth(lambda: len(self.queue.schedule))
        self.election = Election(_terms(settings), clock=clock)
        self.client = Client(
            credentials or Credentials(clock=clock),
            in_flight=settings.requests_in_flight,
            may_write=self.election.may_write,
            observe=observe or self.metrics.answered,
        )
        self.world = World(
            services=Store(self._service_changed),
            classes=Store(self._class_changed),
            children=child_stores(self._child_changed),
        )
        self.rollouts = Rollouts(self.world, start=lambda name: self.queue.add(name, priority=Priority.RESYNC))
        every = settings.discovery_seconds
        self.discovery = Discovery(self.client, changed=self._capabilities_changed, every_seconds=every)
        self._draining = False
        self._passing: set[asyncio.Task[None]] = set()
        self._informers: dict[Kind, AnyInformer] = {}
        self._running: dict[Kind, asyncio.Task[None]] = {}
        app = health.application(beats=self.beats, unready=self.unready, metrics=self.metrics.render, clock=clock)
        self.metrics.leading(self.election.held.is_set, lease=settings.lease_name)
        self.metrics.beats(self.beats)
        self._runner = web.AppRunner(app, access_log=None)
        self._announcer = Announcer(self.client, identity=settings.identity, clock=clock, now=_now)
        self.reconciler = Reconciler(
            self.client,
            self.world,
            preparer=Preparer(image=settings.image),
            rollouts=self.rollouts,
            capabilities=self.discovery.capabilities,
            announce=self._announcer.announce,
            now=_now,
        )

    async def run(self) -> None:
        """Run until cancelled."""
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._serve()
            tasks += [asyncio.create_task(each) for each in self._background()]
            tasks += [asyncio.create_task(self._work()) for _ in range(self._settings.workers)]
            # None of them ends by itself; if one does, that is a defect, and all are better started anew.
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            await self._stop(tasks)

    def resync(self) -> None:
        """Have every resource reconciled, after what users want."""
        for name in self.world.services:
            self.queue.add(name, priority=Priority.RESYNC)

    def unready(self) -> list[str]:
        """The kinds that have not been read yet."""
        missing = [kind.name for kind, informer in self._informers.items() if not informer.synced.is_set()]
        return sorted(missing) if self.discovery.known.is_set() else ["optional kinds", *sorted(missing)]

    def beats(self) -> dict[str, float]:
        """When each watch, and the election, was last heard of."""
        found = {kind.name: informer.beat_at for kind, informer in self._informers.items()}
        return found | {"Lease": self.election.beat_at}

    def _background(self) -> list[Coroutine[Any, Any, None]]:
        self._start(kinds.API_SERVICE, self._inform(kinds.API_SERVICE, self.world.services, Whole.read, selector=""))
        self._start_classes()
        for kind in kinds.CHILDREN:
            if not kind.capability:
                self._start_child(kind)
        return [self.election.run(self.client), self.discovery.run(), self._resync_for_ever(), self._watch_over()]

    def _start_classes(self) -> None:
        kind, store, only = kinds.API_SERVICE_CLASS, self.world.classes, self._only_class
        if only:
            store.put(only.owner, only)
        else:
            self._start(kind, self._inform(kind, store, Whole.read, selector=""))

    def _start_child(self, kind: Kind) -> None:
        facts = OF_KIND.get(kind.name)
        store = self.world.children[kind]
        self._start(kind, self._inform(kind, store, lambda live: Child.read(live, facts), selector=names.LABEL_APISVC))

    def _inform(self, kind: Kind, store: Store[Any], read: Callable[[Any], Any], *, selector: str) -> Informer[Any]:
        return Informer(
            self.client,
            kind,
            store,
            read=read,
            selector=selector,
            namespace=self._settings.namespace if kind.namespaced else "",
            watch_seconds=self._settings.watch_seconds,
            clock=self._clock,
        )

    def _start(self, kind: Kind, informer: AnyInformer) -> None:
        self._informers[kind] = informer
        self._running[kind] = asyncio.create_task(informer.run())

    async def _watch_over(self) -> None:
        """An informer never ends by itself: pass on a defect, so that the process does not go on blind."""
        while True:
            await asyncio.sleep(1.0)
            for task in list(self._running.values()):
                if task.done() and not task.cancelled():
                    task.result()

    def _capabilities_changed(self) -> None:
        served = self.discovery.capabilities()
        for kind in kinds.CHILDREN:
            if not kind.capability:
                continue
            if getattr(served, kind.capability) and kind not in self._informers:
                self._start_child(kind)
            elif not getattr(served, kind.capability) and kind in self._informers:
                self._running.pop(kind).cancel()
                del self._informers[kind]
                self.world.children[kind].clear()
        self.resync()

    async def _work(self) -> None:
        while True:
            await self._until_ready()
            name = await self.queue.get()
            if self._draining:
                self.queue.done(name)
                return
            # The lease may have been lost while nothing was due.
            await self._until_ready()
            passing = asyncio.create_task(self._pass(name), context=_about(name))
            self._passing.add(passing)
            passing.add_done_callback(self._passing.discard)
            await asyncio.wait([passing])

    async def _until_ready(self) -> None:
        await self.election.held.wait()
        await self.discovery.known.wait()
        for informer in list(self._informers.values()):
            await informer.synced.wait()

    async def _pass(self, name: Name) -> None:
        self.metrics.started(name, waited_seconds=self.queue.waited_seconds(name))
        result, again = "error", None
        try:
            again = await self.reconciler.reconcile(name)
            result = "success" if again is None else "requeue_after"
        except NotLeading:
            # No failure of the resource's: it goes on when we lead again.
            LOG.info("not leading any more")
            result, again = "requeue_after", 0.0
        except Refused as error:
            again = REFUSED_SECONDS
            LOG.warning("the API server refuses children", extra={"error": str(error)})
        except OperatorError as error:
            LOG.warning("the pass failed", extra={"error": str(error)})
        except Exception:  # outermost loop: one resource that meets a defect must not keep the others waiting
            LOG.exception("the pass met a defect")
        finally:
            self.metrics.finished(name, result=result)
            self.queue.done(name, failed=result == "error", requeue_seconds=again)
        if self.world.services.get(name) is None:
            self.queue.schedule.forget(name)

    async def _resync_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.resync_seconds * random.uniform(0.9, 1.1))  # noqa: S311
            self.resync()

    def _service_changed(self, name: Name, before: Whole | None, after: Whole | None) -> None:
        if after is None:
            if before is not None:
                self._announcer.forget(before.uid)
            self.queue.add(name, priority=Priority.CHILD)
        elif before is None or _meaning(before.content) != _meaning(after.content):
            is_start = not self._informers[kinds.API_SERVICE].synced.is_set()
            self.queue.add(name, priority=Priority.RESYNC if is_start else Priority.EDIT)

    def _class_changed(self, name: Name, before: Whole | None, after: Whole | None) -> None:
        del before, after
        for service, record in ((each.owner, each.content) for each in self.world.services.values()):
            chosen = record["spec"].get("className") or record.get("status", {}).get("className")
            if chosen in (None, name[1]):
                self.queue.add(service, priority=Priority.RESYNC)

    def _child_changed(self, name: Name, before: Child | None, after: Child | None) -> None:
        changed = after or before
        if changed is not None and isinstance(changed.facts, Rollout) and (after is None or changed.facts.complete):
            self.rollouts.wake()
        if changed is None or (self.world.services.get(changed.owner) is None and not is_left_over(name, changed)):
            return
        if before is not None and after is not None and _same(before, after):
            return
        ended = isinstance(changed.facts, JobEnd) and (after is None or changed.facts.state != "Running")
        self.queue.add(changed.owner, priority=Priority.CHILD, urgent=ended)

    async def _serve(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._settings.host, self._settings.port).start()

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        """Let passes under way end, for a moment; what is cut off is done again by the next leader."""
        self._draining = True
        if self._passing:
            await asyncio.wait(self._passing, timeout=DRAIN_SECONDS)
        everything = [*tasks, *self._passing, *self._running.values()]
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
        await self.election.release(self.client)
        await self._runner.cleanup()
        await self.client.close()


def _terms(settings: Settings) -> Terms:
    return Terms(
        namespace=settings.lease_namespace,
        name=settings.lease_name,
        identity=settings.identity,
        lease_seconds=settings.lease_seconds,
        renew_seconds=settings.lease_renew_seconds,
        retry_seconds=settings.lease_retry_seconds,
    )


def _about(name: Name) -> contextvars.Context:
    """A context whose log lines carry the resource's name."""
    context = contextvars.copy_context()
    context.run(RESOURCE.set, "/".join(name))
    return context


def _meaning(content: dict[str, Any]) -> tuple[object, ...]:
    metadata = content["metadata"]
    return (
        metadata["uid"],
        metadata.get("generation"),
        metadata.get("annotations"),
        metadata.get("finalizers"),
        metadata.get("deletionTimestamp"),
        content.get("status"),
    )


def _same(before: Child, after: Child) -> bool:
    return (before.uid, before.owner_uid, before.deleting, before.digest, before.facts, before.owner) == (
        after.uid,
        after.owner_uid,
        after.deleting,
        after.digest,
        after.facts,
        after.owner,
    )


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
