"""Exposure through the Gateway API: an HTTPRoute, and a BackendTLSPolicy when the pod speaks TLS.

The whole of the API is behind the host names, and the gateway verifies the pod's certificate against the
`ca.crt` of the very Secret that the pod serves with, under the Service's name.
"""

from fairlead_contract.spec.hosting import GatewayExposure
from fairlead_contract.spec.security import ServerTls
from fairlead_operator.manifests import Manifest
from fairlead_operator.plan.children import Child, Stage
from fairlead_operator.plan.context import PlanRequest
from fairlead_operator.plan.traffic.service import host, port

_API_VERSION = "gateway.networking.k8s.io/v1"


def http_route(request: PlanRequest, gateway: GatewayExposure) -> Child:
    """From the Gateway to the API Service."""
    parent: Manifest = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway.parent_ref.name}
    if gateway.parent_ref.namespace is not None:
        parent["namespace"] = gateway.parent_ref.namespace
    backend = {"group": "", "kind": "Service", "name": request.child_name("api"), "port": port(request), "weight": 1}
    match = {"path": {"type": "PathPrefix", "value": "/"}}
    spec = {
        "parentRefs": [parent],
        **({"hostnames": list(gateway.hostnames)} if gateway.hostnames else {}),
        "rules": [{"matches": [match], "backendRefs": [backend]}],
    }
    return request.child(_API_VERSION, "HTTPRoute", "api", {"spec": spec}, component="api", stage=Stage.TRAFFIC)


def backend_tls_policy(request: PlanRequest, tls: ServerTls) -> Child:
    """How the gateway verifies the pods."""
    spec = {
        "targetRefs": [{"group": "", "kind": "Service", "name": request.child_name("api")}],
        "validation": {
            "hostname": host(request),
            "caCertificateRefs": [{"group": "", "kind": "Secret", "name": tls.secret.name}],
        },
    }
    return request.child(_API_VERSION, "BackendTLSPolicy", "api", {"spec": spec}, component="api", stage=Stage.TRAFFIC)
