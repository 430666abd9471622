"""`fairlead run` serves, keeps what it was given, and stops cleanly."""

import json
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest
from tests.integration.cli.commands import EXAMPLES, fairlead, free_ports, serving, stop

PRODUCTS = str(EXAMPLES / "products.yaml")


def products(tmp_path: Path) -> tuple[list[str], str]:
    """Arguments that serve the products example from free ports, and its URL."""
    port, admin_port = free_ports(2)
    return ["-f", PRODUCTS, "--port", str(port), "--admin-port", str(admin_port)], f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_data_survives_a_restart_and_a_signal_exits_0(tmp_path: Path, number: signal.Signals) -> None:
    pen = {"id": "pen", "name": "Pen", "price": 1}
    arguments, url = products(tmp_path)
    with serving(*arguments, cwd=tmp_path, ready=f"{url}/ready") as process:
        assert httpx.put(f"{url}/v1/products/pen", json=pen).status_code == 201
        assert stop(process, number)[0] == 0
    arguments, url = products(tmp_path)
    with serving(*arguments, cwd=tmp_path, ready=f"{url}/ready") as process:
        assert httpx.get(f"{url}/v1/products/pen").json() == pen
        assert stop(process, number)[0] == 0
    assert (tmp_path / ".fairlead" / "default" / "products" / "fairlead.db").is_file()


def test_the_addresses_and_requests_are_announced_and_answer(tmp_path: Path) -> None:
    arguments, url = products(tmp_path)
    with serving(*arguments, cwd=tmp_path, ready=f"{url}/ready") as process:
        for path in ("/docs", "/openapi.json", "/health", "/ready"):
            assert httpx.get(f"{url}{path}").status_code == 200
        code, out, _ = stop(process)
    assert code == 0
    words = [line.split() for line in out.splitlines()]
    addresses = {line[0] for line in words if len(line) == 2 and line[1].startswith("http://")}
    assert addresses == {"API", "documentation", "OpenAPI", "health", "readiness", "metrics"}


def test_a_second_instance_on_the_same_data_directory_is_refused(tmp_path: Path) -> None:
    arguments, url = products(tmp_path)
    with serving(*arguments, cwd=tmp_path, ready=f"{url}/ready") as process:
        second = fairlead("run", "-f", PRODUCTS, "--port", "0", "--admin-port", "0", cwd=tmp_path)
        assert second.returncode == 1
        assert f"another server (process {process.pid}) uses this data directory; stop it, or give" in second.stderr
        assert "Traceback" not in second.stderr
        assert httpx.get(f"{url}/ready").status_code == 200
        assert stop(process)[0] == 0


def test_several_services_count_ports_up_and_keep_their_data_apart(tmp_path: Path) -> None:
    content = Path(PRODUCTS).read_text()
    other = content.replace("name: products\nspec", "name: catalogue\nspec")
    (tmp_path / "both.yaml").write_text(
        f"{content}\n---\n{other}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\n"
    )
    port, admin_port = _neighbours(), _neighbours()
    arguments = ["-f", "both.yaml", "--port", str(port), "--admin-port", str(admin_port), "--data-dir", "data"]
    with serving(*arguments, cwd=tmp_path, ready=f"http://127.0.0.1:{port + 1}/ready") as process:
        pen = {"id": "pen", "name": "Pen", "price": 1}
        assert httpx.put(f"http://127.0.0.1:{port}/v1/products/pen", json=pen).status_code == 201
        assert httpx.get(f"http://127.0.0.1:{port + 1}/v1/products").json()["items"] == []
        code, _, err = stop(process)
    assert code == 0
    assert "both.yaml: document 3 (Secret x): skipped; only an ApiService is served" in err
    for name in ("products", "catalogue"):
        assert (tmp_path / "data" / "default" / name / "fairlead.db").is_file()


def _neighbours() -> int:
    """A free port whose successor is free too."""
    for port in free_ports(20):
        try:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port + 1))
        except OSError:
            continue
        return port
    raise AssertionError("no two neighbouring ports are free")


def test_log_lines_in_json_are_all_that_is_printed(tmp_path: Path) -> None:
    arguments, url = products(tmp_path)
    with serving(*arguments, "--log-format", "json", cwd=tmp_path, ready=f"{url}/ready") as process:
        httpx.get(f"{url}/v1/products")
        code, out, err = stop(process)
    assert code == 0
    lines = [json.loads(line) for line in (out + err).splitlines() if not line.startswith(PRODUCTS)]
    assert any(line.get("path") == "/v1/products" or "/v1/products" in json.dumps(line) for line in lines)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
def test_a_second_signal_exits_at_once(tmp_path: Path, number: signal.Signals, code: int) -> None:
    arguments, url = products(tmp_path)
    with serving(*arguments, cwd=tmp_path, ready=f"{url}/ready") as process:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as slow:
            head = (
                "POST /v1/products HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"
            )
            slow.sendall(head.encode())  # a request in flight keeps the first signal waiting
            httpx.get(f"{url}/ready")
            process.send_signal(number)
            _wait_until_refused(port)
            assert stop(process, number)[0] == code


def _wait_until_refused(port: int) -> None:
    """Return when the listener is gone: the first signal has been seen."""
    for _ in range(3000):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return
        time.sleep(0.01)
    raise AssertionError("the listener is still there")
