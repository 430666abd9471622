"""Versions grow, whatever the clock says."""

import pytest

from fairlead_workload.model.versions import etag, from_time, next_version

NEXT = {
    "an update": (7, 7, 100, 8),
    "an update after the clock went ahead": (7, 7, 3, 8),
    "a new document": (None, 0, 100, 100),
    "a document that was deleted": (None, 40, 100, 100),
    "a document that was deleted while the clock was ahead": (None, 140, 100, 141),
    "a document that was deleted at the same time": (None, 100, 100, 101),
}


@pytest.mark.parametrize("case", NEXT)
def test_the_next_version(case: str) -> None:
    stored, last, least, expected = NEXT[case]
    assert next_version(stored, last=last, least=least) == expected


def test_a_version_from_the_time_is_in_microseconds() -> None:
    assert from_time(1_767_225_600.25) == 1_767_225_600_250_000


def test_an_etag_is_the_quoted_version() -> None:
    assert etag(42) == '"42"'
