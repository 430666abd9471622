"""docs/alerts.md and docs/dead-letters.md: the commands for a data directory are typed as they stand."""

import re
import shlex
import time
from pathlib import Path

import pytest
from tests.pages import blocks

from .payments import Payments
from .server import EXAMPLES, START_SECONDS, Running, fairlead, http, running

RUNBOOK = [
    line
    for block in blocks("alerts.md", "sh", "FairleadDeadLetters")
    for line in block.text.splitlines()
    if line.startswith("fairlead ")
]
PAGE = [line for block in blocks("dead-letters.md", "sh") for line in block.text.splitlines()]
ID = re.compile(r"^(\d+) +orders\.created", re.MULTILINE)


def order(server: Running) -> str:
    """Order something that exists. Returns the URL of the order."""
    http.put(f"{server.url}/v1/products/p", json={"id": "p", "name": "n", "price": 1}).raise_for_status()
    body = {"customerId": "c", "productId": "p", "quantity": 1}
    answer = http.post(f"{server.url}/v1/orders", json=body)
    assert answer.status_code == 202, answer.text
    return f"{server.url}{answer.json()['resource']}"


def until(server: Running, url: str, status: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while http.get(url).json().get("status") != status:
        assert time.monotonic() < deadline, server.out
        time.sleep(0.05)


def typed(line: str, data: Path, id_: str = "ID") -> str:
    """What a command prints. The data directory is named, and `ID` stands for the id of a dead letter."""
    arguments = [id_ if argument == "ID" else argument for argument in shlex.split(line)[1:]]
    done = fairlead(*arguments, "--data-dir", str(data))
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def rejected(server: Running, payments: Payments, data: Path) -> tuple[str, str]:
    """Order something that payments refuses. Returns the id of the dead letter, and the URL of the order."""
    payments.status = 402
    url = order(server)
    until(server, url, "REJECTED")
    deadline = time.monotonic() + START_SECONDS
    while not (found := ID.search(typed("fairlead dlq list -f examples/orders.yaml", data))):
        assert time.monotonic() < deadline, server.out
        time.sleep(0.05)
    return found[1], url


@pytest.mark.parametrize("lines", [RUNBOOK, PAGE], ids=["the runbook", "the page"])
def test_dead_letters_are_looked_at_and_sent_back(tmp_path: Path, lines: list[str]) -> None:
    assert len(lines) >= 4
    data = tmp_path / "data"
    with (
        Payments() as payments,
        running(EXAMPLES / "orders.yaml", data, "--service", f"payments={payments.url}") as server,
    ):
        id_, first = rejected(server, payments, data)
        for line in lines:
            if " purge " in line:  # the one before is back in the queue
                id_, _ = rejected(server, payments, data)
            payments.status = 200
            said = typed(line, data, id_)
            assert said.strip(), line
            if " list " in line or " show " in line:
                assert re.search(rf'^{id_}\b|"id": "{id_}"|^ *id +{id_}$', said, re.MULTILINE), said
            if " redrive " in line and "--dry-run" not in line:
                until(server, first, "CONFIRMED")
        assert "no dead letters" in typed("fairlead dlq list -f examples/orders.yaml", data)
