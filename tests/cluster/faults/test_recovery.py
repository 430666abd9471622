"""What makes up for a fault, and when."""

from dataclasses import replace
from math import inf

import pytest

from .exchange import Request
from .recovery import recovery_seconds

HIT = 0.0


def write(
    at: float, code: int | None, *, name: str = "orders", resource: str = "services", method: str = "PATCH"
) -> Request:
    """A write that is answered half a second after it came."""
    return Request(at, "one", method, "", {}, "shop", resource, name, code=code, over=at + 0.5)


CASES: dict[str, tuple[list[Request], float]] = {
    "tried again at once": ([write(1, 200)], 1.0),
    "refused once more, then taken": ([write(1, 422), write(9, 201)], 9.0),
    "refused for ever": ([write(1, 422), write(9, 422)], inf),
    "not answered": ([write(1, None)], inf),
    "given up": ([], inf),
    "another object of the kind": ([write(1, 200, name="payments")], inf),
    "another kind of the name": ([write(1, 200, resource="ingresses")], inf),
    "deleted": ([write(1, 200, method="DELETE")], 1.0),
    "gone already": ([write(1, 404, method="DELETE")], 1.0),
    "changed when it was gone": ([write(1, 404)], inf),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_made_up_for_by_a_later_write_of_the_same_object(case: str) -> None:
    later, seconds = CASES[case]
    fault = write(HIT, 500)
    assert recovery_seconds(fault, [fault], [fault, *later]) == seconds


def test_a_status_is_made_up_for_by_the_end_of_its_resource() -> None:
    fault = write(HIT, 500, resource="apisvcs/status")
    assert recovery_seconds(fault, [fault], [fault, write(1, 200, resource="apisvcs")]) == 1.0


@pytest.mark.parametrize("landed", [201, 409], ids=["done", "there already"])
def test_after_a_lost_reply_anything_else_may_follow_or_nothing(landed: int) -> None:
    fault = replace(write(HIT, None), landed=landed)
    assert recovery_seconds(fault, [fault], [fault, write(3, 201, name="payments")]) == 3.0
    assert recovery_seconds(fault, [fault], [fault]) == 0.0


def test_after_a_lost_refusal_the_same_object_has_to_follow() -> None:
    fault = replace(write(HIT, None), landed=422)
    assert recovery_seconds(fault, [fault], [fault, write(3, 201, name="payments")]) == inf


def test_the_time_starts_again_where_the_next_try_meets_a_fault_too() -> None:
    first, second = write(HIT, 500), write(8, 500)
    writes = [first, second, write(17, 200)]
    assert recovery_seconds(first, [first, second], writes) == 0.0
    assert recovery_seconds(second, [first, second], writes) == 9.0
    assert recovery_seconds(first, [first], writes) == 17.0
