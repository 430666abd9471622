"""Which autoscaler a Deployment gets, and the message when it is not the requested one."""

from fairlead_contract.spec.bindings import Queue
from fairlead_contract.spec.hosting import ScalingBackend
from fairlead_operator.plan.children import Child, LeftOut
from fairlead_operator.plan.context import PlanRequest
from fairlead_operator.plan.scaling.autoscaler import api_autoscaler, worker_autoscaler
from fairlead_operator.plan.scaling.scaled_object import needs_region, scaled_worker, wakes_from_zero

_FEATURE = "scaling.worker"


def scalers(request: PlanRequest) -> tuple[Child, ...]:
    """The autoscalers of the API and of the worker, if there is one."""
    if request.spec.scaling.backend is ScalingBackend.NONE or request.development:
        return ()
    queue = request.spec.queue
    if queue is None:
        return (api_autoscaler(request),)
    worker = scaled_worker(request, queue) if _by_backlog(request, queue) else (worker_autoscaler(request),)
    return (api_autoscaler(request), *worker)


def _by_backlog(request: PlanRequest, queue: Queue) -> bool:
    allows_keda = request.spec.scaling.backend is not ScalingBackend.HPA
    known = request.class_.spec.aws.region is not None or not needs_region(queue)
    return allows_keda and request.capabilities.keda and known


def scaling_left_out(request: PlanRequest) -> tuple[LeftOut, ...]:
    """What the worker's scaling lacks."""
    queue, backend = request.spec.queue, request.spec.scaling.backend
    if queue is None or request.development or backend is ScalingBackend.NONE:
        return ()
    if _by_backlog(request, queue):
        return (
            () if wakes_from_zero(queue) else _never_zero(request, "an iterator's age is measured only while it reads")
        )
    if backend is ScalingBackend.HPA:
        return _never_zero(request, "the backend HPA needs a replica to measure")
    if not request.capabilities.keda:
        message = "KEDA is not installed, so the worker scales on CPU"
        return (LeftOut(_FEATURE, "KedaNotInstalled", message + _floor(request)),)
    message = "the class names no AWS region, which KEDA needs, so the worker scales on CPU"
    return (LeftOut(_FEATURE, "RegionUnknown", message + _floor(request)),)


def _never_zero(request: PlanRequest, why: str) -> tuple[LeftOut, ...]:
    if request.spec.scaling.worker.min > 0:
        return ()
    return (LeftOut(f"{_FEATURE}.min", "NeedsOneReplica", f"min 0 becomes 1: {why}"),)


def _floor(request: PlanRequest) -> str:
    return " and min 0 becomes 1" if request.spec.scaling.worker.min == 0 else ""
