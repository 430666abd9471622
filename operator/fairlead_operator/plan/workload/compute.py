"""CPU and memory of a container: the resource's, else the class's, else ours.

A request above a limit of a less specific source moves that limit, because the API server refuses such a pod. A request
above a limit of the same source is refused by the contract.
"""

from collections.abc import Iterable

from fairlead_contract.quantities import amount
from fairlead_contract.spec.hosting import Compute, ComputeResources, Quantities
from fairlead_operator.plan import quantities
from fairlead_operator.plan.context import PlanRequest

Amounts = dict[str, str]
DEFAULT_REQUESTS: Amounts = {"cpu": "100m", "memory": "128Mi"}
DEFAULT_LIMITS: Amounts = {"cpu": "1", "memory": "512Mi"}
# /tmp is bounded at 64Mi, the container's rotated logs at 50Mi; the embedded store has a bound of its own.
SCRATCH_REQUEST, SCRATCH_LIMIT = "32Mi", "256Mi"
DATA_LIMIT = "2Gi"


def resources(request: PlanRequest, role: str) -> dict[str, Amounts]:
    """Requests and limits of the API's ("api") or the worker's ("worker") container."""
    sources = [_of(request.spec.compute, role), _of(request.class_.spec.resources, role)]
    requests, limits = dict(DEFAULT_REQUESTS), dict(DEFAULT_LIMITS)
    for source in reversed(sources):
        if source is None:
            continue
        given_requests, given_limits = _amounts(source.requests), _amounts(source.limits)
        requests |= given_requests
        limits |= given_limits
        _reconcile(requests, limits, given_limits)
    scratch = DATA_LIMIT if request.development else SCRATCH_LIMIT
    return {
        "requests": {**requests, "ephemeral-storage": SCRATCH_REQUEST},
        "limits": {**limits, "ephemeral-storage": scratch},
    }


def _of(compute: Compute | None, role: str) -> ComputeResources | None:
    if compute is None:
        return None
    return compute.api if role == "api" else compute.worker


def _amounts(amounts: Quantities | None) -> Amounts:
    if amounts is None:
        return {}
    values = {"cpu": amounts.cpu, "memory": amounts.memory}
    return {name: quantities.canonical(value) for name, value in values.items() if value is not None}


def _reconcile(requests: Amounts, limits: Amounts, given_limits: Iterable[str]) -> None:
    for name, requested in requests.items():
        if amount(requested) <= amount(limits[name]):
            continue
        if name in given_limits:
            requests[name] = limits[name]
        else:
            limits[name] = requested
