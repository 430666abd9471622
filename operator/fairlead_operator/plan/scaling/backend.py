"""Which autoscaler a Deployment gets, and what is said when it is not the one that was asked for."""

from fairlead_contract.spec.bindings import Queue
from fairlead_contract.spec.hosting import ScalingBackend
from fairlead_operator.plan.children import Child, LeftOut
from fairlead_operator.plan.context import Request
from fairlead_operator.plan.scaling.autoscaler import api_autoscaler, worker_autoscaler
from fairlead_operator.plan.scaling.scaled_object import needs_region, scaled_worker, wakes_from_zero

_FEATURE = "scaling.worker"


def scalers(asked: Request) -> tuple[Child, ...]:
    """The autoscalers of the API and of the worker, if there is one."""
    if asked.spec.scaling.backend is ScalingBackend.NONE or asked.development:
        return ()
    queue = asked.spec.queue
    if queue is None:
        return (api_autoscaler(asked),)
    worker = scaled_worker(asked, queue) if _by_backlog(asked, queue) else (worker_autoscaler(asked),)
    return (api_autoscaler(asked), *worker)


def _by_backlog(asked: Request, queue: Queue) -> bool:
    wanted = asked.spec.scaling.backend is not ScalingBackend.HPA
    known = asked.class_.spec.aws.region is not None or not needs_region(queue)
    return wanted and asked.capabilities.keda and known


def scaling_left_out(asked: Request) -> tuple[LeftOut, ...]:
    """What the worker's scaling lacks."""
    queue, backend = asked.spec.queue, asked.spec.scaling.backend
    if queue is None or asked.development or backend is ScalingBackend.NONE:
        return ()
    if _by_backlog(asked, queue):
        return () if wakes_from_zero(queue) else _never_zero(asked, "an iterator's age is measured only while it reads")
    if backend is ScalingBackend.HPA:
        return _never_zero(asked, "the backend HPA needs a replica to measure")
    if not asked.capabilities.keda:
        said = "KEDA is not installed, so the worker scales on CPU"
        return (LeftOut(_FEATURE, "KedaNotInstalled", said + _floor(asked)),)
    said = "the class names no AWS region, which KEDA needs, so the worker scales on CPU"
    return (LeftOut(_FEATURE, "RegionUnknown", said + _floor(asked)),)


def _never_zero(asked: Request, why: str) -> tuple[LeftOut, ...]:
    if asked.spec.scaling.worker.min > 0:
        return ()
    return (LeftOut(f"{_FEATURE}.min", "NeedsOneReplica", f"min 0 becomes 1: {why}"),)


def _floor(asked: Request) -> str:
    return " and min 0 becomes 1" if asked.spec.scaling.worker.min == 0 else ""
