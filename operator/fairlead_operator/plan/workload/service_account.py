"""The ServiceAccount of the workload: a name for the cloud's identity, without any right in the cluster."""

from fairlead_operator.plan.children import Child
from fairlead_operator.plan.context import Request


def service_account(asked: Request) -> Child:
    """One for API, worker and provisioning, with the class's annotations."""
    annotations = asked.class_.spec.service_account.annotations
    body = {"automountServiceAccountToken": False}
    return asked.child("v1", "ServiceAccount", "api", body, component="identity", annotations=annotations)
