"""Which children there are, in which order, and what was left out: the whole plan on one page."""

from collections.abc import Iterator

from fairlead_contract.spec.hosting import ExposureType, IngressExposure
from fairlead_operator.plan.bindings import bindings
from fairlead_operator.plan.children import Child, LeftOut, Plan, Stage
from fairlead_operator.plan.context import PlanRequest
from fairlead_operator.plan.monitoring.alerts import prometheus_rule
from fairlead_operator.plan.monitoring.monitors import pod_monitor, service_monitor
from fairlead_operator.plan.scaling.backend import scalers, scaling_left_out
from fairlead_operator.plan.traffic.certificate import certificates
from fairlead_operator.plan.traffic.http_route import backend_tls_policy, http_route
from fairlead_operator.plan.traffic.ingress import ingress
from fairlead_operator.plan.traffic.network_policy import network_policies
from fairlead_operator.plan.traffic.service import api_service, grpc_service, host
from fairlead_operator.plan.workload.config_maps import contract_config, dead_letter_config, runtime_config
from fairlead_operator.plan.workload.deployment import api_deployment, worker_deployment
from fairlead_operator.plan.workload.disruption_budget import disruption_budget
from fairlead_operator.plan.workload.job import provision_job
from fairlead_operator.plan.workload.service_account import service_account

_ORDER = list(Stage)


def assemble(request: PlanRequest, *, generation: int) -> Plan:
    """The plan for `request`."""
    children = sorted(_children(request), key=lambda child: _ORDER.index(child.stage))
    return Plan(
        children=tuple(children),
        runtime_hash=request.runtime_hash,
        provision_hash=request.provision_hash,
        url=_url(request),
        left_out=tuple(_left_out(request)),
        bindings=bindings(request),
        generation=generation,
    )


def _children(request: PlanRequest) -> Iterator[Child]:
    """Every child; within a stage, what others need comes first."""
    yield service_account(request)
    yield runtime_config(request)
    yield contract_config(request)
    if request.spec.queue is not None:
        yield dead_letter_config(request, request.spec.queue)
    yield from network_policies(request)
    if request.capabilities.cert_manager:
        yield from certificates(request)
    if request.provision_hash is not None:
        yield provision_job(request)
    yield from _workloads(request)
    yield from _traffic(request)
    if request.capabilities.prometheus:
        yield prometheus_rule(request)
        yield service_monitor(request)
        if request.has_worker:
            yield pod_monitor(request)


def _workloads(request: PlanRequest) -> Iterator[Child]:
    yield api_deployment(request)
    if request.has_worker:
        yield worker_deployment(request)
    if not request.development:
        yield disruption_budget(request)
    yield from scalers(request)


def _traffic(request: PlanRequest) -> Iterator[Child]:
    yield api_service(request)
    if request.document.grpc.enabled:
        yield grpc_service(request)
    exposure = request.spec.exposure
    if exposure.ingress is not None:
        yield ingress(request, exposure.ingress)
    if exposure.gateway is not None and request.capabilities.gateway:
        yield http_route(request, exposure.gateway)
        tls = request.document.security.tls
        if tls is not None:
            yield backend_tls_policy(request, tls)


def _left_out(request: PlanRequest) -> Iterator[LeftOut]:
    yield from scaling_left_out(request)
    if request.spec.exposure.type is ExposureType.GATEWAY and not request.capabilities.gateway:
        message = "the Gateway API is not installed, so the API is reached inside the cluster only"
        yield LeftOut("exposure", "GatewayApiNotInstalled", message)
    if not request.capabilities.prometheus:
        message = "the Prometheus operator is not installed, so there are no monitors and no alerts"
        yield LeftOut("monitoring", "PrometheusOperatorNotInstalled", message)
    if certificates(request) and not request.capabilities.cert_manager:
        message = (
            "cert-manager is not installed, so the pods wait until somebody else makes their certificates' Secrets"
        )
        yield LeftOut("certificates", "CertManagerNotInstalled", message)


def _url(request: PlanRequest) -> str:
    """Where the API is reached: its first host name that is one, else its Service."""
    exposure = request.spec.exposure
    if exposure.gateway is not None and request.capabilities.gateway and (name := _first(exposure.gateway.hostnames)):
        # The listener is the platform's; a public one without TLS is the exception.
        return f"https://{name}"
    if exposure.ingress is not None and (name := _first(exposure.ingress.hostnames)):
        return f"{_ingress_scheme(exposure.ingress)}://{name}"
    return f"{'https' if request.serves_tls else 'http'}://{host(request)}"


def _first(hostnames: tuple[str, ...]) -> str | None:
    return next((name for name in hostnames if not name.startswith("*")), None)


def _ingress_scheme(exposure: IngressExposure) -> str:
    return "https" if exposure.tls_secret is not None else "http"
