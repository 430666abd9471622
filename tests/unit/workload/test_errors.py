"""Errors of dependencies that several callers get: each its own, and whole."""

import pytest

from fairlead_workload.errors import DependencyError, DiskFull, Refused, Unavailable, Unstorable
from fairlead_workload.stores.postgresql.faults import ConnectionLost


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("datastore", "it is down", reason="ConnectionRefused"),
        DiskFull("datastore", "no room"),
        Refused("queue", "too large"),
        Unstorable("orders", "at", "is too long"),
        ConnectionLost("datastore", "it broke"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_copy_says_all_that_the_error_says(error: DependencyError) -> None:
    copied = error.copy()
    assert copied is not error
    assert (type(copied), str(copied), vars(copied)) == (type(error), str(error), vars(error))
