"""The kinds the operator speaks to, and what it may do with each: one table.

Informers, discovery of optional kinds and the RBAC rules are all made from it. A request for anything else is a defect:
`find` raises. There is no row for Secrets, and there never is to be one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fairlead_contract import names

WATCH = ("list", "watch")
OWN = (*WATCH, "get", "create", "patch", "delete")


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind, equal to nothing but itself: kinds are keys of tables that are looked into all the time.

    `capability` names the optional group it belongs to; `child` means that a plan may contain it.
    """

    group: str
    version: str
    plural: str
    name: str
    verbs: tuple[str, ...]
    namespaced: bool = True
    capability: str = ""
    child: bool = True
    subresource: str = ""

    @property
    def api_version(self) -> str:
        """`apiVersion` as manifests spell it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """Path of the group's version."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"

    def path(self, *, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Path of the collection, of one object, or of its subresource."""
        parts = [self.root]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        return "/".join([*parts, self.plural, *filter(None, (name, subresource))])


def _optional(capability: str, group: str, version: str, plural: str, name: str) -> Kind:
    return Kind(group, version, plural, name, OWN, capability=capability)


SERVICE_ACCOUNT = Kind("", "v1", "serviceaccounts", "ServiceAccount", OWN)
CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap", OWN)
SERVICE = Kind("", "v1", "services", "Service", OWN)
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment", OWN)
JOB = Kind("batch", "v1", "jobs", "Job", OWN)
AUTOSCALER = Kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", OWN)
DISRUPTION_BUDGET = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", OWN)
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", OWN)
INGRESS = Kind("networking.k8s.io", "v1", "ingresses", "Ingress", OWN)
PROMETHEUS_RULE = _optional("prometheus", "monitoring.coreos.com", "v1", "prometheusrules", "PrometheusRule")
SCALED_OBJECT = _optional("keda", "keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")

CHILDREN = (
    SERVICE_ACCOUNT,
    CONFIG_MAP,
    SERVICE,
    DEPLOYMENT,
    JOB,
    AUTOSCALER,
    DISRUPTION_BUDGET,
    NETWORK_POLICY,
    INGRESS,
    SCALED_OBJECT,
    _optional("keda", "keda.sh", "v1alpha1", "triggerauthentications", "TriggerAuthentication"),
    _optional("prometheus", "monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor"),
    _optional("prometheus", "monitoring.coreos.com", "v1", "podmonitors", "PodMonitor"),
    PROMETHEUS_RULE,
    _optional("gateway", "gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute"),
    _optional("gateway", "gateway.networking.k8s.io", "v1", "backendtlspolicies", "BackendTLSPolicy"),
    _optional("cert_manager", "cert-manager.io", "v1", "certificates", "Certificate"),
)

API_SERVICE = Kind(
    names.GROUP, names.VERSION, "apisvcs", "ApiService", (*WATCH, "get", "patch"), child=False, subresource="status"
)
API_SERVICE_CLASS = Kind(
    names.GROUP, names.VERSION, "apisvcclasses", "ApiServiceClass", WATCH, namespaced=False, child=False
)
POD = Kind("", "v1", "pods", "Pod", ("list",), child=False)
EVENT = Kind("", "v1", "events", "Event", ("list", "create"), child=False)
REPLICA_SET = Kind("apps", "v1", "replicasets", "ReplicaSet", ("list",), child=False)
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease", ("get", "create", "update"), child=False)

ALL = (*CHILDREN, API_SERVICE, API_SERVICE_CLASS, POD, EVENT, REPLICA_SET, LEASE)
_BY_NAME = {(kind.group, kind.name): kind for kind in ALL}


def find(group: str, name: str) -> Kind:
    """The kind of that group and name; KeyError when the operator has no business with it."""
    return _BY_NAME[group, name]


def of(manifest: dict[str, Any]) -> Kind:
    """The kind of a manifest. Versions are the table's, whatever the manifest says."""
    group, _, _ = manifest["apiVersion"].rpartition("/")
    return find(group, manifest["kind"])


def rbac_rules(chosen: Iterable[Kind] = ALL) -> list[dict[str, list[str]]]:
    """RBAC rules that allow exactly the table, one per kind and one per written subresource."""
    rules = []
    for kind in chosen:
        rules.append({"apiGroups": [kind.group], "resources": [kind.plural], "verbs": sorted(kind.verbs)})
        if kind.subresource:
            resource = f"{kind.plural}/{kind.subresource}"
            rules.append({"apiGroups": [kind.group], "resources": [resource], "verbs": ["patch"]})
    return rules
