"""The entry of the workload image: `serve`, `work`, `all`, `provision` and `teardown`.

Exit code 0 is a drained end or a finished Job, 1 is explained in the log and in the termination message, 2 is a wrong
argument. Nothing is read from the environment but where the termination message goes, as a pod may move it.
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import FrameType

from fairlead_contract.findings import Finding
from fairlead_contract.names import (
    ADMIN_PORT,
    DATA_DIR,
    PUBLIC_PORT,
    RUNTIME_FILE,
    SECRETS_DIR,
    TERMINATION_LOG,
)
from fairlead_contract.runtime import RuntimeDocument
from fairlead_workload import provisioning
from fairlead_workload.adapters import Surroundings
from fairlead_workload.credentials import mounted_secrets
from fairlead_workload.process import lifecycle, runtime_file, termination_message
from fairlead_workload.process.lifecycle import NotServed
from fairlead_workload.process.runtime_file import InvalidRuntimeDocument
from fairlead_workload.provisioning import Work
from fairlead_workload.service import EVERYTHING, Role, Service, Workload
from fairlead_workload.telemetry import logs

TERMINATION_LOG_VARIABLE = "FAIRLEAD_TERMINATION_LOG"
ROLES = {"serve": frozenset({Role.API}), "work": frozenset({Role.WORKER}), "all": EVERYTHING}
_JOBS = {"provision": provisioning.provision, "teardown": provisioning.teardown}
_log = logging.getLogger("fairlead_workload")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say. Returns the exit code."""
    options = parser().parse_args(arguments)
    # The first process of a container ignores signals that it has no handler for.
    signal.signal(signal.SIGTERM, _exit)
    logs.configure("json")
    try:
        return _run_task(options)
    except InvalidRuntimeDocument as error:
        return _report(error.findings, options.termination_log)
    except NotServed as error:
        return _report([error.finding], options.termination_log)
    except Exception as error:  # noqa: BLE001 - outermost: the pod has to show a reason
        _log.exception("the workload ended unexpectedly")
        termination_message.leave(
            f"unexpected {type(error).__name__}; the container's log has more", options.termination_log
        )
        return 1


def _run_task(options: argparse.Namespace) -> int:
    document = runtime_file.read(options.runtime)
    logs.configure("json", service=document.name, namespace=document.namespace)
    if options.task in _JOBS:
        return _run_job(document, options)
    roles = ROLES[options.task]
    runtime_file.require_served(document, roles)
    workload = Workload(
        document=document,
        surroundings=Surroundings(data_dir=options.data_dir, secrets=mounted_secrets(options.secrets_dir)),
        host=options.host,
        port=options.port,
        admin_port=options.admin_port,
        roles=roles,
    )
    lifecycle.run([workload], on_started=_log_started)
    _log.info("drained")
    return 0


def _run_job(document: RuntimeDocument, options: argparse.Namespace) -> int:
    work = Work(
        document,
        secrets=mounted_secrets(options.secrets_dir),
        asked_hash=options.hash,
        connections=options.connections,
        expected_mark=options.expected_mark,
    )
    result = _JOBS[options.task](work)
    for binding in result.bindings:
        level = logging.INFO if binding.state == "Ready" else logging.ERROR
        state = {"role": binding.role, "type": binding.type, "state": binding.state}
        _log.log(level, "binding", extra=state | {"reason": binding.reason, "detail": binding.message})
    termination_message.leave(result.text(), options.termination_log)
    return 0 if result.succeeded else 1


def _report(findings: Sequence[Finding], termination_log: Path) -> int:
    for finding in findings:
        fields = {"path": finding.path, "reason": finding.message, "remedy": finding.remedy}
        _log.error("cannot be served", extra=fields)
    termination_message.leave(termination_message.lines(findings), termination_log)
    return 1


def _log_started(services: Sequence[Service]) -> None:
    for service in services:
        fields = {"url": service.url, "admin_url": service.admin_url, "version": version("fairlead")}
        _log.info("started", extra=fields)


def _exit(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


def parser() -> argparse.ArgumentParser:
    """What the image understands; the plan writes such arguments into pods."""
    parser_ = argparse.ArgumentParser(prog="fairlead_workload", description="Runs one ApiService in a container.")
    parser_.add_argument("task", choices=[*ROLES, *_JOBS])
    parser_.add_argument("--runtime", type=Path, default=RUNTIME_FILE, metavar="FILE", help="the runtime document")
    parser_.add_argument("--data-dir", type=Path, default=DATA_DIR, metavar="DIR", help="data of embedded bindings")
    parser_.add_argument("--secrets-dir", type=Path, default=SECRETS_DIR, metavar="DIR", help="Secrets, by role")
    parser_.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - the pod's own
    parser_.add_argument("--port", type=int, default=PUBLIC_PORT)
    parser_.add_argument("--admin-port", type=int, default=ADMIN_PORT, help="port of probes and metrics")
    parser_.add_argument("--hash", default="", help="what a Job's result is to be known by")
    parser_.add_argument("--connections", type=int, default=0, help="the most that all replicas open to the datastore")
    parser_.add_argument("--expected-mark", default="", help="the mark of the store that was provisioned before")
    parser_.add_argument(
        "--termination-log",
        type=Path,
        default=os.environ.get(TERMINATION_LOG_VARIABLE, TERMINATION_LOG),
        metavar="FILE",
        help=f"where the reason of the end goes (default: ${TERMINATION_LOG_VARIABLE}, else {TERMINATION_LOG})",
    )
    return parser_


if __name__ == "__main__":
    sys.exit(main())
