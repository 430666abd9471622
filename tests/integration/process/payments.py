"""The payments service that the orders example calls: the example's own, and one that a test directs."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .server import EXAMPLES, START_SECONDS, free_port


@contextmanager
def example_payments() -> Iterator[str]:
    """`examples/payments.py` as a process; gives its URL."""
    port = free_port()
    command = [sys.executable, str(EXAMPLES / "payments.py"), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError("payments did not start")


class Payments:
    """A payments service in this process. `status` is what it answers, once `open` is set."""

    def __init__(self, port: int = 0) -> None:
        self.status = 200
        self.open = threading.Event()
        self.open.set()
        self.asked = threading.Semaphore(0)  # released by each request that arrives
        self.keys: Counter[str] = Counter()  # Idempotency-Key of /charge -> how often it came
        self.bodies: list[bytes] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Payments":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()

    def wait_asked(self) -> None:
        """Return when one more request has arrived."""
        assert self.asked.acquire(timeout=START_SECONDS), "payments was never asked"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        payments = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                payments.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                if self.path == "/charge":
                    payments.keys[self.headers["idempotency-key"]] += 1
                payments.asked.release()
                payments.open.wait(START_SECONDS)
                body = json.dumps({"result": payments.status}).encode()
                try:
                    self.send_response(payments.status)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:
                    return  # the caller did not wait

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        return Handler
