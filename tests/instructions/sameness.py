"""What would differ from run to run, replaced: clocks that tick when they are read, and random numbers in one order.

Decided here: the replacements are calls into C, as what they replace, so that they cost a request about as much. The
event loop keeps its own clock. Takes effect on modules that are imported afterwards, because they bind the functions.
"""

import os
import random
import sys
import time
from itertools import count

SEED = 20_240_229
START = 1_800_000_000.0  # unix seconds
MOST_OBJECTS, MOST_BYTES = 3000, 400
TICK_SECONDS = 0.00001  # a request reads the clock a few times; a busy server answers many in a millisecond
_kept: list[bytes] = []


def replace_chance_and_time() -> None:
    """Call before anything of the package is imported."""
    random.seed(SEED)
    os.urandom = random.Random(SEED).randbytes
    time.time = count(START, TICK_SECONDS).__next__
    time.perf_counter = count(0.0, TICK_SECONDS).__next__
    sys.setswitchinterval(3600)  # threads change places where they wait, not when time has passed


def lay_out_memory(layout: int) -> None:
    """Move whatever is made from now on, in a way of its own for each number; 0 moves nothing."""
    chance = random.Random(layout)
    _kept.extend(bytes(chance.randrange(MOST_BYTES)) for _ in range(chance.randrange(MOST_OBJECTS) if layout else 0))
