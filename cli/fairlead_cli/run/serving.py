"""`fairlead run`: one process that serves every ApiService of the files, until a signal.

Ports count up; what is served is announced on standard output; whatever cannot be served is one message and exit code
1.
"""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fairlead_cli.input.documents import Document
from fairlead_cli.run import announcement, embedded
from fairlead_contract.runtime import derive
from fairlead_contract.spec.apiservice import ApiService
from fairlead_workload.adapters import Surroundings
from fairlead_workload.credentials import local_secrets
from fairlead_workload.process import lifecycle
from fairlead_workload.process.lifecycle import NotServed
from fairlead_workload.service import EVERYTHING, Role, Service, Workload
from fairlead_workload.telemetry import logs

_log = logging.getLogger(__name__)
LogFormat = Literal["console", "json"]


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve. `services` maps the services that handlers call to their URLs, `secrets` names to folders,
    `addresses` hosts to where they are. `declared`: on the bindings of the resource, not on embedded ones."""

    host: str
    port: int
    admin_port: int
    data_dir: Path | None
    services: Mapping[str, str]
    log_format: LogFormat
    declared: bool
    role: Literal["api", "worker", "all"]
    secrets: Mapping[str, Path]
    addresses: Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class LocalService:
    """One ApiService to serve: where it came from, and what runs."""

    origin: Document
    workload: Workload


def local_services(services: Sequence[tuple[Document, ApiService]], options: Options) -> list[LocalService]:
    """What to serve where. Port 0 (any free one) does not count up."""
    return [
        LocalService(origin, _workload(resource, options, position=position, alone=len(services) == 1))
        for position, (origin, resource) in enumerate(services)
    ]


def _workload(resource: ApiService, options: Options, *, position: int, alone: bool) -> Workload:
    surroundings = Surroundings(
        embedded.data_dir(resource, options.data_dir, alone=alone),
        local_secrets(options.secrets, os.environ),
        options.addresses,
        provisions=True,
    )
    return Workload(
        document=derive(resource) if options.declared else embedded.embed(resource),
        surroundings=surroundings,
        host=options.host,
        port=options.port + position if options.port else 0,
        admin_port=options.admin_port + position if options.admin_port else 0,
        services=options.services,
        log_format=options.log_format,
        roles=EVERYTHING if options.role == "all" else frozenset({Role(options.role)}),
    )


def serve(services: Sequence[LocalService], options: Options) -> int:
    """Serve until a signal. Returns the exit code."""
    logs.configure(options.log_format)
    workloads = [each.workload for each in services]

    def on_started(started: Sequence[Service]) -> None:
        for workload, service in zip(workloads, started, strict=True):
            _announce(workload, service)

    try:
        lifecycle.run(workloads, on_started=on_started)
    except NotServed as error:
        origin = next(each.origin for each in services if each.workload is error.workload)
        print(origin.notice(error.finding), file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _announce(workload: Workload, service: Service) -> None:
    """For people on standard output; for programs, which read log lines in JSON, one of these."""
    if workload.log_format == "json":
        name = f"{workload.document.namespace}/{workload.document.name}"
        _log.info("started", extra={"service": name, "url": service.url, "admin_url": service.admin_url})
        return
    text = announcement.announce(workload.document, url=service.url, admin_url=service.admin_url)
    print(f"\n{text}\n\nStop with Ctrl-C.\n", flush=True)  # noqa: T201
