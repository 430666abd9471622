"""The Deployments of API and worker.

With how pods start, drain and spread. `spec.replicas` is never set: it belongs to the autoscaler or to whoever
scales by hand, and a value once owned and then dropped would fall back to 1. Nothing else that people change by kubectl
(`rollout restart`) is owned either.
"""

import math

from fairlead_contract.names import ADMIN_PORT, GRPC_PORT, PUBLIC_PORT, PUBLIC_TLS_PORT
from fairlead_contract.runtime import drain_seconds
from fairlead_contract.validation.connections import SURGE_PERCENT
from fairlead_operator.manifests import Manifest
from fairlead_operator.plan.children import Child, Stage
from fairlead_operator.plan.context import PlanRequest
from fairlead_operator.plan.workload.mounts import volumes
from fairlead_operator.plan.workload.pod import pod_template

HTTP, HTTPS, ADMIN, GRPC = "http", "https", "admin", "grpc"
REVISIONS = 3
PROGRESS_SECONDS = 300
# Endpoints and gateways need a moment to notice that a pod ends; until then it goes on answering.
PRE_STOP_SECONDS = 5
MARGIN_SECONDS = 10  # for closing connections, over what drains
START_SECONDS = 120


def api_deployment(request: PlanRequest) -> Child:
    """The API's Deployment; on an embedded store it is the only one, and its pod does everything."""
    listener = {"containerPort": PUBLIC_TLS_PORT if request.serves_tls else PUBLIC_PORT, "protocol": "TCP"}
    ports = [{"name": HTTPS if request.serves_tls else HTTP, **listener}, *_admin_port()]
    if request.document.grpc.enabled:
        ports.append({"name": GRPC, "containerPort": GRPC_PORT, "protocol": "TCP"})
    grace = PRE_STOP_SECONDS + _drain_seconds(request, serves=True, works=request.development) + MARGIN_SECONDS
    strategy = {"type": "Recreate"} if request.development else _rolling()
    argument = "all" if request.development else "serve"
    extra = {"lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}}}
    return _deployment(request, "api", argument, ports=ports, grace=grace, strategy=strategy, container=extra)


def worker_deployment(request: PlanRequest) -> Child:
    """The worker's Deployment. It has no preStop: nothing sends it anything."""
    grace = _drain_seconds(request, serves=False, works=True) + MARGIN_SECONDS
    return _deployment(request, "worker", "work", ports=_admin_port(), grace=grace, strategy=_rolling(), container={})


def _deployment(
    request: PlanRequest,
    role: str,
    argument: str,
    *,
    ports: list[Manifest],
    grace: int,
    strategy: Manifest,
    container: Manifest,
) -> Child:
    template = pod_template(
        request,
        role,
        arguments=[argument],
        account="api",
        compute=role,
        volumes=volumes(request, serves=role == "api"),
        container={"ports": ports, **_probes(), **container},
        pod={"terminationGracePeriodSeconds": grace, "topologySpreadConstraints": _spread(request, role)},
    )
    spec = {
        "revisionHistoryLimit": REVISIONS,
        "progressDeadlineSeconds": PROGRESS_SECONDS,
        "strategy": strategy,
        "selector": {"matchLabels": request.selector(role)},
        "template": template,
    }
    return request.child("apps/v1", "Deployment", role, {"spec": spec}, component=role, stage=Stage.ROLLOUT)


def _drain_seconds(request: PlanRequest, *, serves: bool, works: bool) -> int:
    return math.ceil(drain_seconds(request.document, serves=serves, works=works))


def _admin_port() -> list[Manifest]:
    return [{"name": ADMIN, "containerPort": ADMIN_PORT, "protocol": "TCP"}]


def _rolling() -> Manifest:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": f"{SURGE_PERCENT}%"}}


def _probes() -> Manifest:
    """All on the admin port: it is answered apart from the public listener's load."""

    def get(path: str, *, period: int, failures: int, timeout: int) -> Manifest:
        action = {"path": path, "port": ADMIN, "scheme": "HTTP"}
        return {"httpGet": action, "periodSeconds": period, "failureThreshold": failures, "timeoutSeconds": timeout}

    return {
        "startupProbe": get("/health", period=2, failures=START_SECONDS // 2, timeout=2),
        "livenessProbe": get("/health", period=10, failures=3, timeout=5),
        "readinessProbe": get("/ready", period=5, failures=2, timeout=3),
    }


def _spread(request: PlanRequest, role: str) -> list[Manifest]:
    """Over nodes and zones, as far as there are any; each revision for itself, not counting the pods that go."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": request.selector(role)},
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]
