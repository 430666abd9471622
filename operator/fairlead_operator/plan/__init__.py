"""What the children of an ApiService are: pure functions from resource, class and capabilities to manifests.

One file for each kind of child; `assembly.py` says which there are. Equal arguments give equal manifests, written as an
API server gives them back: whatever differs in a live object is drift. A reader never changes a manifest.
"""

from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.spec.apiserviceclass import ApiServiceClass
from fairlead_contract.spec.metadata import API_VERSION, Metadata
from fairlead_operator.plan.assembly import assemble
from fairlead_operator.plan.children import (
    Binding,
    Capabilities,
    Child,
    Key,
    LeftOut,
    Plan,
    Stage,
    Violation,
)
from fairlead_operator.plan.context import RUNBOOKS, plan_request
from fairlead_operator.plan.limits import violations
from fairlead_operator.plan.workload.job import teardown_children

BUILT_IN_CLASS = ApiServiceClass(api_version=API_VERSION, kind="ApiServiceClass", metadata=Metadata(name="built-in"))
"""The class of those who have none: our defaults, and no limits."""

_NO_FOREIGN_KINDS = Capabilities(prometheus=False, keda=False, gateway=False, cert_manager=False)


def plan(
    resource: ApiService,
    class_: ApiServiceClass,
    *,
    capabilities: Capabilities,
    image: str,
    runbooks: str = RUNBOOKS,
    generation: int = 0,
    uid: str = "",
) -> Plan:
    """Everything that `resource` is to have.

    `image` is the workload image where neither resource nor class names one, `runbooks` the page that alerts lead to.
    With a `uid`, the children are owned by the resource. The class's limits are not looked at: see `violations`.
    """
    request = plan_request(resource, class_, capabilities=capabilities, image=image, runbooks=runbooks, uid=uid)
    return assemble(request, generation=generation)


def teardown(resource: ApiService, class_: ApiServiceClass, *, image: str) -> tuple[Child, ...]:
    """What deletes the tables and queues of `resource`: ServiceAccount, ConfigMap and Job, in this order.

    They have no owner. Nothing for an embedded store: it goes with its pod.
    """
    request = plan_request(resource, class_, capabilities=_NO_FOREIGN_KINDS, image=image)
    return () if request.provision_hash is None else teardown_children(request)


__all__ = [
    "BUILT_IN_CLASS",
    "RUNBOOKS",
    "Binding",
    "Capabilities",
    "Child",
    "Key",
    "LeftOut",
    "Plan",
    "Stage",
    "Violation",
    "plan",
    "teardown",
    "violations",
]
