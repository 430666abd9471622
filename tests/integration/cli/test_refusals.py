"""What cannot be done is one clear message on standard error, an exit code, and never a traceback."""

import socket
from pathlib import Path

import pytest
from tests.integration.process.server import EXAMPLES, fairlead

PRODUCTS = (EXAMPLES / "products.yaml").read_text()
HALF = PRODUCTS[: PRODUCTS.index("list: {unf") + 8]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("lint",),
        ("run",),
        ("nothing",),
        ("lint", "-f", "x", "--output", "xml"),
        ("run", "-f", "x", "--port", "70000"),
        ("run", "-f", "x", "--service", "payments"),
        ("run", "-f", "x", "--service", "payments=ftp://x"),
        ("run", "-f", "x", "--service", "a=http://x", "--service", "a=http://y"),
        ("run", "-f", "x", "--log-format", "xml"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2(arguments: tuple[str, ...]) -> None:
    done = fairlead(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Usage: fairlead" in done.stderr + done.stdout


def test_the_version_is_printed() -> None:
    done = fairlead("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "fairlead")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            PRODUCTS.replace("datastore:", "datastor:"),
            "a.yaml: document 1 (ApiService products): spec.datastor: unknown field `datastor`; did you mean",
        ),
        (HALF, f"a.yaml: document 1: line {len(HALF.splitlines())}, column 15: not valid YAML: "),
        ("", "a.yaml: the file is empty; "),
        ("apiVersion: v1\nkind: Secret\n", "a.yaml: no ApiService found; "),
        (
            f"{PRODUCTS}\n  security: {{authentication: {{jwt: {{issuer: 'https://a.example', audiences: [a]}}}}}}\n",
            "a.yaml: document 1 (ApiService products): spec.security.authentication.jwt: jwt is not served yet; ",
        ),
        (
            (EXAMPLES / "orders.yaml").read_text(),
            "a.yaml: document 1 (ApiService orders): spec.worker.handlers[0].steps[0].call.service.name: the service",
        ),
    ],
    ids=["typo", "half-written file", "empty file", "no ApiService", "unserved field", "unknown service"],
)
def test_a_resource_that_cannot_be_served_exits_1(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "a.yaml").write_text(content)
    done = fairlead("run", "-f", "a.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert any(line.startswith(said) for line in done.stderr.splitlines()), done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "a.yaml"]


def test_every_fault_of_every_document_is_reported_at_once(tmp_path: Path) -> None:
    broken = PRODUCTS.replace("datastore:", "datastor:").replace("cache: {type: Memory}", "cache: {type: Memori}")
    (tmp_path / "a.yaml").write_text(f"{broken}\n---\n{broken}")
    done = fairlead("run", "-f", "a.yaml", cwd=tmp_path)
    for document in (1, 2):
        for path in ("spec.datastor", "spec.cache.type"):
            assert f"a.yaml: document {document} (ApiService products): {path}: " in done.stderr


def test_standard_input_is_read() -> None:
    done = fairlead("lint", "-f", "-", text=PRODUCTS)
    assert done.returncode == 0
    assert "standard input: document 1 (ApiService products): warning: " in done.stdout


@pytest.mark.parametrize("option", ["--port", "--admin-port"])
def test_a_port_in_use_is_named(tmp_path: Path, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ports = {"--port": "0", "--admin-port": "0"} | {option: port}
        done = fairlead("run", "-f", str(EXAMPLES / "products.yaml"), *sum(ports.items(), ()), cwd=tmp_path)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}: address already in use; " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("data_dir", "said"),
    [("file", "file"), ("file/below", "file"), ("/proc/fairlead", "/proc/fairlead")],
    ids=["a file", "below a file", "where nothing can be made"],
)
def test_a_data_directory_that_cannot_be_used_is_named(tmp_path: Path, data_dir: str, said: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    arguments = ("--port", "0", "--admin-port", "0", "--data-dir", data_dir)
    done = fairlead("run", "-f", str(EXAMPLES / "products.yaml"), *arguments, cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "document 1 (ApiService products): " in last
    assert said in last
    assert "Traceback" not in done.stderr


def test_a_database_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fairlead.db").write_bytes(b"not a database" * 100)
    arguments = ("--port", "0", "--admin-port", "0", "--data-dir", "data")
    done = fairlead("run", "-f", str(EXAMPLES / "products.yaml"), *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert "fairlead.db" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
