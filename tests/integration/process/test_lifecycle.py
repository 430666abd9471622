"""The orders example through restarts, outages and refusals, with the payments service that it calls."""

import json
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from .payments import Payments, example_payments
from .server import EXAMPLES, START_SECONDS, Running, fairlead, free_port, http, running, start

T = TypeVar("T")
ORDERS = EXAMPLES / "orders.yaml"
PRODUCTS = EXAMPLES / "products.yaml"
PEN = {"id": "pen", "name": "Pen", "price": 1}
ORDER = {"customerId": "ada", "productId": "pen", "quantity": 2}


def serving(tmp_path: Path, payments_url: str, *, file: Path = ORDERS) -> Any:
    return running(file, tmp_path / "data", "--service", f"payments={payments_url}")


def patient(tmp_path: Path) -> Path:
    """The example with calls that may take as long as a busy machine takes to start another server."""
    text = ORDERS.read_text()
    assert text.count("timeout: 5s") == text.count("timeout: 30s") == 1
    path = tmp_path / "patient.yaml"
    path.write_text(text.replace("timeout: 5s", "timeout: 50s").replace("timeout: 30s", "timeout: 55s"))
    return path


def until(look: Callable[[], T], wanted: Callable[[T], bool]) -> T:
    """What `look` finds once it is as wanted; bounded, so that a failure is a failure."""
    deadline = time.monotonic() + START_SECONDS
    while not wanted(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def place(server: Running, *, key: str | None = None, **changes: Any) -> httpx.Response:
    """Accept an order of a product that is there."""
    http.put(f"{server.url}/v1/products/pen", json=PEN)
    headers = {"idempotency-key": f'"{key}"'} if key else {}
    answer = http.post(f"{server.url}/v1/orders", json=ORDER | changes, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer


def operation(server: Running, answer: httpx.Response) -> dict[str, Any]:
    """The operation of an accepted write, once it has ended."""
    url = f"{server.url}{answer.headers['location']}"
    return until(lambda: dict(http.get(url).json()), lambda found: found["status"] != "Pending")


def order(server: Running, answer: httpx.Response, status: str) -> dict[str, Any]:
    """The order that was placed, once it has `status`."""
    url = f"{server.url}{answer.json()['resource']}"
    return until(lambda: dict(http.get(url).json()), lambda found: found.get("status") == status)


def dlq(tmp_path: Path, command: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return fairlead("dlq", command, "-f", str(ORDERS), "--data-dir", str(tmp_path / "data"), *arguments)


def letters(tmp_path: Path) -> list[dict[str, Any]]:
    done = dlq(tmp_path, "list", "--output", "json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["items"]
    return found


def test_an_accepted_order_is_stored_charged_and_confirmed(tmp_path: Path) -> None:
    with example_payments() as url, serving(tmp_path, url) as server:
        answer = place(server)
        assert answer.json()["status"] == "Pending"
        ended = operation(server, answer)
        assert (ended["status"], ended["resource"]) == ("Succeeded", answer.json()["resource"])
        found = order(server, answer, "CONFIRMED")
        assert {name: found[name] for name in ORDER} == ORDER
        listed = http.get(f"{server.url}/v1/orders", params={"customerId": "ada"}).json()["items"]
        assert listed == [found]
        assert letters(tmp_path) == []
        assert server.stop() == 0


def test_a_client_may_ask_for_202(tmp_path: Path) -> None:
    with serving(tmp_path, "http://127.0.0.1:1") as server:
        url = f"{server.url}/v1/products/pen"
        assert http.put(url, json=PEN).status_code == 201
        answer = http.put(url, json=PEN | {"price": 2}, headers={"prefer": "respond-async"})
        assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
        assert operation(server, answer)["status"] == "Succeeded"
        until(lambda: http.get(url).json()["price"], lambda price: price == 2)
        refused = http.put(url, json={"id": "pen"}, headers={"prefer": "respond-async"})
        assert refused.status_code == 422, "what cannot be applied is refused at once"


def test_keys_and_etags_outlive_a_restart(tmp_path: Path) -> None:
    with example_payments() as payments:
        with serving(tmp_path, payments) as server:
            first = place(server, key="k")
            operation(server, first)
            created = http.put(f"{server.url}/v1/products/ink", json=PEN | {"id": "ink"})
            assert server.stop() == 0
        with serving(tmp_path, payments) as server:
            again = place(server, key="k")
            assert again.headers["idempotency-replayed"] == "true"
            assert (again.json(), again.headers["location"]) == (first.json(), first.headers["location"])
            other = http.post(
                f"{server.url}/v1/orders", json=ORDER | {"quantity": 3}, headers={"idempotency-key": '"k"'}
            )
            assert (other.status_code, other.json()["type"].rpartition("/")[2]) == (422, "idempotency-mismatch")
            url, etag = f"{server.url}/v1/products/ink", created.headers["etag"]
            assert http.get(url, headers={"if-none-match": etag}).status_code == 304
            changed = http.put(url, json=PEN | {"id": "ink", "price": 9}, headers={"if-match": etag})
            assert changed.status_code == 200
            stale = http.put(url, json=PEN | {"id": "ink"}, headers={"if-match": etag})
            assert stale.status_code == 412
            listed = http.get(f"{server.url}/v1/orders", params={"customerId": "ada"}).json()["items"]
            assert len(listed) == 1, "the repeated request ordered nothing"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_lets_a_slow_call_finish(tmp_path: Path, number: signal.Signals) -> None:
    file = patient(tmp_path)
    with Payments() as payments, serving(tmp_path, payments.url, file=file) as server:
        payments.open.clear()
        answer = place(server)
        payments.wait_asked()
        server.process.send_signal(number)
        # It refuses new requests first; then the call is answered.
        until(lambda: _refused(server), bool)
        payments.open.set()
        assert server.process.wait(START_SECONDS) == 0
        with serving(tmp_path, payments.url, file=file) as later:
            found = http.get(f"{later.url}{answer.json()['resource']}").json()
            assert found["status"] == "CONFIRMED", "it had ended before the server did"
        assert list(payments.keys.values()) == [1]


def _refused(server: Running) -> bool:
    try:
        http.get(f"{server.url}/ready", timeout=2)
    except httpx.TransportError:
        return True
    return False


def test_a_call_that_was_cut_off_by_kill_9_is_made_again_with_the_same_key(tmp_path: Path) -> None:
    file = patient(tmp_path)
    with Payments() as payments:
        with serving(tmp_path, payments.url, file=file) as server:
            payments.open.clear()
            answer = place(server)
            payments.wait_asked()
            server.kill()
        payments.open.set()
        with serving(tmp_path, payments.url, file=file) as server:
            order(server, answer, "CONFIRMED")
        assert list(payments.keys.values()) == [2], "one charge, asked for twice"


def test_an_outage_of_payments_delays_orders_and_fills_no_dead_letters(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, f"http://127.0.0.1:{port}") as server:
        answers = [place(server, customerId=f"c{number}") for number in range(8)]
        for answer in answers:
            assert operation(server, answer)["status"] == "Succeeded", "the order is stored all the same"
        until(lambda: _metric(server, "called_service_up"), lambda value: value == 0)
        assert _metric(server, "worker_outage") == 0, "that is about the datastore"
        assert http.get(f"{server.url}{answers[0].json()['resource']}").json()["status"] == "PENDING"
        assert http.get(f"{server.url}/ready").status_code == 200
        with Payments(port) as payments:
            for answer in answers:
                order(server, answer, "CONFIRMED")
            until(lambda: _metric(server, "called_service_up"), lambda value: value == 1)
            assert len(payments.keys) == len(answers)
        assert letters(tmp_path) == []
        assert server.stop() == 0


def _metric(server: Running, part: str) -> float | None:
    """The one metric of the worker whose name has `part` in it, or None while there is none."""
    lines = http.get(f"{server.admin_url}/metrics").text.splitlines()
    found = [line for line in lines if not line.startswith("#") and part in line.partition("{")[0]]
    assert len(found) <= 1, found
    return float(found[0].rpartition(" ")[2]) if found else None


def test_a_declined_order_is_rejected_looked_at_and_redriven(tmp_path: Path) -> None:
    with Payments() as payments, serving(tmp_path, payments.url) as server:
        payments.status = 402
        answers = [place(server, customerId=f"c{number}") for number in range(3)]
        for answer in answers:
            order(server, answer, "REJECTED")
        found = until(lambda: letters(tmp_path), lambda found: len(found) == 3)
        assert {(one["error"]["class"], one["error"]["code"]) for one in found} == {("Rejected", "http-402")}
        table = dlq(tmp_path, "list").stdout.splitlines()
        assert len(table) == 4
        assert all("orders.created" in line and "http-402" in line for line in table[1:])
        shown = dlq(tmp_path, "show", "--id", found[0]["id"])
        assert '"type": "orders.created"' in shown.stdout

        again = dlq(tmp_path, "redrive", "--key", found[0]["key"])
        assert "1 dead letter redriven" in again.stderr
        back = until(lambda: letters(tmp_path), lambda found: len(found) == 3)
        assert sorted(one["redrives"] for one in back) == [0, 0, 1], "payments still declines"

        payments.status = 200
        done = dlq(tmp_path, "redrive", "--error-code", "http-402", "--max", "2", "--rate", "1000")
        assert (done.returncode, "2 dead letters redriven" in done.stderr) == (0, True), done.stderr
        (left,) = until(lambda: letters(tmp_path), lambda found: len(found) == 1)
        left_key = left["key"].partition("/")[2]
        for answer in answers:
            wanted = "REJECTED" if answer.json()["resource"].endswith(left_key) else "CONFIRMED"
            order(server, answer, wanted)

        assert "1 dead letter purged" in dlq(tmp_path, "purge", "--id", left["id"], "--yes").stderr
        assert letters(tmp_path) == []
        assert server.stop() == 0


def test_dead_letters_are_there_without_a_server_too(tmp_path: Path) -> None:
    with Payments() as payments:
        payments.status = 402
        with serving(tmp_path, payments.url) as server:
            answer = place(server)
            order(server, answer, "REJECTED")
            until(lambda: letters(tmp_path), bool)
            assert server.stop() == 0
        payments.status = 200
        assert "1 dead letter redriven" in dlq(tmp_path, "redrive").stderr
        with serving(tmp_path, payments.url) as server:
            order(server, answer, "CONFIRMED")


def test_a_second_server_on_the_same_data_does_not_harm_the_first(tmp_path: Path) -> None:
    file = patient(tmp_path)
    with Payments() as payments, serving(tmp_path, payments.url, file=file) as server:
        payments.open.clear()
        answer = place(server)
        payments.wait_asked()
        second = start(file, tmp_path / "data", "--service", f"payments={payments.url}")
        assert second.process.wait(START_SECONDS) == 1
        said = f"another server (process {server.process.pid}) uses this data directory"
        assert said in second.err
        payments.open.set()
        order(server, answer, "CONFIRMED")
        assert list(payments.keys.values()) == [1], "what the first held was not taken from it"


def test_a_database_that_was_cut_off_is_refused_by_name(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(PRODUCTS, data) as server:
        for number in range(200):
            http.put(f"{server.url}/v1/products/p{number}", json=PEN | {"id": f"p{number}", "note": "x" * 500})
        assert server.stop() == 0
    path = data / "fairlead.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 100])
    done = fairlead("run", "-f", str(PRODUCTS), "--port", "0", "--admin-port", "0", "--data-dir", str(data))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "document 1 (ApiService products): " in last
    assert str(path) in last
    assert "Traceback" not in done.stderr


def test_writes_of_many_clients_around_a_graceful_stop_are_all_kept(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    with running(PRODUCTS, tmp_path / "data") as server:

        def write(client_number: int) -> None:
            with httpx.Client(base_url=server.url) as client:
                for number in range(10_000):
                    name = f"p{client_number}-{number}"
                    try:
                        answer = client.put(f"/v1/products/{name}", json=PEN | {"id": name})
                    except httpx.TransportError:
                        return
                    if answer.status_code == 201:
                        acknowledged.append(name)

        clients = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for client in clients:
            client.start()
        until(lambda: len(acknowledged), lambda count: count > 100)
        assert server.stop() == 0
        for client in clients:
            client.join(START_SECONDS)
    with running(PRODUCTS, tmp_path / "data") as server, httpx.Client(base_url=server.url) as client:
        lost = [name for name in acknowledged if client.get(f"/v1/products/{name}").status_code != 200]
        assert lost == []
