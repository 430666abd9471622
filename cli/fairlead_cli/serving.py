"""`fairlead run`: one process that serves every ApiService of the files, until a signal.

Decided here: services open in order and start together; ports count up; the first signal drains, a second one ends the
process at once with 128 + its number; whatever cannot be served is one message and exit code 1.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import uvloop

from fairlead_cli import announcement, embedded
from fairlead_cli.documents import Document
from fairlead_cli.notices import Notice
from fairlead_contract.findings import Finding
from fairlead_contract.model import seconds
from fairlead_contract.resources import ApiService
from fairlead_contract.runtime import RuntimeDocument
from fairlead_workload.errors import FairleadError, Misconfigured
from fairlead_workload.service import Service
from fairlead_workload.telemetry import logs

LogFormat = Literal["console", "json"]
FLUSH_SECONDS = 5.0  # on top of the longest handler: closing stores and connections


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve. `services` maps the services that handlers call to their URLs."""

    host: str
    port: int
    admin_port: int
    data_dir: Path | None
    services: Mapping[str, str]
    log_format: LogFormat


@dataclass(frozen=True, slots=True)
class Plan:
    """One ApiService to serve: where it came from, its runtime document, its folder and its ports."""

    origin: Document
    document: RuntimeDocument
    data_dir: Path
    port: int
    admin_port: int

    @property
    def grace_seconds(self) -> float:
        return (seconds(self.document.worker.timeout) if self.document.worker else 0.0) + FLUSH_SECONDS

    def notice(self, error: Misconfigured) -> Notice:
        return self.origin.notice(Finding(error.path, error.message, remedy=error.remedy))


class NotServed(Exception):  # noqa: N818 - says what, not that it went wrong
    """One of the services cannot be served; carries the line to print."""

    def __init__(self, notice: Notice) -> None:
        super().__init__(str(notice))
        self.notice = notice


def plan(services: Sequence[tuple[Document, ApiService]], options: Options) -> list[Plan]:
    """What to serve where. Port 0 (any free one) does not count up."""
    return [
        Plan(
            origin=origin,
            document=embedded.embed(resource),
            data_dir=embedded.data_dir(resource, options.data_dir, alone=len(services) == 1),
            port=options.port + position if options.port else 0,
            admin_port=options.admin_port + position if options.admin_port else 0,
        )
        for position, (origin, resource) in enumerate(services)
    ]


def serve(plans: Sequence[Plan], options: Options) -> int:
    """Serve until a signal. Returns the exit code."""
    logs.configure(options.log_format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(plans, options))
        except NotServed as error:
            print(error.notice, file=sys.stderr)  # noqa: T201
            return 1
    return 0


async def _serve(plans: Sequence[Plan], options: Options) -> None:
    stopping = _stop_on_signals()
    async with AsyncExitStack() as stack:
        running: list[tuple[Plan, Service]] = []
        for each in plans:
            service = await _open(each, options)
            stack.push_async_callback(service.stop, grace_seconds=each.grace_seconds)
            running.append((each, service))
        for each, service in running:
            await _start(each, service)
        gc.collect()
        gc.freeze()  # what start-up made lives as long as the process; collections need not walk it
        _announce(running, options)
        await _until(stopping, running)


async def _open(each: Plan, options: Options) -> Service:
    try:
        return await Service.open(
            each.document,
            data_dir=each.data_dir,
            host=options.host,
            port=each.port,
            admin_port=each.admin_port,
            services=options.services,
            log_format=options.log_format,
        )
    except Misconfigured as error:
        raise NotServed(each.notice(error)) from None
    except FairleadError as error:
        raise NotServed(each.notice(Misconfigured(str(each.data_dir), str(error)))) from None


async def _start(each: Plan, service: Service) -> None:
    try:
        await service.start()
    except Misconfigured as error:
        raise NotServed(each.notice(error)) from None


def _announce(running: Sequence[tuple[Plan, Service]], options: Options) -> None:
    """On standard output for people; log lines in JSON are for programs, which read no announcement."""
    if options.log_format == "console":
        for each, service in running:
            text = announcement.announce(each.document, url=service.url, admin_url=service.admin_url)
            print(f"\n{text}\n\nStop with Ctrl-C.\n", flush=True)  # noqa: T201


async def _until(stopping: asyncio.Event, running: Sequence[tuple[Plan, Service]]) -> None:
    """Return on a signal; raise NotServed when a service ends by itself."""
    stop: asyncio.Task[Any] = asyncio.create_task(stopping.wait())
    waits: dict[asyncio.Task[Any], Plan] = {asyncio.create_task(service.wait()): each for each, service in running}
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
    raise NotServed(waits[task].origin.notice(Finding("", message)))


def _stop_on_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    return stopping
