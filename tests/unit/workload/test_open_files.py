"""How many connections a process takes, by the files that it may open."""

import logging
import resource

import pytest

from fairlead_workload.api.servers import open_files
from fairlead_workload.api.servers.base import MAX_CONNECTIONS
from fairlead_workload.errors import Misconfigured

ANY = resource.RLIM_INFINITY


class Limits:
    """The limits of open files that the process finds. `most` is more than the system grants."""

    def __init__(self, soft: int, hard: int, *, most: int = 10**6) -> None:
        self.soft, self.hard, self._most = soft, hard, most

    def get(self, _: int) -> tuple[int, int]:
        return self.soft, self.hard

    def set(self, _: int, limits: tuple[int, int]) -> None:
        if limits[0] > self._most:
            raise ValueError("current limit exceeds maximum limit")
        self.soft, self.hard = limits


def connections(
    monkeypatch: pytest.MonkeyPatch, limits: Limits, *, services: int = 1, listeners: int = 1, calls: int = 20
) -> int:
    monkeypatch.setattr(resource, "getrlimit", limits.get)
    monkeypatch.setattr(resource, "setrlimit", limits.set)
    return open_files.connections(services=services, listeners=listeners, calls=calls)


@pytest.mark.parametrize(
    ("limits", "expected", "soft"),
    [
        (Limits(ANY, ANY), MAX_CONNECTIONS, ANY),
        (Limits(1_000_000, 1_000_000), MAX_CONNECTIONS, 1_000_000),
        (Limits(256, ANY), MAX_CONNECTIONS, 84 + MAX_CONNECTIONS),
        (Limits(1024, 524_288), MAX_CONNECTIONS, 84 + MAX_CONNECTIONS),
        (Limits(64, 1024), 1024 - 84, 1024),
        (Limits(128, 128), 128 - 84, 128),
        (Limits(92, 92), 8, 92),
        (Limits(256, ANY, most=1000), 256 - 84, 256),
    ],
    ids=lambda value: f"{value.soft}-{value.hard}" if isinstance(value, Limits) else None,
)
def test_connections_stay_below_the_limit_which_is_raised_as_far_as_it_may_be(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, limits: Limits, expected: int, soft: int
) -> None:
    caplog.set_level(logging.WARNING)
    assert connections(monkeypatch, limits) == expected
    assert limits.soft == soft
    logged = ["few open files are allowed"] if expected < MAX_CONNECTIONS else []
    assert [record.message for record in caplog.records] == logged


def test_services_of_one_process_share(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connections(monkeypatch, Limits(1024, 1024), services=3, listeners=3, calls=60) == (1024 - 188) // 3


def test_a_worker_takes_no_connections_and_needs_files_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connections(monkeypatch, Limits(128, 128), listeners=0) == 0
    with pytest.raises(Misconfigured, match="1064 are needed"):
        connections(monkeypatch, Limits(128, 128), listeners=0, calls=1000)


def test_too_few_are_refused_with_the_number_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured, match="91 are allowed, 92 are needed"):
        connections(monkeypatch, Limits(91, 91))
