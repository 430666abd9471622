"""How Prometheus finds the pods: a ServiceMonitor for the API, a PodMonitor for the worker.

Both scrape the pods' admin port by its name, though no Service has it: a ServiceMonitor may name a port
of the pods behind a Service. Every series gets the label `apisvc`, which alerts and dashboards select by.
"""

from fairlead_operator.manifests import Manifest
from fairlead_operator.plan.children import Child, Stage
from fairlead_operator.plan.context import PlanRequest
from fairlead_operator.plan.workload.deployment import ADMIN

API_VERSION = "monitoring.coreos.com/v1"
LABEL = "apisvc"
_INTERVAL, _TIMEOUT = "30s", "10s"


def service_monitor(request: PlanRequest) -> Child:
    """The API's pods, or the one pod of a development service."""
    spec = {
        "selector": {"matchLabels": request.selector("api")},
        "endpoints": [{"targetPort": ADMIN, **_endpoint(request)}],
    }
    return _monitor(request, "ServiceMonitor", "api", spec)


def pod_monitor(request: PlanRequest) -> Child:
    """The worker's pods, which have no Service."""
    spec = {
        "selector": {"matchLabels": request.selector("worker")},
        "podMetricsEndpoints": [{"port": ADMIN, **_endpoint(request)}],
    }
    return _monitor(request, "PodMonitor", "worker", spec)


def _endpoint(request: PlanRequest) -> Manifest:
    child_name = {"action": "replace", "targetLabel": LABEL, "replacement": request.name}
    return {"path": "/metrics", "interval": _INTERVAL, "scrapeTimeout": _TIMEOUT, "relabelings": [child_name]}


def _monitor(request: PlanRequest, kind: str, role: str, spec: Manifest) -> Child:
    labels = request.class_.spec.monitoring.labels
    return request.child(API_VERSION, kind, role, {"spec": spec}, component=role, stage=Stage.TRAFFIC, labels=labels)
