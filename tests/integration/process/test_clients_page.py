"""docs/clients.md: its commands and programs are run as they stand, the programs also through a network that fails."""

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.left_out import is_left_out
from tests.pages import blocks, pieces

from fairlead_contract.problems import PROBLEMS

from .payments import example_payments
from .server import EXAMPLES, START_SECONDS, Running, http, running

PAGE = "clients.md"
SITE = "http://127.0.0.1:8080"
LAMP = {"id": "p-1", "name": "Lamp", "price": 20}
END = "-- end of a command --"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    """The orders example with its payments, and with what the page adds for browsers."""
    manifest = yaml.safe_load((EXAMPLES / "orders.yaml").read_text())
    [addition] = blocks(PAGE, "yaml")
    manifest["spec"]["security"] |= yaml.safe_load(addition.text)
    file = tmp_path / "orders.yaml"
    file.write_text(yaml.safe_dump(manifest, sort_keys=False))
    with (
        example_payments() as payments,
        running(file, tmp_path / "data", "--service", f"payments={payments}") as server,
    ):
        yield server


def commands(text: str) -> list[tuple[str, str]]:
    """Each command of a console block, and what the page shows of its output."""
    return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)


def shown(output: str) -> "re.Pattern[str]":
    """What the page shows, an ellipsis being whatever comes there."""
    return re.compile(".*".join(map(re.escape, output.split("…"))), re.DOTALL)


def test_the_commands_print_what_the_page_shows(server: Running, tmp_path: Path) -> None:
    typed = [each for block in blocks(PAGE, "console") for each in commands(block.text)]
    assert typed[0] == (f"SITE={SITE}", "")
    lines = [command.replace(SITE, server.url) for command, _ in typed]
    script = "".join(f"{line}\necho; echo '{END}'\n" for line in lines)
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=2 * START_SECONDS
    )
    assert done.stderr == ""
    printed = done.stdout.replace("\r\n", "\n").split(f"{END}\n")[:-1]
    for (command, output), got in zip(typed, printed, strict=True):
        assert shown(output.strip()).fullmatch(got.strip()), f"{command}\n{got}"


class Network:
    """A way to the server that loses the answer to the first POST, refuses the second, and passes on the rest."""

    def __init__(self, target: str) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self._target = target
        self._posts = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def open(self) -> Iterator["Network"]:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def _pass_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> httpx.Response | None:
        self.requests.append((method, path, headers))
        self._posts += method == "POST"
        if method == "POST" and self._posts == 2:
            return httpx.Response(
                503, headers={"retry-after": "0", "content-type": "application/problem+json"}, json={}
            )
        sent = {name: value for name, value in headers.items() if name not in {"host", "connection", "content-length"}}
        answer = http.request(method, f"{self._target}{path}", headers=sent, content=body)
        return None if method == "POST" and self._posts == 1 else answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        network = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = network._pass_on(self.command, self.path, headers, body)
                if answer is None:
                    return  # the connection ends without an answer
                self.send_response(answer.status_code)
                for name in ("content-type", "location", "retry-after", "etag"):
                    if name in answer.headers:
                        self.send_header(name, answer.headers[name])
                self.send_header("content-length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_PUT = _do  # noqa: N815 - the library's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        return Handler


def orders_of(server: Running, customer: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = http.get(f"{server.url}/v1/orders", params={"customerId": customer}).json()["items"]
    return items


def posts(network: Network) -> list[dict[str, str]]:
    return [headers for method, _, headers in network.requests if method == "POST"]


def test_the_python_program_orders_once_through_a_network_that_fails(server: Running, tmp_path: Path) -> None:
    http.put(f"{server.url}/v1/products/p-1", json=LAMP).raise_for_status()
    [program] = blocks(PAGE, "python")
    (tmp_path / "place_order.py").write_text(program.text)
    with Network(server.url).open() as network:
        done = subprocess.run(
            [sys.executable, "place_order.py", network.url],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=2 * START_SECONDS,
        )
    assert (done.returncode, done.stdout) == (0, "p-1\n40\n"), done.stderr
    assert len(posts(network)) == 3
    assert len({headers["idempotency-key"] for headers in posts(network)}) == 1
    assert len(orders_of(server, "grace")) == 1


def test_a_change_of_somebody_else_is_not_lost(server: Running, tmp_path: Path) -> None:
    http.put(f"{server.url}/v1/products/p-1", json=LAMP).raise_for_status()
    [program] = blocks(PAGE, "python")
    names: dict[str, Any] = {"__name__": "place_order"}
    exec(compile(program.text, "place_order.py", "exec"), names)  # noqa: S102 - the page's own program
    reads = 0

    def rename_meanwhile(response: httpx.Response) -> None:
        nonlocal reads
        reads += response.request.method == "GET"
        if response.request.method == "GET" and reads == 1:
            http.put(f"{server.url}/v1/products/p-1", json=LAMP | {"name": "Light"}).raise_for_status()

    with httpx.Client(base_url=server.url, event_hooks={"response": [rename_meanwhile]}) as client:
        assert names["change_price"](client, "p-1", 2) == LAMP | {"name": "Light", "price": 40}
    assert reads == 2


NEEDS_NODE = pytest.mark.skipif(is_left_out("clients"), reason="FAIRLEAD_SKIP names clients")


@NEEDS_NODE
def test_the_browsers_program_orders_once_through_a_network_that_fails(server: Running, tmp_path: Path) -> None:
    node = shutil.which("node")
    assert node is not None, "node is not there; install it, or set FAIRLEAD_SKIP=clients"
    http.put(f"{server.url}/v1/products/p-1", json=LAMP).raise_for_status()
    [program] = blocks(PAGE, "js")
    (tmp_path / "orders.mjs").write_text(program.text)
    use = (
        'import {placeOrder} from "./orders.mjs";'
        'const order = {customerId: "alan", productId: process.argv[1], quantity: 3};'
        "try { console.log(JSON.stringify(await placeOrder(process.argv[2], order))); }"
        "catch (error) { console.log(error.message); }"
    )

    def run(product: str, site: str) -> str:
        done = subprocess.run(
            [node, "--input-type=module", "-e", use, product, site],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=2 * START_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with Network(server.url).open() as network:
        order = json.loads(run("p-1", network.url))
    assert [order] == [each | {"status": order["status"]} for each in orders_of(server, "alan")]
    assert len(posts(network)) == 3
    assert len({headers["idempotency-key"] for headers in posts(network)}) == 1
    assert run("none", server.url) == "The document refers to one that does not exist\n"


def test_a_browser_may_send_and_read_what_the_program_needs(server: Running) -> None:
    [program] = blocks(PAGE, "js")
    sent = {name.lower() for name in re.findall(r'"([A-Z][A-Za-z-]+)": (?:"application|crypto)', program.text)}
    read = {name.lower() for name in re.findall(r'headers\.get\("([^"]+)"\)', program.text)}
    assert sent == {"content-type", "idempotency-key"}
    assert read == {"location", "retry-after"}
    origin = {"origin": "http://localhost:3000"}
    asked = origin | {"access-control-request-method": "POST"}
    preflight = http.options(f"{server.url}/v1/orders", headers=asked).headers
    assert sent <= set(preflight["access-control-allow-headers"].lower().split(", "))
    answer = http.get(f"{server.url}/v1/products/none", headers=origin).headers
    assert read <= set(answer["access-control-expose-headers"].lower().split(", "))


def test_the_problems_of_the_page_are_those_that_there_are() -> None:
    known = {problem.slug: problem.status for problem in PROBLEMS}
    [rules] = [piece for piece in pieces(PAGE) if piece.heading == "The rules"]
    rows = [re.fullmatch(r"(\d{3}) `([a-z-]+)`", row["What comes back"]) for row in getattr(rules, "rows", ())]
    named = {match[2]: int(match[1]) for match in rows if match}
    assert named == {slug: known.get(slug) for slug in named}
    assert named.keys() >= {slug for slug, status in known.items() if status in {409, 412}}
