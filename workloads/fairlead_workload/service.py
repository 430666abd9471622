"""One ApiService, running: opens what it is bound to, starts API and worker, and drains them. The composition root.

Order of a stop: readiness turns false, the listener takes no more requests, requests in flight finish, the worker gives
back what it holds, the outbox is published, the stores close.
"""

import asyncio
import os
import sys
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from enum import StrEnum
from pathlib import Path
from typing import Any

from prometheus_client.registry import CollectorRegistry

from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.api import Protocol
from fairlead_workload import adapters
from fairlead_workload.api.app import application
from fairlead_workload.api.health import Health, checks
from fairlead_workload.api.kernel import Kernel
from fairlead_workload.api.pages.admin import admin
from fairlead_workload.api.servers.base import MAX_CONNECTIONS, HttpLimits, Server, bind
from fairlead_workload.api.servers.granian import GranianServer
from fairlead_workload.api.servers.open_files import ADMIN_CONNECTIONS
from fairlead_workload.api.servers.uvicorn import UvicornServer
from fairlead_workload.bindings import Bindings
from fairlead_workload.stores.base import OutboxSource
from fairlead_workload.telemetry import logs, metrics
from fairlead_workload.telemetry.access import AccessLog
from fairlead_workload.telemetry.http import HttpTelemetry
from fairlead_workload.telemetry.metrics import ConnectionMetrics, Depths, ProcessMetrics
from fairlead_workload.worker.calls.client import ServiceMap
from fairlead_workload.worker.loop import Worker

LISTENER_SHARE = 0.5  # of the grace period at most, for requests in flight, where a worker has to end after them


class Role(StrEnum):
    """What a process does for its ApiService."""

    API = "api"
    WORKER = "worker"


EVERYTHING = frozenset(Role)


class Service:
    """One ApiService in this process. Made by `open`, then `start`, `wait`, `stop`."""

    def __init__(
        self, stack: AsyncExitStack, *, public: Server | None, private: Server, worker: Worker | None, health: Health
    ) -> None:
        self._stack = stack
        self._public = public
        self._private = private
        self._worker = worker
        self._health = health
        self._background: list[Coroutine[Any, Any, None]] = []
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def open(
        cls,
        document: RuntimeDocument,
        *,
        data_dir: Path,
        host: str = "127.0.0.1",
        port: int = 8080,
        admin_port: int = 9090,
        services: Mapping[str, str] | None = None,
        log_format: logs.Form = "json",
        roles: frozenset[Role] = EVERYTHING,
        max_connections: int = MAX_CONNECTIONS,
    ) -> "Service":
        """Take the ports, open the stores and wire everything. Port 0 is any free one. Raises Misconfigured.

        `services` gives the base URL of services that handlers call; others are found by the DNS of the namespace.
        `max_connections` is of the public listener.
        """
        async with AsyncExitStack() as stack:
            serves = Role.API in roles
            listener = bind(host, port) if serves else None
            if listener is not None:
                stack.callback(listener.close)
            private_listener = bind(host, admin_port, name="admin port")
            stack.callback(private_listener.close)
            opened = await stack.enter_async_context(adapters.opened(document, data_dir=data_dir))
            bindings = await adapters.bind(document, opened)
            for cache in bindings.caches.values():
                stack.push_async_callback(cache.close)
            worker = _worker(bindings, services) if Role.WORKER in roles and document.queue is not None else None
            health = Health(checks(bindings))
            registry, process = CollectorRegistry(), ProcessMetrics()
            outbox = opened.store if isinstance(opened.store, OutboxSource) else None
            depths = Depths(opened.queue, outbox) if worker is not None else Depths(None, None)
            stats = worker.stats if worker is not None else None
            metrics.register(
                registry, bindings, health=health, process=process, depths=depths, disk=opened.disk, worker=stats
            )
            public = None
            if listener is not None:
                telemetry = HttpTelemetry(registry, _access_log(stack, log_format))
                kernel = Kernel(bindings, http=telemetry)
                http2 = document.api.protocol is Protocol.H2C
                limits = HttpLimits(max_connections=max_connections)
                app = application(document, kernel, health, telemetry)
                public = GranianServer(app, listener, limits=limits, http2=http2)
                registry.register(ConnectionMetrics(max_connections))
            private_limits = HttpLimits(max_connections=ADMIN_CONNECTIONS)
            private = UvicornServer(admin(health, registry), private_listener, limits=private_limits)
            service = cls(stack.pop_all(), public=public, private=private, worker=worker, health=health)
            service._background = [health.run(), process.run(), depths.run()]
            return service
        raise AssertionError("unreachable")  # the stack swallows nothing

    @property
    def url(self) -> str:
        """Base URL of the API; empty when this process serves none."""
        return _url(self._public) if self._public is not None else ""

    @property
    def admin_url(self) -> str:
        """Base URL of the admin listener."""
        return _url(self._private)

    async def start(self) -> None:
        """Serve and work from now on. Raises Misconfigured."""
        await self._health.check()
        await self._private.start()
        if self._public is not None:
            await self._public.start()
        if self._worker is not None:
            self._tasks.append(asyncio.create_task(self._worker.run(), name="worker"))
        self._tasks += [asyncio.create_task(work) for work in self._background]
        self._background = []

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
        await self._private.stop(1.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for work in self._background:
            work.close()
        await self._stack.aclose()


def _worker(bindings: Bindings, services: Mapping[str, str] | None) -> Worker:
    return Worker(bindings, services=ServiceMap(bindings.document.namespace, services))


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
