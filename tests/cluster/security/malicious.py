"""Malicious texts, and what is planned for an ApiService that has them."""

from fairlead_contract.spec.apiservice import ApiService
from fairlead_operator import plan
from fairlead_operator.plan import Capabilities

from ..client import Manifest

EVERYTHING = Capabilities(prometheus=True, keda=True, gateway=True, cert_manager=True)
MALICIOUS = "'; touch /tmp/x; $(id) `id` ${PATH} {{ $value }} \"} or vector(1) \\ ../../etc/passwd"


def planned(resource: Manifest) -> list[Manifest]:
    """The children on a cluster that has everything."""
    made = plan.plan(ApiService.model_validate(resource), plan.BUILT_IN_CLASS, capabilities=EVERYTHING, image="image:1")
    return [child.manifest for child in made.children]
