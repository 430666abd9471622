"""One ApiService, running: takes its ports, opens what it is bound to, starts API and worker, and drains them. The
composition root.

A dependency that does not answer at the start is waited for: `/health` answers meanwhile, and `/ready` says what is
missing. Order of a stop: readiness turns false, the listener takes no more requests, requests in flight finish, the
worker gives back what it holds, the outbox is published, the stores close.
"""

import asyncio
import os
import random
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client.registry import CollectorRegistry

from fairlead_contract.runtime import RuntimeDocument, drain_seconds
from fairlead_contract.spec.api import Protocol
from fairlead_workload import adapters
from fairlead_workload.adapters import Adapters, Surroundings
from fairlead_workload.api.app import application
from fairlead_workload.api.health import Health, checks
from fairlead_workload.api.kernel import Kernel
from fairlead_workload.api.pages.admin import admin
from fairlead_workload.api.servers.base import MAX_CONNECTIONS, HttpLimits, Server, bind
from fairlead_workload.api.servers.granian import GranianServer
from fairlead_workload.api.servers.open_files import ADMIN_CONNECTIONS
from fairlead_workload.api.servers.uvicorn import UvicornServer
from fairlead_workload.bindings import Bindings
from fairlead_workload.errors import Unavailable
from fairlead_workload.stores.base import OutboxSource
from fairlead_workload.telemetry import logs, metrics
from fairlead_workload.telemetry.access import AccessLog
from fairlead_workload.telemetry.http import HttpTelemetry
from fairlead_workload.telemetry.metrics import ConnectionMetrics, Depths, ProcessMetrics
from fairlead_workload.worker.calls.client import ServiceMap
from fairlead_workload.worker.loop import Worker
from fairlead_workload.worker.relay import Relay, relay_of

COMMIT_SECONDS = 3.0  # on top of the longest handler: for storing what it did
LISTENER_SHARE = 0.5  # of the grace period at most, for requests in flight, where a worker has to end after them
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 5.0  # between attempts to open what does not answer


class Role(StrEnum):
    """What a process does for its ApiService."""

    API = "api"
    WORKER = "worker"


EVERYTHING = frozenset(Role)


@dataclass(frozen=True, slots=True)
class Workload:
    """One ApiService to run in this process, and where. Port 0 is any free one.

    `services` gives the base URL of services that handlers call; others are found by the DNS of the namespace.
    """

    document: RuntimeDocument
    surroundings: Surroundings
    host: str = "127.0.0.1"
    port: int = 8080
    admin_port: int = 9090
    services: Mapping[str, str] | None = None
    log_format: logs.Form = "json"
    roles: frozenset[Role] = EVERYTHING

    @property
    def grace_seconds(self) -> float:
        """Longest that it may drain."""
        serves, works = Role.API in self.roles, Role.WORKER in self.roles
        return drain_seconds(self.document, serves=serves, works=works) + COMMIT_SECONDS

    @property
    def max_calls(self) -> int:
        """Most connections to called services: one for each handler at work, and one that is kept for the next."""
        worker = self.document.worker
        return 2 * worker.concurrency if worker is not None and Role.WORKER in self.roles else 0


class Service:
    """One ApiService in this process. Made, which takes its ports; then `start`, `wait`, `stop`."""

    def __init__(self, workload: Workload, *, max_connections: int = MAX_CONNECTIONS) -> None:
        """Raises `Misconfigured` when a port cannot be had. `max_connections` is of the public listener."""
        self._workload = workload
        self._max_connections = max_connections
        self._stack = AsyncExitStack()
        self._registry = CollectorRegistry()
        self._process = ProcessMetrics()
        self._health = Health()
        self._public: Server | None = None
        self._worker: Worker | None = None
        self._relay: Relay | None = None  # of a process without a worker
        self._tasks: list[asyncio.Task[None]] = []
        serves = Role.API in workload.roles
        self._listener = bind(workload.host, workload.port) if serves else None
        try:
            private_listener = bind(workload.host, workload.admin_port, name="admin port")
        except BaseException:
            if self._listener is not None:
                self._listener.close()
            raise
        for listener in (self._listener, private_listener):
            if listener is not None:
                self._stack.callback(listener.close)
        metrics.register_process(self._registry, self._process, self._health)
        private_limits = HttpLimits(max_connections=ADMIN_CONNECTIONS)
        self._private = UvicornServer(admin(self._health, self._registry), private_listener, limits=private_limits)

    @property
    def url(self) -> str:
        """Base URL of the API; empty when this process serves none."""
        return _url(self._public) if self._public is not None else ""

    @property
    def admin_url(self) -> str:
        """Base URL of the admin listener."""
        return _url(self._private)

    async def start(self) -> None:
        """Serve and work from now on; waits until what it is bound to answers. Raises Misconfigured."""
        await self._private.start()
        self._tasks.append(asyncio.create_task(self._process.run()))
        opened, bindings = await self._opened()
        self._health.watch(checks(bindings))
        await self._health.check()
        self._wire(opened, bindings)
        if self._public is not None:
            await self._public.start()
        if self._worker is not None:
            self._tasks.append(asyncio.create_task(self._worker.run(), name="worker"))
        elif self._relay is not None:
            self._tasks.append(asyncio.create_task(self._relay.run(), name="relay"))
        self._tasks.append(asyncio.create_task(self._health.run()))

    async def _opened(self) -> tuple[Adapters, Bindings]:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await self._open()
            except Unavailable as error:
                self._health.wait_for(error.dependency, error.message, reason=error.reason)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _open(self) -> tuple[Adapters, Bindings]:
        document = self._workload.document
        async with AsyncExitStack() as stack:
            opened = await stack.enter_async_context(adapters.opened(document, self._workload.surroundings))
            bindings = await adapters.bind(document, opened)
            for cache in bindings.caches.values():
                stack.push_async_callback(cache.close)
            self._stack.push_async_callback(stack.pop_all().aclose)
            return opened, bindings
        raise AssertionError("unreachable")  # the stack swallows nothing

    def _wire(self, opened: Adapters, bindings: Bindings) -> None:
        """Make API, worker and relay of what is opened."""
        document, roles = bindings.document, self._workload.roles
        if Role.WORKER in roles and document.queue is not None:
            self._worker = Worker(bindings, services=ServiceMap(document.namespace, self._workload.services))
        self._relay = self._worker.relay if self._worker is not None else relay_of(bindings)
        depths = None
        if self._worker is not None:
            depths = Depths(opened.queue, opened.store if isinstance(opened.store, OutboxSource) else None)
            self._tasks.append(asyncio.create_task(depths.run()))
        metrics.register(
            self._registry,
            bindings,
            depths=depths,
            disk=opened.disk,
            relay=self._relay.stats if self._relay is not None else None,
            worker=self._worker.stats if self._worker is not None else None,
        )
        if self._listener is not None:
            telemetry = HttpTelemetry(self._registry, _access_log(self._stack, self._workload.log_format))
            app = application(document, Kernel(bindings, http=telemetry), self._health, telemetry)
            limits = HttpLimits(max_connections=self._max_connections)
            http2 = document.api.protocol is Protocol.H2C
            self._public = GranianServer(app, self._listener, limits=limits, http2=http2)
            self._registry.register(ConnectionMetrics(self._max_connections))

    async def wait(self) -> None:
        """Return when a listener or the worker has ended by itself; raise what ended it."""
        ends = [asyncio.create_task(server.wait()) for server in (self._public, self._private) if server is not None]
        try:
            done, _ = await asyncio.wait([*ends, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
        for task in done:
            task.result()

    async def stop(self, *, grace_seconds: float) -> None:
        """Drain within about `grace_seconds`, then release all resources. Also for a service that was never started."""
        self._health.drain()
        clock = asyncio.get_running_loop().time
        deadline = clock() + grace_seconds
        if self._public is not None:
            await self._public.stop(grace_seconds if self._worker is None else grace_seconds * LISTENER_SHARE)
        if self._worker is not None:
            await self._worker.drain(deadline - clock())
        elif self._relay is not None:
            await self._relay.drain()
        await self._private.stop(1.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()


def _access_log(stack: AsyncExitStack, form: logs.Form) -> AccessLog:
    def write(lines: bytes) -> None:
        # Straight to the descriptor; EPIPE must not fail a request.
        view = memoryview(lines)
        try:
            while view:
                view = view[os.write(sys.stdout.fileno(), view) :]
        except OSError:
            return

    log = AccessLog(write, form=form)
    stack.callback(log.close)
    return log


def _url(server: Server) -> str:
    host, port = server.address
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"
