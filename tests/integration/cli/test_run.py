"""`fairlead run` serves, keeps what it was given, and stops cleanly."""

import json
import signal
import socket
import time
from pathlib import Path

import pytest
from tests.integration.process.server import EXAMPLES, fairlead, free_ports, http, running

PRODUCTS = EXAMPLES / "products.yaml"
PEN = {"id": "pen", "name": "Pen", "price": 1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_data_survives_a_restart_and_a_signal_exits_0(tmp_path: Path, number: signal.Signals) -> None:
    with running(PRODUCTS, None, cwd=tmp_path) as server:
        assert http.put(f"{server.url}/v1/products/pen", json=PEN).status_code == 201
        assert server.stop(number) == 0
    with running(PRODUCTS, None, cwd=tmp_path) as server:
        assert http.get(f"{server.url}/v1/products/pen").json() == PEN
        assert server.stop(number) == 0
    assert (tmp_path / ".fairlead" / "default" / "products" / "fairlead.db").is_file()


def test_the_addresses_and_requests_are_announced_and_answer(tmp_path: Path) -> None:
    with running(PRODUCTS, None, cwd=tmp_path, log_format="console") as server:
        for path in ("/docs", "/openapi.json", "/health", "/ready"):
            assert http.get(f"{server.url}{path}").status_code == 200
        assert server.stop() == 0
    rows = [line.split() for line in server.out.splitlines()]
    addresses = {line[0] for line in rows if len(line) == 2 and line[1].startswith("http://")}
    assert addresses == {"API", "documentation", "OpenAPI", "health", "readiness", "metrics"}


def test_a_second_instance_on_the_same_data_directory_is_refused(tmp_path: Path) -> None:
    with running(PRODUCTS, None, cwd=tmp_path) as server:
        second = fairlead("run", "-f", str(PRODUCTS), "--port", "0", "--admin-port", "0", cwd=tmp_path)
        assert second.returncode == 1
        said = f"another server (process {server.process.pid}) uses this data directory; stop it, or give"
        assert said in second.stderr
        assert "Traceback" not in second.stderr
        assert http.get(f"{server.url}/ready").status_code == 200
        assert server.stop() == 0


def test_several_services_count_ports_up_and_keep_their_data_apart(tmp_path: Path) -> None:
    content = PRODUCTS.read_text()
    other = content.replace("name: products\nspec", "name: catalogue\nspec")
    third = content.replace("name: products\nspec", "name: last\nspec")
    folder = tmp_path / "services"
    folder.mkdir()
    (folder / "a.yaml").write_text(
        f"{content}\n---\n{other}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\n"
    )
    (folder / "b.yaml").write_text(third)
    port, admin_port = _neighbours(3), _neighbours(3)
    with running(folder, tmp_path / "data", port=port, admin_port=admin_port) as server:
        first, second, last = (f"http://127.0.0.1:{port + count}" for count in range(3))
        for url in (second, last):
            server.wait_ready(url)
        assert http.put(f"{first}/v1/products/pen", json=PEN).status_code == 201
        assert http.get(f"{second}/v1/products").json()["items"] == []
        assert http.get(f"{last}/v1/products").json()["items"] == []
        assert http.get(f"http://127.0.0.1:{admin_port + 2}/ready").json()["status"] == "ready"
        assert server.stop() == 0
    assert "a.yaml: document 3 (Secret x): skipped; only an ApiService is served" in server.err
    for name in ("products", "catalogue", "last"):
        assert (tmp_path / "data" / "default" / name / "fairlead.db").is_file()


def _neighbours(count: int) -> int:
    """The first of `count` free ports in a row."""
    for port in free_ports(20):
        probes = [socket.socket() for _ in range(count)]
        try:
            for offset, probe in enumerate(probes):
                probe.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
        return port
    raise AssertionError("no neighbouring ports are free")


def test_log_lines_in_json_are_all_that_is_printed(tmp_path: Path) -> None:
    with running(PRODUCTS, None, cwd=tmp_path) as server:
        http.get(f"{server.url}/v1/products")
        assert server.stop() == 0
    lines = [json.loads(line) for line in (server.out + server.err).splitlines() if not line.startswith(str(PRODUCTS))]
    assert any("/v1/products" in json.dumps(line) for line in lines)
    (started,) = [line for line in lines if line["message"] == "started"]
    assert (started["service"], started["url"]) == ("default/products", server.url)


def test_the_log_says_that_it_stops(tmp_path: Path) -> None:
    with running(PRODUCTS, None, cwd=tmp_path, log_format="console") as server:
        assert server.stop(signal.SIGINT) == 0
    said = server.out.splitlines()
    finishing = "finishing what is under way; a second signal stops at once  signal=SIGINT"
    assert [line for line in said if line.endswith(finishing)]
    assert said[-1].endswith("stopped")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
def test_a_second_signal_exits_at_once(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with running(PRODUCTS, None, cwd=tmp_path) as server:
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as slow:
            head = (
                "POST /v1/products HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"
            )
            slow.sendall(head.encode())  # a request in flight keeps the first signal waiting
            http.get(f"{server.url}/ready")
            server.process.send_signal(number)
            _wait_until_refused(port)
            assert server.stop(number) == code


def _wait_until_refused(port: int) -> None:
    """Return when the listener is gone: the first signal has been seen."""
    for _ in range(3000):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return
        time.sleep(0.01)
    raise AssertionError("the listener is still there")
