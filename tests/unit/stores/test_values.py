"""What columns hold of values: numbers come back as they are, and scalars of any type are in order of bytes."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead_workload.stores.relational.layout import Kind
from fairlead_workload.stores.relational.values import (
    is_exact,
    number_text,
    number_value,
    scalar_text,
    scalar_value,
)

AWKWARD = [0, 1, -1, 0.0, -0.0, 1.0, 1.5, 0.1, 1e-7, 5e-324, 2.0**53, 2**53 + 1, 1e17, 1e300, 1.7976931348623157e308]
numbers = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(AWKWARD + [-value for value in AWKWARD])
)


def exact(value: Any) -> tuple[type, Any, float]:
    return type(value), value, math.copysign(1, value)


@given(numbers)
def test_numbers_come_back_unless_a_column_is_no_place_for_them(value: int | float) -> None:
    text = number_text(value)
    assert "e" not in text.lower()
    if is_exact(value, Kind.NUMBER):
        assert exact(number_value(text)) == exact(value)
    else:
        assert (value, number_value(text)) == (0, 0)


@given(numbers | st.text())
def test_scalars_come_back_by_value(value: Any) -> None:
    found = scalar_value(scalar_text(value))
    assert found == value
    if is_exact(value, Kind.SCALAR):
        assert type(found) is type(value)


@given(numbers, numbers)
def test_numbers_of_any_kind_are_in_order_of_bytes(one: int | float, other: int | float) -> None:
    texts = scalar_text(one).encode(), scalar_text(other).encode()
    assert (texts[0] < texts[1], texts[0] == texts[1]) == (one < other, one == other)


@given(st.text(), st.text())
def test_strings_are_in_order_of_bytes(one: str, other: str) -> None:
    assert (scalar_text(one).encode() < scalar_text(other).encode()) == (one.encode() < other.encode())


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1"), (1.0, "1.0"), (-0.5, "-0.5"), (1e17, "100000000000000000.0"), (1e-7, "0.0000001")],
)
def test_numbers_are_decimal_text(value: int | float, text: str) -> None:
    assert number_text(value) == text
