"""An event whose handling ends the process with kill -9, in a server that is started again each time.

It becomes a dead letter after its attempts, the events beside it are handled, and the API answers between the crashes.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from .server import START_SECONDS, Running, fairlead, http, start

FILE = Path(__file__).parents[2] / "data" / "killer.yaml"
ATTEMPTS = 4
MARKERS = ["bad", *(f"m{number}" for number in range(20))]


class Killer:
    """A service that kills `target` when it is asked about `bad`, and answers 204 else; both once it is `armed`."""

    def __init__(self) -> None:
        self.target: Running | None = None
        self.armed = threading.Event()
        self.kills = 0
        killer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = self.rfile.read(int(self.headers["content-length"]))
                killer.armed.wait(START_SECONDS)
                if b'"bad"' in asked and killer.target is not None:
                    killer.kills += 1
                    os.killpg(killer.target.process.pid, signal.SIGKILL)
                    return
                try:
                    self.send_response(204)
                    self.end_headers()
                except ConnectionError:
                    return  # the caller has ended

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def killer() -> Iterator[Killer]:
    killer = Killer()
    threading.Thread(target=killer.server.serve_forever, args=(0.01,), daemon=True).start()
    yield killer
    killer.server.shutdown()
    killer.server.server_close()


def states(server: Running) -> dict[str, str] | None:
    """What has become of every entry; None: the API does not answer."""
    try:
        return {marker: http.get(f"{server.url}/v1/entries/{marker}").json().get("state") for marker in MARKERS}
    except (httpx.TransportError, ValueError):
        return None


def last_seen(server: Running, end: str) -> dict[str, str]:
    """What the API reported last, before the process ended or `bad` had come to `end`."""
    seen: dict[str, str] = {}
    deadline = time.monotonic() + START_SECONDS
    while server.process.poll() is None and seen.get("bad") != end and time.monotonic() < deadline:
        seen = states(server) or seen
        time.sleep(0.2)
    return seen


def test_an_event_that_kills_the_process_each_time_ends_as_a_dead_letter(tmp_path: Path, killer: Killer) -> None:
    seen: list[dict[str, str]] = []
    while len(seen) <= ATTEMPTS:
        server = killer.target = start(FILE, tmp_path / "data", "--service", f"killer={killer.url}")
        try:
            if not seen:
                server.wait_ready()
                for marker in MARKERS:
                    assert http.put(f"{server.url}/v1/entries/{marker}", json={}).status_code == 201
                killer.armed.set()
            seen.append(last_seen(server, "FAILED"))
        finally:
            if server.process.poll() is None:
                server.kill()
    assert killer.kills == ATTEMPTS
    beside = dict.fromkeys(MARKERS, "DONE")
    assert seen[-2] == beside | {"bad": "NEW"}, "the API answers while the event waits for its last attempt"
    assert seen[-1] == beside | {"bad": "FAILED"}
    listed = fairlead("dlq", "list", "-f", str(FILE), "--data-dir", str(tmp_path / "data")).stdout
    assert "maxAttempts" in listed
