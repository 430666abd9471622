"""Several processes on one PostgreSQL answer as one; one that starts without it waits and says so."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.integration.postgresql.processes import EXAMPLE, Shop
from tests.integration.process.server import Running, fairlead, http, running
from tests.integration.workload.waiting import until
from tests.servers.postgresql import GROUP, PASSWORD, USER, PostgreSQL
from tests.servers.postgresql import running as running_postgresql
from tests.summary import LINES

pytestmark = pytest.mark.xdist_group(GROUP)

PEN = {"id": "pen", "name": "Pen", "price": 1}
RESTARTS, CLIENTS = 3, 6


def test_two_processes_answer_as_one(tmp_path: Path, postgresql: PostgreSQL) -> None:
    with Shop(tmp_path, postgresql).running("one", "two") as (one, two):
        made = http.post(f"{one.url}/v1/products", json=PEN)
        assert made.status_code == 201
        found = http.get(f"{two.url}/v1/products/pen")
        assert (found.json(), found.headers["etag"]) == (PEN, made.headers["etag"])

        order = {"customerId": "c", "productId": "pen", "quantity": 2}
        key = {"idempotency-key": "k1"}
        first = http.post(f"{one.url}/v1/orders", json=order, headers=key)
        again = http.post(f"{two.url}/v1/orders", json=order, headers=key)
        assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
        other = http.post(f"{two.url}/v1/orders", json=order | {"quantity": 3}, headers=key)
        assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")
        listed = http.get(f"{two.url}/v1/orders?customerId=c").json()["items"]
        assert listed == [first.json()]

        stale = http.put(f"{two.url}/v1/products/pen", json=PEN, headers={"if-match": '"1"'})
        assert stale.status_code == 412
        refused = http.post(f"{two.url}/v1/orders", json=order | {"productId": "none"})
        assert refused.status_code == 422


def test_another_process_shows_a_write_within_the_time_to_live_and_at_once_to_who_asks(
    tmp_path: Path, postgresql: PostgreSQL
) -> None:
    shop = Shop(tmp_path, postgresql)
    with shop.running("one", "two") as (one, two):
        http.put(f"{one.url}/v1/products/pen", json=PEN)
        assert http.get(f"{two.url}/v1/products/pen").json()["price"] == 1
        http.put(f"{one.url}/v1/products/pen", json=PEN | {"price": 2})
        assert http.get(f"{one.url}/v1/products/pen").json()["price"] == 2, "its own write"
        fresh = http.get(f"{two.url}/v1/products/pen", headers={"cache-control": "no-cache"})
        assert fresh.json()["price"] == 2
        assert http.get(f"{two.url}/v1/products/pen").json()["price"] == 2


class Load:
    """Clients that write and read at any process that is in service, as a Service's endpoints are."""

    def __init__(self, urls: list[str]) -> None:
        self.urls = urls
        self.failures: list[str] = []
        self.written: list[int] = [0] * CLIENTS
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        with httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0)) as client:
            while not self._stop.is_set():
                url = self.urls[self.written[number] % len(self.urls)]
                product = {"id": f"p{number}", "name": "Pen", "price": self.written[number] + 1}
                try:
                    answer = client.put(f"{url}/v1/products/p{number}", json=product)
                    assert answer.status_code in (200, 201), answer.text
                    self.written[number] += 1
                    found = client.get(f"{url}/v1/products/p{number}")
                    assert found.json() == product, f"read {found.text} after {product}"
                except (httpx.HTTPError, AssertionError) as error:
                    self.failures.append(f"{type(error).__name__}: {error}")


def test_a_rolling_restart_under_load_fails_no_request(
    tmp_path: Path, postgresql: PostgreSQL, request: pytest.FixtureRequest
) -> None:
    shop = Shop(tmp_path, postgresql)
    with shop.running("one", "two") as processes:
        in_service: list[Running] = list(processes)
        with Load([each.url for each in in_service]) as load:
            for number in range(RESTARTS):
                new = shop.start(f"next-{number}")
                processes.append(new)
                new.wait_ready()
                load.urls = [*(each.url for each in in_service[1:]), new.url]
                old, in_service = in_service[0], [*in_service[1:], new]
                before = list(load.written)
                until(lambda: all(map(int.__lt__, before, load.written)), "nobody uses the old one")  # noqa: B023
                assert old.stop() == 0
        assert load.failures == []
        for number, count in enumerate(load.written):
            found = http.get(f"{in_service[0].url}/v1/products/p{number}", headers={"cache-control": "no-cache"})
            assert found.json()["price"] == count
    line = f"API processes on PostgreSQL: {RESTARTS} restarts in turn, {2 * sum(load.written)} requests, none failed"
    request.config.stash[LINES].append(line)


@contextmanager
def waiting_process(folder: Path) -> Iterator[tuple[PostgreSQL, Running]]:
    """A server that is stopped, and a process of the shop that has begun to wait for it."""
    with running_postgresql() as server:
        shop = Shop(folder, server)
        server.stop()
        process = shop.start("waiting")
        try:
            until(lambda: "waiting for a dependency" in process.out + process.err, "a line of the log")
            yield server, process
        finally:
            if process.process.poll() is None:
                process.kill()


def test_a_process_that_starts_without_its_database_waits_says_so_and_goes_on(tmp_path: Path) -> None:
    with waiting_process(tmp_path) as (server, process):
        ready = http.get(f"{process.admin_url}/ready")
        report = ready.json()
        assert (ready.status_code, report["status"], report["waiting"]) == (503, "unready", True)
        assert report["dependencies"]["datastore"]["state"] == "down"
        assert "nothing listens at db.shop.svc" in report["dependencies"]["datastore"]["error"]
        assert http.get(f"{process.admin_url}/health").status_code == 200
        assert 'fairlead_dependency_up{dependency="datastore"} 0.0' in http.get(f"{process.admin_url}/metrics").text
        server.start()
        process.wait_ready()
        assert http.post(f"{process.url}/v1/products", json=PEN).status_code == 201
        assert process.stop() == 0
        assert PASSWORD not in process.err + process.out


def test_a_signal_ends_a_process_that_waits(tmp_path: Path) -> None:
    with waiting_process(tmp_path) as (_, process):
        assert process.stop(signal.SIGINT) == 0
        assert "Traceback" not in process.out + process.err


def test_a_secret_without_a_folder_is_named_with_both_ways_out() -> None:
    refused = fairlead("run", "-f", str(EXAMPLE), "--bindings", "declared", "--port", "0", "--admin-port", "0")
    assert refused.returncode == 1
    assert "datastore.postgresql.credentialsSecret: the Secret shop-db has no folder on this machine" in refused.stderr
    assert "--secret shop-db=FOLDER, or set PGUSER and PGPASSWORD" in refused.stderr


def test_credentials_may_come_from_the_environment(
    tmp_path: Path, postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGUSER", USER)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    shop = Shop(tmp_path, postgresql)
    options = shop.options[:2] + shop.options[-2:]
    with running(shop.file, tmp_path / "data", *options) as process:
        assert http.post(f"{process.url}/v1/products", json=PEN).status_code == 201
        postgresql.execute(f'DROP SCHEMA "shop_{shop.name}" CASCADE')
