"""The API's PodDisruptionBudget: one pod at a time, and never in the way of a drain.

`maxUnavailable: 1` lets a node be drained even with a single replica, and pods that are not ready may always go.
"""

from fairlead_operator.plan.children import Child, Stage
from fairlead_operator.plan.context import PlanRequest


def disruption_budget(request: PlanRequest) -> Child:
    spec = {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": request.selector("api")},
    }
    body = {"spec": spec}
    return request.child("policy/v1", "PodDisruptionBudget", "api", body, component="api", stage=Stage.ROLLOUT)
