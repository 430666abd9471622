"""Canonical JSON: one text for equal values, whatever a file may hold."""

import json
from typing import Any

import pytest

from fairlead_operator.plan.hashing import canonical


@pytest.mark.parametrize(
    "value",
    [
        {"b": 1, "a": [1, 2.5, None, True], "c": {"z": "ü\n", "y": ""}},
        {"maximum": 2**63 - 1, "minimum": -(2**63)},
        {"maximum": 2**70, "a": 1},
        {"number": 1e300},
    ],
    ids=["nested", "64 bits", "more than 64 bits", "a large float"],
)
def test_canonical_text_is_json_of_the_same_value_in_one_order(value: dict[str, Any]) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert list(json.loads(text)) == sorted(value)
    assert canonical(dict(reversed(value.items()))) == text
    assert " " not in text
