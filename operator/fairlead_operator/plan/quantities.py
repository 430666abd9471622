"""Amounts of CPU and memory, written as an API server gives them back.

Without that, `1000m` would come back as `1` and look like drift for ever. The rules are those of
k8s.io/apimachinery/pkg/api/resource: the largest suffix without a fraction, in the family (1000 or 1024) that was used.
"""

import math

from fairlead_contract.quantities import BINARY, DECIMAL, SMALLEST, amount


def canonical(quantity: str) -> str:
    """`quantity` in the form in which an API server returns it."""
    value = amount(quantity)
    if quantity.endswith("i") and value >= 1024:
        return _shortest(math.ceil(value), 1024, BINARY)
    return _shortest(math.ceil(value * SMALLEST), 1000, DECIMAL)


def _shortest(count: int, base: int, suffixes: tuple[str, ...]) -> str:
    """`count` of the first suffix's unit, with the largest suffix that leaves no fraction."""
    if count == 0:
        return "0"
    position = 0
    while count % base == 0 and position + 1 < len(suffixes):
        count, position = count // base, position + 1
    return f"{count}{suffixes[position]}"
