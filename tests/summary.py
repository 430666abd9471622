"""Lines that tests add to the end of the output, whatever becomes of the tests, and in whichever process they ran."""

import pytest

LINES = pytest.StashKey[list[str]]()
