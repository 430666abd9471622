"""Amounts of CPU and memory, written as an API server gives them back.

Without that, `1000m` would come back as `1` and look like drift for ever. The rules are those of
k8s.io/apimachinery/pkg/api/resource: the largest suffix without a fraction, in the family (1000 or 1024) that was used.
"""

import math
import re
from fractions import Fraction
from functools import lru_cache

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]*)")
_DECIMAL = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")  # 1000 ** index billionths
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")  # 1024 ** index
_SMALLEST = 10**9  # nothing below a billionth is kept


@lru_cache(maxsize=1024)  # the same few amounts are compared in every plan
def amount(quantity: str) -> Fraction:
    """The number that `quantity` means. It has passed the contract's pattern."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is not a quantity")
    number, suffix = Fraction(match[1]), match[2]
    if suffix in _DECIMAL:
        return number * int(1000 ** _DECIMAL.index(suffix)) / _SMALLEST
    return number * int(1024 ** _BINARY.index(suffix))


def canonical(quantity: str) -> str:
    """`quantity` in the form in which an API server returns it."""
    value = amount(quantity)
    if quantity.endswith("i") and value >= 1024:
        return _shortest(math.ceil(value), 1024, _BINARY)
    return _shortest(math.ceil(value * _SMALLEST), 1000, _DECIMAL)


def _shortest(count: int, base: int, suffixes: tuple[str, ...]) -> str:
    """`count` of the first suffix's unit, with the largest suffix that leaves no fraction."""
    if count == 0:
        return "0"
    position = 0
    while count % base == 0 and position + 1 < len(suffixes):
        count, position = count // base, position + 1
    return f"{count}{suffixes[position]}"
