"""Parts of the tests that a machine cannot run are left out only by name: `FAIRLEAD_SKIP="instructions bench"`."""

import os


def is_left_out(part: str) -> bool:
    """Whether the environment variable FAIRLEAD_SKIP names the part."""
    return part in os.environ.get("FAIRLEAD_SKIP", "").split()
