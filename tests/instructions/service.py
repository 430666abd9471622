"""The service that is counted: the real kernel, worker, SQLite store and queue, cache, metrics and JSON access log.

Wired as `fairlead_workload.service` does it, without listeners: a request is a call of the ASGI application.
"""

import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import yaml
from prometheus_client.registry import CollectorRegistry

from fairlead_contract.runtime import RuntimeDocument, derive
from fairlead_contract.spec.apiservice import ApiService
from fairlead_workload import adapters
from fairlead_workload.api.app import application
from fairlead_workload.api.health import Health, checks
from fairlead_workload.api.kernel import Kernel
from fairlead_workload.api.servers.base import Application
from fairlead_workload.bindings import Bindings
from fairlead_workload.queues.base import Queue
from fairlead_workload.telemetry import access
from fairlead_workload.telemetry.http import HttpTelemetry
from fairlead_workload.worker.loop import Worker

NEVER_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Counted:
    """A service to count. `flush` writes the lines of the access log that wait."""

    app: Application
    queue: Queue
    worker: Worker
    flush: Callable[[], None]
    close: Callable[[], Awaitable[None]]


async def open_service(resource: bytes, data_dir: Path) -> Counted:
    """Open the ApiService in this YAML. Its log is written to nowhere, when `flush` is called or its buffer is full."""
    access.FLUSH_SECONDS = NEVER_SECONDS  # else a slower machine would write more often
    document = derive(ApiService.model_validate(yaml.safe_load(resource)))
    stack = AsyncExitStack()
    bindings = await adapters.bind(
        document, await stack.enter_async_context(adapters.opened(document, adapters.Surroundings(data_dir)))
    )
    nowhere = os.open(os.devnull, os.O_WRONLY)
    telemetry = HttpTelemetry(CollectorRegistry(), access.AccessLog(lambda lines: os.write(nowhere, lines)))
    app = _application(document, bindings, telemetry)
    assert bindings.queue is not None
    return Counted(app, bindings.queue, Worker(bindings), telemetry.flush, stack.aclose)


def _application(document: RuntimeDocument, bindings: Bindings, telemetry: HttpTelemetry) -> Application:
    return application(document, Kernel(bindings, http=telemetry), Health(checks(bindings)), telemetry)
