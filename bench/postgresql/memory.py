"""Whether memory is flat under load. Pure.

A process fills its pools and caches for a while, so the first third of the readings does not count: what is compared
are the medians of the second and of the last third.
"""

import statistics
from collections.abc import Sequence

TOLERANCE = 0.02  # of the former median
LEAST = 3  # readings of which something can be said


def growth(readings: Sequence[float]) -> float:
    """By what share the last third is above the second one."""
    third = len(readings) // 3
    middle, last = readings[third : 2 * third], readings[2 * third :]
    return statistics.median(last) / statistics.median(middle) - 1


def verdict(readings: Sequence[float]) -> str:
    """`flat`, or by how much it grows."""
    if len(readings) < LEAST:
        return "too few readings"
    grown = growth(readings)
    return "flat" if grown <= TOLERANCE else f"grows: {grown:.1%} from the second to the last third"
