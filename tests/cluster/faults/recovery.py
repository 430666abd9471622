"""How long after a fault its write is made up for.

The time runs from the end of the fault to the answer of a write that succeeds: a later one of the same object, or any
later one when the server carried it out, or found it done already, and only its reply was lost. Where the next try
meets a fault as well, it runs from the end of that one.
"""

from collections.abc import Sequence
from math import inf

from .exchange import Request

RECOVERY_SECONDS = 10.0
# A create over what is there. The operator sends one when it does not know yet that the one before it landed.
THERE_ALREADY = 409


def recovery_seconds(fault: Request, faults: Sequence[Request], writes: Sequence[Request]) -> float:
    """Among `writes`, all of one resource in the order they were sent; `inf` when it was never made up for."""
    has_landed = fault.landed is not None and (fault.landed < 300 or fault.landed == THERE_ALREADY)
    later = [each for each in writes if each.at > fault.at]
    tries = later if has_landed else [each for each in later if _object(each) == _object(fault)]
    if not tries:
        return 0.0 if has_landed else inf
    if any(tries[0] is each for each in faults):
        return 0.0
    done = [_over(each) for each in tries if _has_succeeded(each)]
    return done[0] - _over(fault) if done else inf


def _object(request: Request) -> tuple[str, str, str]:
    """What it is about: a resource and its status are one."""
    return request.namespace, request.resource.partition("/")[0], request.name


def _has_succeeded(request: Request) -> bool:
    # Who deletes has done so when there is nothing any more.
    return request.code in ({200, 202, 404} if request.method == "DELETE" else {200, 201})


def _over(request: Request) -> float:
    assert request.over is not None
    return request.over
