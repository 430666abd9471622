"""What the health checker makes of its dependencies."""

import asyncio

import pytest

from fairlead_workload.api.health import AGAIN_SECONDS, INTERVAL_SECONDS, Health, Status
from fairlead_workload.errors import Unavailable


class Dependencies:
    """Dependencies that fail on request."""

    def __init__(self, *down: str) -> None:
        self.down = set(down)
        self.hanging: set[str] = set()

    def checks(self, *names: str):
        return {name: self._check(name) for name in names}

    def _check(self, name: str):
        async def check() -> None:
            if name in self.hanging:
                await asyncio.Event().wait()
            if name in self.down:
                raise Unavailable(name, "connection refused")

        return check


NAMES = ("datastore", "queue", "cache")
STATES = {
    (): Status.READY,
    ("cache",): Status.DEGRADED,
    ("datastore",): Status.UNREADY,
    ("queue",): Status.UNREADY,
    ("datastore", "cache"): Status.UNREADY,
}


@pytest.mark.parametrize("down", STATES)
async def test_status(down: tuple[str, ...]) -> None:
    health = Health(Dependencies(*down).checks(*NAMES))
    await health.check()
    assert health.status is STATES[down]


async def test_is_unready_before_the_first_check() -> None:
    health = Health(Dependencies().checks(*NAMES))
    assert health.status is Status.UNREADY
    assert health.report()["dependencies"]["datastore"]["error"] == "not checked yet"


async def test_draining_is_unready_though_everything_is_up() -> None:
    health = Health(Dependencies().checks(*NAMES))
    await health.check()
    health.drain()
    assert health.status is Status.UNREADY
    assert health.report()["draining"] is True


async def test_reports_why_and_since_when() -> None:
    now = [1_767_225_600.0]
    dependencies = Dependencies()
    health = Health(dependencies.checks("datastore"), clock=lambda: now[0])
    await health.check()
    up = health.report()["dependencies"]["datastore"]
    assert up == {"state": "up", "since": "2026-01-01T00:00:00.000000Z"}
    now[0] += 60
    await health.check()
    assert health.report()["dependencies"]["datastore"] == up
    dependencies.down.add("datastore")
    await health.check()
    now[0] += 60
    await health.check()
    assert health.report()["dependencies"]["datastore"] == {
        "state": "down",
        "since": "2026-01-01T00:01:00.000000Z",
        "error": "connection refused",
    }


async def test_one_failed_check_is_none_and_the_next_one_comes_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    dependencies = Dependencies()
    health = Health(dependencies.checks("datastore"), random=lambda: 0.5)
    monkeypatch.setattr("fairlead_workload.api.health.asyncio.sleep", sleep)
    await health.check()
    dependencies.down.add("datastore")
    await health.check()
    assert health.status is Status.READY
    with pytest.raises(asyncio.CancelledError):
        await health.run()
    assert (health.status, pauses) == (Status.UNREADY, [AGAIN_SECONDS, INTERVAL_SECONDS, INTERVAL_SECONDS])


async def test_what_a_process_waits_for_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    health = Health()
    assert health.status is Status.UNREADY
    for _ in range(2):
        health.wait_for("datastore", "connection refused")
    report = health.report()
    assert (report["status"], report["waiting"]) == ("unready", True)
    assert report["dependencies"]["datastore"]["error"] == "connection refused"
    assert [record.message for record in caplog.records] == ["waiting for a dependency"], "once for each reason"
    health.watch(Dependencies().checks(*NAMES))
    await health.check()
    assert (health.status, "waiting" in health.report()) == (Status.READY, False)


async def test_a_dependency_that_hangs_is_down_and_keeps_none_of_the_others_waiting() -> None:
    dependencies = Dependencies()
    dependencies.hanging.add("queue")
    health = Health(dependencies.checks(*NAMES), timeout_seconds=0.01)
    await health.check()
    assert not health.dependencies["queue"].up
    assert "no answer within" in (health.dependencies["queue"].error or "")
    assert health.dependencies["datastore"].up


async def test_a_defect_of_a_check_counts_as_down_and_shows_no_secret() -> None:
    async def broken() -> None:
        raise KeyError("password=hunter2")

    health = Health({"datastore": broken})
    await health.check()
    assert health.dependencies["datastore"].error == "the check failed: KeyError"


async def test_run_checks_again_until_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    enough = asyncio.Event()

    async def check() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            enough.set()

    health = Health({"datastore": check})
    monkeypatch.setattr("fairlead_workload.api.health.INTERVAL_SECONDS", 0.0)
    running = asyncio.create_task(health.run())
    await asyncio.wait_for(enough.wait(), 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
