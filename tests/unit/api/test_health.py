"""What the health checker makes of its dependencies."""

import asyncio

import pytest

from fairlead_workload.api.health import Health, Status
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
