"""The request paths that are compared: what is asked of Fairlead, and a baseline that answers the same bytes."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench import load

EXAMPLE = Path("examples/orders.yaml")
PRODUCT, ORDERS = "/v1/products/p1", "/v1/orders"
ORDER = json.dumps({"customerId": "c1", "productId": "p1", "quantity": 2})
JSON = {"Content-Type": "application/json"}
START_SECONDS = 30.0
# What the server adds by itself, or what changes with time and would not be "the same bytes" for long.
_NOT_COPIED = {"date", "server", "content-length", "transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison."""

    name: str
    goal: float
    ours: Callable[[], load.Load]
    baseline: Callable[[], load.Load]


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    url: str
    pid: int

    def load(self, path: str, script: str | None = None) -> Callable[[], load.Load]:
        """A run of load on one path, ready to be called."""
        return lambda: load.measure(self.url + path, self.pid, script=script)


@contextmanager
def process(log: Path, *command: str) -> Iterator[int]:
    """A Python module on the server's core, killed at the end."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            ["taskset", "-c", load.SERVER_CORE, sys.executable, "-m", *command], stdout=output, stderr=output
        )
    try:
        yield child.pid  # taskset becomes the server
    finally:
        child.kill()
        child.wait()


def wait_for(url: str) -> None:
    """Return when something answers at `url`."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx.get(url, timeout=2)
            return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise SystemExit(f"bench: nothing answers at {url}") from None
            time.sleep(0.05)


@contextmanager
def _fairlead(folder: Path, *options: str) -> Iterator[Server]:
    folder.mkdir(parents=True)
    port = load.free_port()
    url = f"http://127.0.0.1:{port}"
    with process(folder / "server.log", "bench.server", str(EXAMPLE), str(folder / "data"), str(port), *options) as pid:
        wait_for(f"{url}/health")
        product = {"id": "p1", "name": "A thing to order", "price": 12.5}
        httpx.put(url + PRODUCT, json=product).raise_for_status()
        yield Server(url, pid)


@contextmanager
def _baseline(folder: Path, answer: httpx.Response, *options: str) -> Iterator[Server]:
    headers = {name: value for name, value in answer.headers.items() if name not in _NOT_COPIED}
    file = folder / "answer.json"
    file.write_text(json.dumps({"headers": headers, "body": answer.text}))
    port = load.free_port()
    url = f"http://127.0.0.1:{port}"
    command = ("bench.baseline", str(port), str(answer.status_code), str(file), *options)
    with process(folder / "baseline.log", *command) as pid:
        wait_for(url + PRODUCT)
        yield Server(url, pid)


@contextmanager
def cached_get(folder: Path) -> Iterator[Case]:
    """GET of a cached document, with request id, limits, metrics and the JSON access log."""
    with ExitStack() as stack:
        ours = stack.enter_context(_fairlead(folder))
        httpx.get(ours.url + PRODUCT)
        baseline = stack.enter_context(_baseline(folder, httpx.get(ours.url + PRODUCT)))
        yield Case("GET, cached", 0.75, ours.load(PRODUCT), baseline.load(PRODUCT))


@contextmanager
def not_modified(folder: Path) -> Iterator[Case]:
    """The same with If-None-Match: 304."""
    with ExitStack() as stack:
        ours = stack.enter_context(_fairlead(folder))
        headers = {"If-None-Match": httpx.get(ours.url + PRODUCT).headers["etag"]}
        script = load.request_script(method="GET", headers=headers, body="")
        baseline = stack.enter_context(_baseline(folder, httpx.get(ours.url + PRODUCT, headers=headers)))
        yield Case("GET, cached, 304", 0.75, ours.load(PRODUCT, script), baseline.load(PRODUCT, script))


@contextmanager
def accepted_post(folder: Path) -> Iterator[Case]:
    """POST of an order that references a cached product: 202 once it is in the durable queue (synchronous=FULL)."""
    with _accepted(folder, "POST, 202, queue on SQLite") as case:
        yield case


@contextmanager
def accepted_post_read(folder: Path) -> Iterator[Case]:
    """The same, against an A that reads the body it is sent."""
    with _accepted(folder, "the same, A reads the body", "--read") as case:
        yield case


@contextmanager
def _accepted(folder: Path, name: str, *options: str) -> Iterator[Case]:
    with ExitStack() as stack:
        ours = stack.enter_context(_fairlead(folder))
        baseline = stack.enter_context(_baseline(folder, _post(ours), *options))
        script = load.request_script(method="POST", headers=JSON, body=ORDER)
        yield Case(name, 0.33, ours.load(ORDERS, script), baseline.load(ORDERS, script))


def post_beside_worker(folder: Path) -> load.Load:
    """The same POST while the worker of the same process applies what was accepted."""
    with _fairlead(folder, "--worker") as ours:
        _post(ours)
        return ours.load(ORDERS, load.request_script(method="POST", headers=JSON, body=ORDER))()


def _post(server: Server) -> httpx.Response:
    answer = httpx.post(server.url + ORDERS, content=ORDER, headers=JSON)
    if answer.status_code != 202:
        raise SystemExit(f"bench: {answer.status_code} instead of 202: {answer.text}")
    return answer
