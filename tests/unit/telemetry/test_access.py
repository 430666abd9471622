"""The access log's buffer and its two forms."""

import asyncio
import json

import pytest

from fairlead_workload.telemetry import access
from fairlead_workload.telemetry.access import AccessLog, Form


def add(log: AccessLog, path: str = "/v1/products/pen") -> None:
    log.add("GET", path, "/v1/products/{id}", 200, 0.0012345, 37, "r1", "", "")


async def test_lines_of_a_burst_are_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "FLUSH_SECONDS", 0.0)
    writes: list[bytes] = []
    log = AccessLog(writes.append, clock=lambda: 0.25)
    for _ in range(3):
        add(log)
    assert writes == []
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    (written,) = writes
    assert [json.loads(line)["time"] for line in written.splitlines()] == ["1970-01-01T00:00:00.250Z"] * 3
    assert json.loads(written.splitlines()[0])["duration_ms"] == 1.234
    log.close()


async def test_the_buffer_is_bounded() -> None:
    writes: list[bytes] = []
    log = AccessLog(writes.append)
    for _ in range(1000):
        add(log, "/" + "a" * 5000)
    assert len(writes) > 1
    assert max(map(len, writes)) < access.MAX_BUFFER_BYTES + access.MAX_PATH_LENGTH + 1000
    log.close()


@pytest.mark.parametrize("form", ["json", "console"])
async def test_a_line_is_one_line_whatever_the_path(form: Form) -> None:
    writes: list[bytes] = []
    log = AccessLog(writes.append, form=form)
    add(log, '/a"\n\x1b[31mred\x00é')
    log.close()
    (written,) = writes
    assert written.count(b"\n") == 1
    assert b"\x1b" not in written


async def test_the_longest_method_stays_apart_from_the_status() -> None:
    writes: list[bytes] = []
    log = AccessLog(writes.append, form="console")
    log.add("OPTIONS", "/v1", "/v1", 405, 0.001, 0, "r1", "", "")
    log.close()
    assert b" OPTIONS 405 " in writes[0]
