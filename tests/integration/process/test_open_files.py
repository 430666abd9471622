"""Few open files: connections are bounded below them, and whoever has one is served."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .raw import Connection
from .server import START_SECONDS, Running, http, running, start

FILE = Path(__file__).parents[2] / "data" / "notes.yaml"
ALLOWED = 128
CONNECTIONS = 150
GET = b"GET /v1/notes/a HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT /v1/notes/a HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n" + b'{"n":1}'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with running(FILE, tmp_path / "data", open_files=ALLOWED) as server:
        yield server


def warnings_logged(server: Running) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in server.out.splitlines() if '"few open files' in line]
    return [{name: line[name] for name in ("level", "open_files", "max_connections")} for line in lines]


def metric(server: Running, name: str) -> int:
    lines = http.get(f"{server.admin_url}/metrics").text.splitlines()
    return int(float(next(line for line in lines if line.startswith(f"{name} ")).split()[1]))


def test_more_connections_than_files_keep_nobody_out_who_has_one(server: Running) -> None:
    bound = metric(server, "http_server_max_connections")
    assert 8 <= bound < ALLOWED
    assert warnings_logged(server) == [{"level": "warning", "open_files": ALLOWED, "max_connections": bound}]
    with ExitStack() as stack:
        connections = [stack.enter_context(Connection(server.url)) for _ in range(CONNECTIONS)]
        taken, waiting = connections[:bound], connections[bound:]
        for number, connection in enumerate(taken):
            connection.send(PUT if number % 2 else GET)
        answers = [connection.answer() for connection in taken]
        assert {answer.status for answer in answers if answer} <= {200, 201, 404}
        assert None not in answers
        for connection in waiting:
            connection.send(GET)
        assert http.get(f"{server.admin_url}/ready").status_code == 200, "the admin listener has files of its own"
        for connection in taken:
            connection.send(PUT)
            assert connection.answer() is not None, "requests on open connections go on"
        for connection in taken:
            connection.close()
        for start_at in range(0, len(waiting), bound):
            for connection in waiting[start_at : start_at + bound]:
                answer = connection.answer()
                assert answer is not None
                assert answer.status == 200, "who waited is served when others have left"
                connection.close()
    assert "exception" not in server.out
    assert len(warnings_logged(server)) == 1


def test_too_few_files_are_refused_with_the_number_that_is_needed(tmp_path: Path) -> None:
    server = start(FILE, tmp_path / "data", open_files=64)
    assert server.process.wait(timeout=START_SECONDS) == 1
    assert "64 are allowed" in server.err
    assert "ulimit -n 92" in server.err
