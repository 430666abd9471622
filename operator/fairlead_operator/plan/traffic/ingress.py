"""Exposure through an Ingress. Its annotations are the only ones that come from the resource; the class limits them."""

from fairlead_contract.spec.hosting import IngressExposure
from fairlead_operator.manifests import Manifest
from fairlead_operator.plan.children import Child, Stage
from fairlead_operator.plan.context import PlanRequest
from fairlead_operator.plan.traffic.service import port


def ingress(request: PlanRequest, exposure: IngressExposure) -> Child:
    """One rule for each host name; one for every host when there is none."""
    backend = {"service": {"name": request.child_name("api"), "port": {"number": port(request)}}}
    rule: Manifest = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    spec: Manifest = {"rules": [{"host": name, **rule} for name in exposure.hostnames] or [rule]}
    if exposure.class_name is not None:
        spec["ingressClassName"] = exposure.class_name
    if exposure.tls_secret is not None:
        hosts = {"hosts": list(exposure.hostnames)} if exposure.hostnames else {}
        spec["tls"] = [{**hosts, "secretName": exposure.tls_secret.name}]
    return request.child(
        "networking.k8s.io/v1",
        "Ingress",
        "api",
        {"spec": spec},
        component="api",
        stage=Stage.TRAFFIC,
        annotations=exposure.annotations,
    )
