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
OUR_PORT, BASELINE_PORT = 18080, 18081
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


@contextmanager
def process(log: Path, *command: str) -> Iterator[None]:
    """A Python module on the server's core, killed at the end."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            ["taskset", "-c", load.SERVER_CORE, sys.executable, "-m", *command], stdout=output, stderr=output
        )
    try:
        yield
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
def _fairlead(folder: Path) -> Iterator[str]:
    folder.mkdir(parents=True)
    with process(folder / "server.log", "bench.server", str(EXAMPLE), str(folder / "data"), str(OUR_PORT)):
        url = f"http://127.0.0.1:{OUR_PORT}"
        wait_for(f"{url}/health")
        product = {"id": "p1", "name": "A thing to order", "price": 12.5}
        httpx.put(f"{url}/v1/products/p1", json=product).raise_for_status()
        yield url


@contextmanager
def _baseline(folder: Path, answer: httpx.Response) -> Iterator[str]:
    headers = {name: value for name, value in answer.headers.items() if name not in _NOT_COPIED}
    file = folder / "answer.json"
    file.write_text(json.dumps({"headers": headers, "body": answer.text}))
    with process(folder / "baseline.log", "bench.baseline", str(BASELINE_PORT), str(answer.status_code), str(file)):
        url = f"http://127.0.0.1:{BASELINE_PORT}"
        wait_for(f"{url}/v1/products/p1")
        yield url


@contextmanager
def cached_get(folder: Path) -> Iterator[Case]:
    """GET of a cached document, with request id, limits, metrics and the JSON access log."""
    with ExitStack() as stack:
        ours = stack.enter_context(_fairlead(folder)) + "/v1/products/p1"
        httpx.get(ours)
        baseline = stack.enter_context(_baseline(folder, httpx.get(ours))) + "/v1/products/p1"
        yield Case("GET, cached", 0.75, lambda: load.measure(ours), lambda: load.measure(baseline))


@contextmanager
def not_modified(folder: Path) -> Iterator[Case]:
    """The same with If-None-Match: 304."""
    with ExitStack() as stack:
        ours = stack.enter_context(_fairlead(folder)) + "/v1/products/p1"
        headers = {"If-None-Match": httpx.get(ours).headers["etag"]}
        script = load.request_script(method="GET", headers=headers, body="")
        answer = httpx.get(ours, headers=headers)
        baseline = stack.enter_context(_baseline(folder, answer)) + "/v1/products/p1"
        yield Case(
            "GET, cached, 304",
            0.75,
            lambda: load.measure(ours, script=script),
            lambda: load.measure(baseline, script=script),
        )


@contextmanager
def accepted_post(folder: Path) -> Iterator[Case]:
    """POST of an order that references a cached product: 202 once it is in the durable queue (synchronous=FULL)."""
    with ExitStack() as stack:
        ours = stack.enter_context(_fairlead(folder)) + "/v1/orders"
        order = json.dumps({"customerId": "c1", "productId": "p1", "quantity": 2})
        headers = {"Content-Type": "application/json"}
        script = load.request_script(method="POST", headers=headers, body=order)
        answer = httpx.post(ours, content=order, headers=headers)
        if answer.status_code != 202:
            raise SystemExit(f"bench: {answer.status_code} instead of 202: {answer.text}")
        baseline = stack.enter_context(_baseline(folder, answer)) + "/v1/orders"
        yield Case(
            "POST, 202, queue on SQLite",
            0.33,
            lambda: load.measure(ours, script=script),
            lambda: load.measure(baseline, script=script),
        )
