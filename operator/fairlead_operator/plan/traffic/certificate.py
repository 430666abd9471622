"""cert-manager Certificates, for the Secrets whose `issuer` the resource names.

The names in a certificate are those of the Services inside the cluster, because the pods are reached by
them; the public host names have certificates of their own, on the Gateway or the Ingress. The key changes with every
renewal.
"""

from fairlead_contract.spec.model import SecretName
from fairlead_contract.spec.security import Issuer
from fairlead_operator.plan.children import Child
from fairlead_operator.plan.context import PlanRequest

_API_VERSION = "cert-manager.io/v1"


def certificates(request: PlanRequest) -> tuple[Child, ...]:
    """Of the API and of gRPC, where an issuer is named."""
    tls, grpc = request.document.security.tls, request.document.grpc
    children = []
    if tls is not None and tls.issuer is not None:
        children.append(_certificate(request, "api", tls.secret, tls.issuer))
    if grpc.enabled and grpc.mtls is not None and grpc.mtls.issuer is not None:
        children.append(_certificate(request, "grpc", grpc.mtls.secret, grpc.mtls.issuer))
    return tuple(children)


def _certificate(request: PlanRequest, suffix: str, secret: SecretName, issuer: Issuer) -> Child:
    service = f"{request.child_name(suffix)}.{request.namespace}"
    spec = {
        "secretName": secret.name,
        "dnsNames": [request.child_name(suffix), service, f"{service}.svc", f"{service}.svc.cluster.local"],
        "usages": ["digital signature", "key encipherment", "server auth"],
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "issuerRef": {"group": "cert-manager.io", "kind": issuer.kind.value, "name": issuer.name},
    }
    return request.child(_API_VERSION, "Certificate", suffix, {"spec": spec}, component=suffix)
