"""Log lines: one stream, bounded noise, no secrets."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from fairlead_workload.telemetry import logs


@pytest.fixture
def stream() -> Iterator[io.BytesIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.BytesIO()
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = handlers, level


def lines(stream: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_carry_the_service_and_the_facts(stream: io.BytesIO) -> None:
    logs.configure("json", service="orders", namespace="shop", stream=stream)
    logging.getLogger("fairlead.test").warning("dependency down", extra={"dependency": "cache", "count": 3})
    (line,) = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "message": "dependency down",
        "logger": "fairlead.test",
        "service": "orders",
        "namespace": "shop",
        "dependency": "cache",
        "count": 3,
    }


def test_an_exception_is_one_line(stream: io.BytesIO) -> None:
    logs.configure("json", stream=stream)
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        logging.getLogger("fairlead.test").exception("request failed")
    (line,) = lines(stream)
    assert line["exception"].startswith("Traceback")
    assert "ValueError: broken" in line["exception"]


def test_secrets_are_not_shown(stream: io.BytesIO) -> None:
    logs.configure("json", stream=stream)
    logging.getLogger("fairlead.test").info("signed in", extra={"password": "hunter2", "Authorization": "Bearer x"})
    assert b"hunter2" not in stream.getvalue()
    assert b"Bearer" not in stream.getvalue()
    assert lines(stream)[0]["password"] == logs.REDACTED


def test_facts_of_any_type_are_written(stream: io.BytesIO) -> None:
    logs.configure("json", stream=stream)
    logging.getLogger("fairlead.test").info("odd", extra={"path": ValueError("x"), "surrogate": "\ud800"})
    assert lines(stream)[0]["path"] == "x"


def test_libraries_are_quiet_until_it_matters(stream: io.BytesIO) -> None:
    logs.configure("json", stream=stream)
    for name in ("uvicorn.error", "_granian", "httpx", "asyncio"):
        logging.getLogger(name).info("noise")
        logging.getLogger(name).error("trouble")
    assert [line["message"] for line in lines(stream)] == ["trouble"] * 4


def test_warnings_are_logged(stream: io.BytesIO) -> None:
    logs.configure("json", stream=stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert "old" in lines(stream)[0]["message"]


def test_the_console_form_escapes_control_characters(stream: io.BytesIO) -> None:
    logs.configure("console", stream=stream)
    logging.getLogger("fairlead.test").info("a\x1b[2Jb", extra={"path": "x\ny"})
    (line,) = stream.getvalue().decode().splitlines()
    assert "\x1b" not in line
    assert "a\\x1b[2Jb" in line
    assert "path=x\\ny" in line


def test_a_reader_that_has_gone_harms_nobody(stream: io.BytesIO, capsys: pytest.CaptureFixture[str]) -> None:
    class Gone(io.BytesIO):
        def write(self, data: Any) -> int:
            raise BrokenPipeError

    logs.configure("json", stream=Gone())
    logging.getLogger("fairlead.test").info("still here")
    assert capsys.readouterr().err == ""
