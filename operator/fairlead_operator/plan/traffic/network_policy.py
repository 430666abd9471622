"""NetworkPolicies: what is needed in and out, and nothing else.

There is one for each role, because a worker serves nothing. Hosts are names and policies know addresses only, so a
binding is let out by its port. Calls to services of the namespace go to its pods on any port: a policy sees the pod's
port, which the Service hides. The admin port is open to the cluster's pods, for scraping; probes come from the node.
"""

from fairlead_contract.names import ADMIN_PORT, GRPC_PORT, LABEL_APISVC, PUBLIC_PORT, PUBLIC_TLS_PORT
from fairlead_contract.spec.network import NetworkPeer
from fairlead_contract.spec.worker import Handler, Step, Worker
from fairlead_operator.manifests import LABEL_COMPONENT, Manifest
from fairlead_operator.plan.bindings import egress_ports, url_port
from fairlead_operator.plan.children import Child
from fairlead_operator.plan.context import PlanRequest

_ANY_POD: Manifest = {"namespaceSelector": {}}
_JOBS = ("provision", "teardown")


def network_policies(request: PlanRequest) -> tuple[Child, ...]:
    """Of the API, of the worker if there is one, and of the Jobs if there are any."""
    calls, bound = calls_services(request.document.worker), egress_ports(request)
    api_egress = _egress([*bound, *_issuer_ports(request)], calls=calls and request.development)
    policies = [_policy(request, "api", {"matchLabels": request.selector("api")}, _api_ingress(request), api_egress)]
    if request.has_worker:
        egress = _egress(bound, calls=calls)
        policies.append(_policy(request, "worker", {"matchLabels": request.selector("worker")}, [_admin()], egress))
    if request.provision_hash is not None:
        jobs = {
            "matchLabels": {LABEL_APISVC: request.name},
            "matchExpressions": [{"key": LABEL_COMPONENT, "operator": "In", "values": list(_JOBS)}],
        }
        policies.append(_policy(request, "jobs", jobs, [], _egress(bound, calls=False)))
    return tuple(policies)


def _policy(
    request: PlanRequest, suffix: str, pods: Manifest, ingress: list[Manifest], egress: list[Manifest]
) -> Child:
    spec = {
        "podSelector": pods,
        "policyTypes": ["Ingress", "Egress"],
        # An empty list is dropped by the server; without it, nothing is let in.
        **({"ingress": ingress} if ingress else {}),
        "egress": egress,
    }
    return request.child("networking.k8s.io/v1", "NetworkPolicy", suffix, {"spec": spec}, component=suffix)


def _api_ingress(request: PlanRequest) -> list[Manifest]:
    allowed = [_peer(each) for each in request.class_.spec.network_policy.ingress_from]
    # Both listeners, because old and new pods run side by side while TLS is switched on or off.
    public: Manifest = {"ports": [_tcp(PUBLIC_PORT), _tcp(PUBLIC_TLS_PORT)]} | ({"from": allowed} if allowed else {})
    rules = [public, _admin()]
    if request.document.grpc.enabled:
        rules.append({"from": allowed or [_ANY_POD], "ports": [_tcp(GRPC_PORT)]})
    return rules


def _peer(peer: NetworkPeer) -> Manifest:
    """Without what is empty, because the server drops it. An empty selector is not: it selects everything."""
    written: Manifest = peer.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return written


def _admin() -> Manifest:
    return {"from": [_ANY_POD], "ports": [_tcp(ADMIN_PORT)]}


def _egress(ports: list[int], *, calls: bool) -> list[Manifest]:
    names: list[Manifest] = [{"ports": [{"protocol": "UDP", "port": 53}, _tcp(53)]}]
    bound = [{"ports": [_tcp(port) for port in sorted(set(ports))]}] if ports else []
    called: list[Manifest] = [{"to": [{"podSelector": {}}]}] if calls else []
    return [*names, *bound, *called]


def _issuer_ports(request: PlanRequest) -> list[int]:
    """Where the keys of JWTs are fetched."""
    authentication = request.document.security.authentication
    if authentication is None or authentication.jwt is None:
        return []
    urls = (authentication.jwt.issuer, authentication.jwt.jwks_url)
    return [url_port(url) for url in urls if url is not None]


def calls_services(worker: Worker | None) -> bool:
    """Whether a step of a handler makes calls."""
    handlers = worker.handlers if worker is not None else ()
    return any(_calls(step) for handler in handlers for step in _steps(handler))


def _steps(handler: Handler) -> tuple[Step, ...]:
    return (*handler.steps, *handler.on_failure)


def _calls(step: Step) -> bool:
    return step.call is not None or (step.compensate is not None and step.compensate.call is not None)


def _tcp(port: int) -> Manifest:
    return {"protocol": "TCP", "port": port}
