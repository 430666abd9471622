"""A disk without room: writes are refused and say why, nothing that was accepted is lost, and it goes on by itself."""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.left_out import is_left_out

from .server import START_SECONDS, Running, fairlead, http, running

FILE = Path(__file__).parents[2] / "data" / "notes.yaml"
WRITES = 2000
CONTENT = "x" * 4000
pytestmark = pytest.mark.skipif(is_left_out("mounts"), reason="FAIRLEAD_SKIP names mounts")


class SmallDisk:
    """A file system of its own on `path`. Mounting takes root, and Linux."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mount("size=6m", "-t", "tmpfs", "tmpfs")

    def grow(self) -> None:
        self._mount("remount,size=64m")

    def _mount(self, options: str, *arguments: str) -> None:
        done = subprocess.run(["mount", "-o", options, *arguments, self.path], capture_output=True, text=True)
        if done.returncode:
            pytest.fail(f"{done.stderr.strip()}. Run as root, or leave this part out with FAIRLEAD_SKIP=mounts")

    def remove(self) -> None:
        subprocess.run(["umount", "--lazy", self.path], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    path = tmp_path / "data"
    path.mkdir()
    disk = SmallDisk(path)
    yield disk
    disk.remove()


async def send_all(server: Running, method: str, keys: Iterable[str], body: Any = None) -> dict[str, httpx.Response]:
    """One request for each parcel, from a few clients."""
    answers: dict[str, httpx.Response] = {}
    waiting = iter(keys)
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:

        async def send_some() -> None:
            for key in waiting:
                answers[key] = await client.request(method, f"/v1/parcels/{key}", json=body)

        await asyncio.gather(*(send_some() for _ in range(16)))
    return answers


async def all_there(server: Running, keys: list[str]) -> None:
    """Return once each of the documents is there."""
    deadline = time.monotonic() + START_SECONDS
    while keys:
        answers = await send_all(server, "GET", keys)
        keys = [key for key, answer in answers.items() if answer.status_code != 200]
        assert time.monotonic() < deadline, f"lost: {keys}"


def ready(server: Running, status: int) -> dict[str, Any]:
    """What the admin listener says once it has come to `status`."""
    deadline = time.monotonic() + START_SECONDS
    while (answer := http.get(f"{server.admin_url}/ready")).status_code != status:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    found: dict[str, Any] = answer.json()["dependencies"]
    return found


def metric(server: Running, name: str) -> float:
    lines = http.get(f"{server.admin_url}/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


def logged(server: Running, message: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in server.out.splitlines() if '"message"' in line]
    return [line for line in lines if line["message"] == message]


async def test_a_full_disk_refuses_writes_loses_nothing_and_says_so(disk: SmallDisk) -> None:
    with running(FILE, disk.path) as server:
        assert (metric(server, "fairlead_disk_full"), metric(server, "fairlead_disk_free_bytes") > 0) == (0, True)
        answers = await send_all(server, "PUT", map(str, range(WRITES)), {"content": CONTENT})
        accepted = [key for key, answer in answers.items() if answer.status_code == 202]
        refused = [answer for answer in answers.values() if answer.status_code != 202]
        assert 0 < len(accepted) < WRITES
        assert {(answer.status_code, answer.json()["detail"]) for answer in refused} == {
            (503, "The disk of the queue is full; nothing was changed. Try again later.")
        }
        down = ready(server, 503)
        for name in ("datastore", "queue"):
            assert down[name]["state"] == "down"
            assert "is full" in down[name]["error"]
        assert metric(server, "fairlead_disk_full") == 1
        assert [line["directory"] for line in logged(server, "disk full")] == [str(disk.path)]

        disk.grow()
        ready(server, 200)
        assert metric(server, "fairlead_disk_full") == 0
        assert len(logged(server, "disk full")) == len(logged(server, "disk has room again")) == 1
        assert http.put(f"{server.url}/v1/parcels/late", json={"content": CONTENT}).status_code == 202
        await all_there(server, [*accepted, "late"])


def test_a_server_that_starts_on_a_full_disk_says_what_to_do(disk: SmallDisk) -> None:
    (disk.path / "filler").write_bytes(b"x" * 6 * 1024 * 1024)
    done = fairlead("run", "-f", str(FILE), "--data-dir", str(disk.path), "--port", "0", "--admin-port", "0")
    assert done.returncode != 0
    assert "full" in done.stderr + done.stdout
    assert "make room on the disk" in done.stderr + done.stdout
