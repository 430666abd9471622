"""A process that runs ApiServices: takes their ports in order, starts them together, waits for a signal, and drains.

The first SIGINT or SIGTERM drains, a second one ends the process at once with 128 + its number; one service that cannot
be served, or that ends by itself, ends them all. The images and `fairlead run` both live here.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import uvloop

from fairlead_contract.findings import Finding
from fairlead_workload.api.servers import open_files
from fairlead_workload.errors import FairleadError, Misconfigured
from fairlead_workload.process import garbage
from fairlead_workload.service import Role, Service, Workload

_log = logging.getLogger(__name__)


class NotServed(Exception):
    """One of the workloads cannot be served, or ended by itself; `finding` says why."""

    def __init__(self, workload: Workload, finding: Finding) -> None:
        super().__init__(f"{finding.path}: {finding.message}")
        self.workload = workload
        self.finding = finding


def run(workloads: Sequence[Workload], *, on_started: Callable[[Sequence[Service]], None]) -> None:
    """Run until a signal. `on_started` is called once, when all of them serve. Raises NotServed."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(workloads, on_started))


async def _run(workloads: Sequence[Workload], on_started: Callable[[Sequence[Service]], None]) -> None:
    stopping = _stop_on_signals()
    max_connections = _max_connections(workloads)
    async with AsyncExitStack() as stack:
        running: list[tuple[Workload, Service]] = []
        for workload in workloads:
            service = _made(workload, max_connections)
            stack.push_async_callback(service.stop, grace_seconds=workload.grace_seconds)
            running.append((workload, service))
        if await _started(stopping, running):
            garbage.freeze_gc()
            on_started([service for _, service in running])
            await _until(stopping, running)
    _log.info("stopped")


async def _started(stopping: asyncio.Event, running: Sequence[tuple[Workload, Service]]) -> bool:
    """Start all of them. False: a signal came first. Raises NotServed."""
    stop: asyncio.Task[Any] = asyncio.create_task(stopping.wait())
    starting = {asyncio.create_task(_start(workload, service)) for workload, service in running}
    pending = {stop, *starting}
    while not stop.done() and pending != {stop} and not any(task.done() and task.exception() for task in starting):
        _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    if stop in pending:  # no signal came
        for task in starting:
            task.result()
    return stop in pending


def _max_connections(workloads: Sequence[Workload]) -> int:
    """Of each public listener, so that all of them have enough files to open."""
    try:
        return open_files.connections(
            services=len(workloads),
            listeners=sum(Role.API in workload.roles for workload in workloads),
            calls=sum(workload.max_calls for workload in workloads),
        )
    except Misconfigured as error:
        raise NotServed(workloads[0], error.finding) from None


def _made(workload: Workload, max_connections: int) -> Service:
    try:
        return Service(workload, max_connections=max_connections)
    except Misconfigured as error:
        raise NotServed(workload, error.finding) from None


async def _start(workload: Workload, service: Service) -> None:
    try:
        await service.start()
    except Misconfigured as error:
        raise NotServed(workload, error.finding) from None
    except FairleadError as error:
        raise NotServed(workload, Finding(str(workload.surroundings.data_dir), str(error))) from None


async def _until(stopping: asyncio.Event, running: Sequence[tuple[Workload, Service]]) -> None:
    """Return on a signal; raise NotServed when a service ends by itself."""
    stop: asyncio.Task[Any] = asyncio.create_task(stopping.wait())
    waits: dict[asyncio.Task[Any], Workload] = {asyncio.create_task(service.wait()): each for each, service in running}
    done, pending = await asyncio.wait({stop, *waits}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    if stop in done:
        return
    task = next(task for task in waits if task in done)
    failure = task.exception()
    if failure is not None and not isinstance(failure, FairleadError):
        raise failure
    message = str(failure) if failure else "the service ended by itself; its log says why"
    raise NotServed(waits[task], Finding("", message))


def _stop_on_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()
        _log.info(
            "finishing what is under way; a second signal stops at once", extra={"signal": signal.Signals(number).name}
        )

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    return stopping
