"""Which children there are, in which order, and what was left out: the whole plan on one page."""

from collections.abc import Iterator

from fairlead_contract.spec.hosting import ExposureType, IngressExposure
from fairlead_operator.plan.bindings import bindings
from fairlead_operator.plan.children import Child, LeftOut, Plan, Stage
from fairlead_operator.plan.context import Request
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


def assemble(asked: Request, *, generation: int) -> Plan:
    """The plan for `asked`."""
    children = sorted(_children(asked), key=lambda child: _ORDER.index(child.stage))
    return Plan(
        children=tuple(children),
        runtime_hash=asked.runtime_hash,
        provision_hash=asked.provision_hash,
        url=_url(asked),
        left_out=tuple(_left_out(asked)),
        bindings=bindings(asked),
        generation=generation,
    )


def _children(asked: Request) -> Iterator[Child]:
    """Every child; within a stage, what others need comes first."""
    yield service_account(asked)
    yield runtime_config(asked)
    yield contract_config(asked)
    if asked.spec.queue is not None:
        yield dead_letter_config(asked, asked.spec.queue)
    yield from network_policies(asked)
    if asked.capabilities.cert_manager:
        yield from certificates(asked)
    if asked.provision_hash is not None:
        yield provision_job(asked)
    yield from _workloads(asked)
    yield from _traffic(asked)
    if asked.capabilities.prometheus:
        yield prometheus_rule(asked)
        yield service_monitor(asked)
        if asked.has_worker:
            yield pod_monitor(asked)


def _workloads(asked: Request) -> Iterator[Child]:
    yield api_deployment(asked)
    if asked.has_worker:
        yield worker_deployment(asked)
    if not asked.development:
        yield disruption_budget(asked)
    yield from scalers(asked)


def _traffic(asked: Request) -> Iterator[Child]:
    yield api_service(asked)
    if asked.document.grpc.enabled:
        yield grpc_service(asked)
    exposure = asked.spec.exposure
    if exposure.ingress is not None:
        yield ingress(asked, exposure.ingress)
    if exposure.gateway is not None and asked.capabilities.gateway:
        yield http_route(asked, exposure.gateway)
        tls = asked.document.security.tls
        if tls is not None:
            yield backend_tls_policy(asked, tls)


def _left_out(asked: Request) -> Iterator[LeftOut]:
    yield from scaling_left_out(asked)
    if asked.spec.exposure.type is ExposureType.GATEWAY and not asked.capabilities.gateway:
        said = "the Gateway API is not installed, so the API is reached inside the cluster only"
        yield LeftOut("exposure", "GatewayApiNotInstalled", said)
    if not asked.capabilities.prometheus:
        said = "the Prometheus operator is not installed, so there are no monitors and no alerts"
        yield LeftOut("monitoring", "PrometheusOperatorNotInstalled", said)
    if certificates(asked) and not asked.capabilities.cert_manager:
        said = "cert-manager is not installed, so the pods wait until somebody else makes their certificates' Secrets"
        yield LeftOut("certificates", "CertManagerNotInstalled", said)


def _url(asked: Request) -> str:
    """Where the API is reached: its first host name that is one, else its Service."""
    exposure = asked.spec.exposure
    if exposure.gateway is not None and asked.capabilities.gateway and (name := _first(exposure.gateway.hostnames)):
        # The listener is the platform's; a public one without TLS is the exception.
        return f"https://{name}"
    if exposure.ingress is not None and (name := _first(exposure.ingress.hostnames)):
        return f"{_ingress_scheme(exposure.ingress)}://{name}"
    return f"{'https' if asked.serves_tls else 'http'}://{host(asked)}"


def _first(hostnames: tuple[str, ...]) -> str | None:
    return next((name for name in hostnames if not name.startswith("*")), None)


def _ingress_scheme(exposure: IngressExposure) -> str:
    return "https" if exposure.tls_secret is not None else "http"
