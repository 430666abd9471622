"""The ServiceAccount of the workload: a name for the cloud's identity, without any right in the cluster."""

from fairlead_operator.plan.children import Child
from fairlead_operator.plan.context import PlanRequest


def service_account(request: PlanRequest) -> Child:
    """One for API, worker and provisioning, with the class's annotations."""
    annotations = request.class_.spec.service_account.annotations
    body = {"automountServiceAccountToken": False}
    return request.child("v1", "ServiceAccount", "api", body, component="identity", annotations=annotations)
