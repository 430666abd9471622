"""What `make run` runs: the example starts, its printed requests work as printed, and Ctrl-C leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .server import ROOT, START_SECONDS, Running, environment, free_ports, http

ADDRESS = re.compile(r"^  (\w+) +(http://\S+)$", re.MULTILINE)
# The printed lines run as they are; curl is set to fail on an error, and to end each answer with a line end.
SHELL = ["bash", "-euo", "pipefail", "-c"]
CURL = "curl() { command curl --fail-with-body --write-out '\\n' \"$@\"; }\n"


@contextmanager
def example(tmp_path: Path) -> Iterator[Running]:
    """`scripts/run_example.py` in a process group of its own, as a terminal starts it."""
    port, admin_port = free_ports(2)
    out_path, err_path = tmp_path / "out", tmp_path / "err"
    options = ["--port", str(port), "--admin-port", str(admin_port), "--data-dir", str(tmp_path / "data")]
    with out_path.open("wb") as out, err_path.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "scripts/run_example.py", *options],
            cwd=ROOT,
            env=environment(),
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    server = Running(process, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin_port}", out_path, err_path)
    try:
        server.wait_ready()
        yield server
    finally:
        if process.poll() is None:
            for child in children(process.pid):
                os.kill(child, signal.SIGKILL)
            server.kill()


def children(parent: int) -> list[int]:
    """The processes that `parent` has started."""
    listed = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    return [pid for pid, ppid in pairs if ppid == parent]


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def printed_requests(server: Running) -> list[str]:
    """The lines below `Try it:`, as printed."""
    lines = server.out.partition("Try it:\n")[2].partition("Stop with Ctrl-C.")[0].splitlines()
    return [line.strip() for line in lines if line.strip()]


def until_confirmed(server: Running, path: str) -> None:
    """Return when payments has been asked and the order is confirmed; the last line printed lists it then."""
    deadline = time.monotonic() + START_SECONDS
    while http.get(f"{server.url}{path}").json().get("status") != "CONFIRMED":
        assert time.monotonic() < deadline, server.out
        time.sleep(0.02)


def test_the_example_starts_answers_its_own_requests_and_stops(tmp_path: Path) -> None:
    with example(tmp_path) as server:
        started = children(server.process.pid)
        assert len(started) == 2, "payments and the server"
        addresses = dict(ADDRESS.findall(server.out))
        assert list(addresses) == ["API", "documentation", "OpenAPI", "health", "readiness", "metrics"]
        for name, url in addresses.items():
            assert http.get(url).status_code == (404 if name == "API" else 200), name

        requests = printed_requests(server)
        assert [line for line in requests if line.startswith("#")] == ["# products", "# orders"]
        done = subprocess.run(
            [*SHELL, CURL + "\n".join(requests)], capture_output=True, text=True, timeout=START_SECONDS
        )
        assert done.returncode == 0, f"{requests}\n{done.stdout}\n{done.stderr}"
        product, again, products, operation, _orders = map(json.loads, done.stdout.splitlines())
        assert product == again == products["items"][0]
        accepted = json.loads(done.stderr)
        assert operation["id"] == accepted["id"]
        until_confirmed(server, accepted["resource"])
        assert "POST" in server.out, "the log is live"

        os.killpg(server.process.pid, signal.SIGINT)  # what a terminal does on Ctrl-C
        assert server.process.wait(START_SECONDS) == 0
        assert not any(map(runs, started))
    assert "Traceback" not in server.out + server.err
