"""Parts of the tests that a machine cannot run are left out only by name: `FAIRLEAD_SKIP="instructions bench"`."""

import os

import pytest


def is_left_out(part: str) -> bool:
    """Whether the environment variable FAIRLEAD_SKIP names the part."""
    return part in os.environ.get("FAIRLEAD_SKIP", "").split()


def skip_if_left_out(part: str, without: str = "nothing of it is tested in this run") -> None:
    """Skip the test, or those of a fixture, if the part is left out; `without` says what that means."""
    if is_left_out(part):
        pytest.skip(f"FAIRLEAD_SKIP names {part}: {without}")
