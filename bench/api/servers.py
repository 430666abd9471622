"""Starting the three servers of a case: Fairlead, the bare Starlette application, the bare ASGI application.

The two others return what Fairlead returned once: status, header fields and bytes. That they do is checked before
anything is measured. All run on the server's core; the two that are not under load have nothing to do.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import httpx

from bench import metrics, processes
from bench.api import wrk
from bench.api.cases import Case
from bench.api.load import Target
from bench.backlog import Backlog
from bench.errors import Failed
from bench.machine import Cores

SERVICE = Path(__file__).with_name("orders.yaml")
OURS, A, FLOOR = "ours", "A", "floor"
KINDS = {A: "starlette", FLOOR: "asgi"}
START_SECONDS = 60.0
ANSWER_SECONDS = 10.0  # until the last request of a run is answered
DRAIN_SECONDS = 300.0  # until the worker has applied what was accepted
# What the server adds by itself.
_NOT_COPIED = {"date", "server", "content-length", "transfer-encoding"}
_FAILURES = ("fairlead_worker_failures_total", "fairlead_worker_dead_letters_total")


@dataclass(frozen=True, slots=True)
class Fairlead:
    """Our server, and what has to hold when a run is over."""

    url: str
    admin_url: str
    data_dir: Path
    process: processes.Background

    def settle(self) -> None:
        """Return when no request is under way. Raises Failed.

        wrk does not see a request that is never answered: its connection just has no part in the load any more.
        """
        deadline = time.monotonic() + ANSWER_SECONDS
        while waiting := metrics.sums(self.admin_url)["http_server_active_requests"]:
            if time.monotonic() > deadline:
                raise Failed(f"{waiting:.0f} requests have had no answer for {ANSWER_SECONDS:.0f} s")
            time.sleep(0.05)

    def drain(self) -> None:
        """The same, and no event is left. Raises Failed at the first event that fails."""
        self.settle()
        deadline = time.monotonic() + DRAIN_SECONDS
        with Backlog(self.data_dir) as backlog:
            while backlog.left():
                self._require_no_failure()
                if time.monotonic() > deadline:
                    raise Failed(f"events are left after {DRAIN_SECONDS:.0f} s")
                time.sleep(0.05)
        self._require_no_failure()

    def _require_no_failure(self) -> None:
        self.process.require_running()
        counts = metrics.sums(self.admin_url)
        if failed := {name: counts[name] for name in _FAILURES if counts.get(name)}:
            raise Failed(f"the worker failed: {failed}")


@contextmanager
def running(case: Case, folder: Path, cores: Cores) -> Iterator[tuple[dict[str, Target], tuple[wrk.Request, ...]]]:
    """All three, ready, and the requests to send."""
    with ExitStack() as stack:
        ours = stack.enter_context(_fairlead(case, folder, cores))
        requests, answer = _prepared(case, ours)
        settle = ours.drain if case.worker else ours.settle
        targets = {
            side: stack.enter_context(bare(side, answer, requests[0], folder, cores, reads=case.reads))
            for side in (FLOOR, A)
        }
        yield targets | {OURS: Target(OURS, ours.url, ours.process, settle)}, requests


def _prepared(case: Case, ours: Fairlead) -> tuple[tuple[wrk.Request, ...], httpx.Response]:
    """The requests of a case, and the answer to the first one."""
    with httpx.Client(base_url=ours.url) as client:
        try:
            requests = case.prepare(client)
            return requests, sample(client, requests[0], expects=case.expects)
        except httpx.TransportError as error:
            raise Failed(f"before the measurement: {error!r}\n{ours.process.state()}") from None


@contextmanager
def _fairlead(case: Case, folder: Path, cores: Cores) -> Iterator[Fairlead]:
    port, admin_port = processes.free_port(), processes.free_port()
    data_dir = folder / "data"
    options = ["--worker"] if case.worker else []
    command = processes.module("bench.api.server", str(SERVICE), str(data_dir), str(port), str(admin_port), *options)
    url = f"http://127.0.0.1:{port}"
    with started(processes.on_core(cores.server, command), folder / "ours.log", f"{url}/health") as process:
        yield Fairlead(url, f"http://127.0.0.1:{admin_port}", data_dir, process)


@contextmanager
def bare(
    side: str, answer: httpx.Response, request: wrk.Request, folder: Path, cores: Cores, *, reads: bool
) -> Iterator[Target]:
    """A server that answers like `answer`."""
    file = folder / f"{side}.json"
    file.write_text(json.dumps({"status": answer.status_code, "headers": _copied(answer), "body": answer.text}))
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    options = [] if reads else ["--unread"]
    command = processes.module("bench.api.baseline", KINDS[side], str(port), str(file), *options)
    with started(processes.on_core(cores.server, command), folder / f"{side}.log", url + request.path) as process:
        with httpx.Client(base_url=url) as client:
            _require_same(side, answer, sample(client, request, expects=answer.status_code))
        yield Target(side, url, process, lambda: None)


@contextmanager
def started(
    command: list[str], log: Path, url: str, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[processes.Background]:
    """A server that answers at `url`; killed at the end. Raises Failed."""
    process = processes.Background(command, log, environment)
    try:
        _wait_for(url, process)
        yield process
    finally:
        process.end()


def _wait_for(url: str, process: processes.Background) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx.get(url, timeout=2)
            return
        except httpx.TransportError:
            process.require_running()
            if time.monotonic() > deadline:
                raise Failed(f"nothing answers at {url} after {START_SECONDS:.0f} s\n{process.state()}") from None
            time.sleep(0.05)


def sample(client: httpx.Client, request: wrk.Request, *, expects: int) -> httpx.Response:
    """The answer to a request. Raises Failed when its status is another one."""
    headers = {name: value.replace(wrk.KEY, "sample") for name, value in request.headers.items()}
    answer = client.request(request.method, request.path, headers=headers, content=request.body or None)
    if answer.status_code != expects:
        raise Failed(f"{request.method} {request.path}: expected {expects}: {answer.status_code} {answer.text}")
    return answer


def _copied(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in _NOT_COPIED}


def _require_same(side: str, ours: httpx.Response, theirs: httpx.Response) -> None:
    if (_copied(ours), ours.content) != (_copied(theirs), theirs.content):
        both = "\n".join(f"{_copied(answer)} {answer.text}" for answer in (ours, theirs))
        raise Failed(f"{side} does not return what Fairlead returns:\n{both}")
