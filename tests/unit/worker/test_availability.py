"""What is known of called services: the last call, while an event may still wait for the service."""

import pytest

from fairlead_workload.worker.calls.availability import ServiceAvailability


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def standing(clock: Clock) -> ServiceAvailability:
    standing = ServiceAvailability(clock)
    standing.longest_seconds = 400.0
    return standing


def test_nothing_is_known_before_the_first_call(standing: ServiceAvailability) -> None:
    assert standing.known() == {}


@pytest.mark.parametrize("up", [True, False])
def test_the_last_call_is_known_until_the_next_must_have_come(
    standing: ServiceAvailability, clock: Clock, up: bool
) -> None:
    standing.observe("payments", up=not up)
    standing.observe("payments", up=up)
    clock.now += 399
    assert standing.known() == {"payments": up}
    clock.now += 2
    assert standing.known() == {}


def test_a_service_that_asked_for_patience_stays_known_for_so_long(standing: ServiceAvailability, clock: Clock) -> None:
    standing.observe("payments", up=False, retry_after_seconds=3600)
    standing.observe("payments", up=False)
    clock.now += 3599
    assert standing.known() == {"payments": False}


def test_an_answer_ends_what_was_asked_for(standing: ServiceAvailability, clock: Clock) -> None:
    standing.observe("payments", up=False, retry_after_seconds=3600)
    standing.observe("payments", up=True)
    assert standing.known() == {"payments": True}
    clock.now += 401
    assert standing.known() == {}


def test_services_are_known_one_by_one(standing: ServiceAvailability, clock: Clock) -> None:
    standing.observe("payments", up=False)
    clock.now += 300
    standing.observe("stock", up=True)
    assert standing.known() == {"payments": False, "stock": True}
    clock.now += 200
    assert standing.known() == {"stock": True}
