"""docs/metrics.md and docs/log-events.md against a running example: what it shows and logs is on the pages."""

import json
import re
import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from .payments import example_payments
from .server import EXAMPLES, ROOT, START_SECONDS, Running, free_port, http, running

METRIC = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", re.MULTILINE)
EVENT = re.compile(r"^\| `(.+?)` \| ([a-z ]+) \| (.*?) \| .*? \|$", re.MULTILINE)
OF_EVERY_LINE = {"time", "level", "message", "logger", "exception"}
# What only some machines and faults bring about.
NOT_SHOWN = {"fairlead_called_service_up", "fairlead_outbox_pending"}


def on_page() -> dict[str, tuple[str, set[str], str]]:
    page = (ROOT / "docs" / "metrics.md").read_text().partition("## Workload")[2].partition("## Operator")[0]
    return {
        name: (type_, set(re.findall(r"`(\w+)`", labels)), text) for name, type_, labels, text in METRIC.findall(page)
    }


def shown(server: Running) -> dict[str, tuple[str, set[str], str]]:
    found = {}
    for family in text_string_to_metric_families(http.get(f"{server.admin_url}/metrics").text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[name] = (family.type, labels, family.documentation)
    return found


def order(server: Running, quantity: int) -> str:
    """Order something that exists. Returns the operation's URL."""
    http.put(f"{server.url}/v1/products/p", json={"id": "p", "name": "n", "price": 1}).raise_for_status()
    body = {"customerId": "c", "productId": "p", "quantity": quantity}
    answer = http.post(f"{server.url}/v1/orders", json=body)
    assert answer.status_code == 202, answer.text
    return answer.headers["location"]


def until(server: Running, message: str) -> list[dict[str, object]]:
    """The log, as soon as it has a line with the message."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        whole = server.out.rpartition("\n")[0]
        lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        if any(line["message"] == message for line in lines):
            return lines
        time.sleep(0.05)
    raise AssertionError(f"no line {message!r} in:\n{server.out}")


def test_what_an_example_shows_and_logs_is_on_the_pages(tmp_path: Path) -> None:
    nobody = f"payments=http://127.0.0.1:{free_port()}"
    with running(EXAMPLES / "orders.yaml", tmp_path / "a", "--service", nobody) as server:
        order(server, 1)
        lines = until(server, "retry")
        server.stop()
        lines = until(server, "stopped")
    with (
        example_payments() as payments,
        running(EXAMPLES / "orders.yaml", tmp_path / "b", "--service", f"payments={payments}") as server,
    ):
        order(server, 101)
        lines += until(server, "dead letter")
        http.get(f"{server.url}/v1/products/p")
        found = shown(server)

    page = on_page()
    # A family without a sample yet has no labels to compare.
    for name, (type_, labels, text) in found.items():
        assert page[name][0] == type_, name
        assert labels in (page[name][1], set()), name
        assert page[name][2] == text, name
    assert page.keys() - found.keys() <= NOT_SHOWN

    events = {message: (levels.split(" or "), fields) for message, levels, fields in EVENT.findall(event_page())}
    for line in lines:
        if line["message"] == "request":
            continue
        levels, fields = events[str(line["message"])]
        assert line["level"] in levels
        assert line.keys() - OF_EVERY_LINE - {"service", "namespace"} <= set(re.findall(r"`(\w+)`", fields)), line
        needed = re.sub(r"\[`\w+`\]", "", fields)
        assert set(re.findall(r"`(\w+)`", needed)) <= line.keys(), line


def test_a_line_of_a_request_has_the_fields_of_the_page(tmp_path: Path) -> None:
    page = event_page()
    [names] = re.findall(r"Its fields:\n(.*)\.\n", page)
    with running(EXAMPLES / "products.yaml", tmp_path / "data") as server:
        http.get(f"{server.url}/v1/products/p", headers={"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})
        lines = [line for line in until(server, "request") if line["message"] == "request"]
    fields = set(re.findall(r"`(\w+)`", names))
    assert lines[-1].keys() - {"time", "level", "message"} == fields - {"principal"}  # nobody is known by name yet


def event_page() -> str:
    return (ROOT / "docs" / "log-events.md").read_text().partition("## Workload")[2].partition("## Operator")[0]
