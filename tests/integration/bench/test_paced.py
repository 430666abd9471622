"""Calls at a fixed rate: each is timed, and an error answer ends the measurement."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from bench.api.wrk import Request
from bench.errors import Failed
from bench.postgresql import paced

PATHS = [f"/v1/articles/{number}" for number in range(7)]


@contextmanager
def serving(status: int) -> Iterator[tuple[str, list[str]]]:
    """A server that gives one answer, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_requests_are_sent_in_turn_at_the_rate() -> None:
    with serving(200) as (url, asked):
        found = paced.over_http(url, [Request("GET", path) for path in PATHS], seconds=1)
    assert 0 < found.p50 <= found.p90 <= found.p99
    assert len(asked) == len(PATHS) + paced.RATE
    assert set(asked) == set(PATHS)


def test_an_error_answer_ends_it_with_what_was_answered() -> None:
    with serving(503) as (url, _), pytest.raises(Failed, match=r"HTTP/1\.1 503"):
        paced.over_http(url, [Request("GET", PATHS[0])], seconds=1)
