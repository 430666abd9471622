"""What an amount of CPU or memory means, as Kubernetes reads it."""

import re
from fractions import Fraction
from functools import lru_cache

DECIMAL = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
"""Suffixes of 1000 ** index billionths."""
BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
"""Suffixes of 1024 ** index."""
SMALLEST = 10**9
"""Nothing below a billionth is kept."""
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]*)")


@lru_cache(maxsize=1024)  # the same few amounts are compared in every plan
def amount(quantity: str) -> Fraction:
    """The number that `quantity` means. It has passed the contract's pattern."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is not a quantity")
    number, suffix = Fraction(match[1]), match[2]
    if suffix in DECIMAL:
        return number * int(1000 ** DECIMAL.index(suffix)) / SMALLEST
    return number * int(1024 ** BINARY.index(suffix))
