"""HorizontalPodAutoscalers, by CPU.

With min = max there still is one, because nothing else sets the replicas; growing is fast and shrinking slow, so
that a short lull does not throw away warm pods.
"""

from fairlead_operator.manifests import Manifest
from fairlead_operator.plan.children import Child, Stage
from fairlead_operator.plan.context import PlanRequest


def behavior() -> Manifest:
    """Doubles, or adds four, every 15 s; halves at most every minute after five quiet ones."""
    grow = [{"type": "Percent", "value": 100, "periodSeconds": 15}, {"type": "Pods", "value": 4, "periodSeconds": 15}]
    shrink = [{"type": "Percent", "value": 50, "periodSeconds": 60}]
    return {
        "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": grow},
        "scaleDown": {"stabilizationWindowSeconds": 300, "selectPolicy": "Max", "policies": shrink},
    }


def api_autoscaler(request: PlanRequest) -> Child:
    scaling = request.spec.scaling.api
    return _autoscaler(request, "api", scaling.min, scaling.max, scaling.cpu_percent)


def worker_autoscaler(request: PlanRequest) -> Child:
    """For workers without KEDA. No replica at all would never come back: there is no CPU to measure."""
    scaling = request.spec.scaling.worker
    return _autoscaler(request, "worker", max(1, scaling.min), scaling.max, scaling.cpu_percent)


def _autoscaler(request: PlanRequest, role: str, least: int, most: int, cpu_percent: int) -> Child:
    target = {"type": "Utilization", "averageUtilization": cpu_percent}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": request.child_name(role)},
        "minReplicas": least,
        "maxReplicas": most,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        "behavior": behavior(),
    }
    body = {"spec": spec}
    return request.child("autoscaling/v2", "HorizontalPodAutoscaler", role, body, component=role, stage=Stage.ROLLOUT)
