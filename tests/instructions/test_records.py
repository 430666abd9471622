"""Which record a run is compared with, and what comes of it."""

import pytest
from tests.instructions.ratios import BOUND, FOREIGN_BOUND, judge
from tests.instructions.records import Records, find

RECORDS: Records = {
    "CPython 3.11.7, GCC 12.2.0": {"get": 2.0},
    "CPython 3.13.0, GCC 12.2.0": {"get": 3.0},
}


def test_the_record_of_the_same_surroundings_is_exact() -> None:
    found = find(RECORDS, "CPython 3.13.0, GCC 12.2.0")
    assert found.exact
    assert judge("get", 3.0, found).bound == BOUND


@pytest.mark.parametrize(
    ("present", "nearest"),
    [
        ("CPython 3.11.7, Clang 18.1.3", "CPython 3.11.7, GCC 12.2.0"),
        ("CPython 3.11.2, GCC 12.2.0", "CPython 3.11.7, GCC 12.2.0"),
        ("CPython 3.14.0, GCC 12.2.0", "CPython 3.13.0, GCC 12.2.0"),
    ],
)
def test_other_surroundings_are_compared_with_the_nearest_version_more_widely(present: str, nearest: str) -> None:
    found = find(RECORDS, present)
    assert found.surroundings == nearest
    assert not found.exact
    assert judge("get", found.ratios["get"], found).bound == FOREIGN_BOUND


@pytest.mark.parametrize(
    ("bounds", "grew", "shrank"),
    [(0.0, False, False), (0.9, False, False), (1.1, True, False), (-0.9, False, False), (-1.1, False, True)],
)
def test_only_beyond_the_bound_a_ratio_has_changed(bounds: float, grew: bool, shrank: bool) -> None:
    verdict = judge("get", 2.0 * (1 + bounds * BOUND), find(RECORDS, "CPython 3.11.7, GCC 12.2.0"))
    assert (verdict.grew, verdict.shrank) == (grew, shrank)
