"""The Services: the API's, and a headless one for gRPC.

Target ports go by name. While TLS is switched on or off, a pod that has no port of that name is simply no
endpoint, instead of one that answers with the wrong protocol. No Service has the admin port.
"""

from fairlead_contract.names import GRPC_PORT
from fairlead_contract.spec.api import Protocol
from fairlead_operator.plan.children import Child, Stage
from fairlead_operator.plan.context import PlanRequest
from fairlead_operator.plan.workload.deployment import GRPC, HTTP, HTTPS

H2C = "kubernetes.io/h2c"  # the application protocol of HTTP/2 without TLS


def port(request: PlanRequest) -> int:
    """The API Service's port."""
    return 443 if request.serves_tls else 80


def api_service(request: PlanRequest) -> Child:
    """Where the API is reached inside the cluster."""
    name = HTTPS if request.serves_tls else HTTP
    protocol = H2C if request.document.api.protocol is Protocol.H2C else name
    spec = {
        "type": "ClusterIP",
        "selector": request.selector("api"),
        "ports": [
            {"name": name, "port": port(request), "targetPort": name, "protocol": "TCP", "appProtocol": protocol}
        ],
    }
    return request.child("v1", "Service", "api", {"spec": spec}, component="api", stage=Stage.TRAFFIC)


def grpc_service(request: PlanRequest) -> Child:
    """Headless, because gRPC's long connections are balanced by the client."""
    # With TLS, ALPN settles it.
    protocol = HTTPS if request.document.grpc.mtls is not None else H2C
    listener = {"name": GRPC, "port": GRPC_PORT, "targetPort": GRPC, "protocol": "TCP", "appProtocol": protocol}
    spec = {"type": "ClusterIP", "clusterIP": "None", "selector": request.selector("api"), "ports": [listener]}
    return request.child("v1", "Service", "grpc", {"spec": spec}, component="grpc", stage=Stage.TRAFFIC)


def host(request: PlanRequest) -> str:
    """The API Service's name in the cluster's DNS."""
    return f"{request.child_name('api')}.{request.namespace}.svc"
