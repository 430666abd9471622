"""Who the operator is in tests: a ServiceAccount with the rules that the chart gives it, and with nothing else.

Impersonation would do on our own control plane alone; a bound token works on every cluster.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from . import kubeconfig
from .client import ApiError, Client, Manifest
from .waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "charts" / "fairlead" / "files"
RBAC = "rbac.authorization.k8s.io"
LEASE_NAME = "fairlead-operator"
TOKEN_SECONDS = 6 * 3600


def chart_rules(*, namespaced: bool = False) -> list[Manifest]:
    """The rules of the chart's ClusterRole, or of the Role of an install that is confined to one namespace."""
    file = FILES / ("rules-namespace.yaml" if namespaced else "rules-cluster.yaml")
    rules: list[Manifest] = yaml.safe_load(file.read_text())
    return rules


def lease_rules(name: str = LEASE_NAME) -> list[Manifest]:
    """What the chart's Role for the Lease allows, in the namespace of the operator."""
    lease = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    return [{**lease, "verbs": ["create"]}, {**lease, "resourceNames": [name], "verbs": ["get", "update"]}]


@dataclass
class Identity:
    """A ServiceAccount. What it may do is granted piece by piece; `remove` takes it all away again."""

    admin: Client
    namespace: str
    name: str = field(default_factory=lambda: f"operator-{uuid.uuid4().hex[:10]}")
    _made: list[Manifest] = field(default_factory=list)

    def create(self) -> "Identity":
        """Make the account."""
        self._make(
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": self.name, "namespace": self.namespace},
                "automountServiceAccountToken": False,
            }
        )
        return self

    def grant(self, rules: Sequence[Manifest], *, namespace: str = "") -> None:
        """Allow what the rules say in a namespace; without one, everywhere."""
        kind = "Role" if namespace else "ClusterRole"
        metadata = {"name": f"{self.name}-{len(self._made)}", **({"namespace": namespace} if namespace else {})}
        role = {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": list(rules)}
        subject = {"kind": "ServiceAccount", "name": self.name, "namespace": self.namespace}
        binding = {
            "apiVersion": f"{RBAC}/v1",
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": metadata["name"]},
            "subjects": [subject],
        }
        self._make(role)
        self._make(binding)

    def kubeconfig(self, administrator: Path, folder: Path) -> Path:
        """A kubeconfig with a token of the account, for the server that `administrator` speaks to."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{self.name}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_SECONDS},
        }
        token = self.admin.request("POST", path, body=body)["status"]["token"]
        cluster = kubeconfig.Connection.read(administrator).cluster
        return kubeconfig.write(folder / f"{self.name}.yaml", cluster=cluster, user={"token": token})

    def remove(self) -> None:
        """Take everything away that was made."""
        for manifest in reversed(self._made):
            self.admin.delete(manifest)

    def _make(self, manifest: Manifest) -> None:
        self._made.append(self.admin.create(manifest))


def await_grant(client: Client, path: str) -> None:
    """Wait until `client` may GET `path`, there or not: the server learns of new rules a moment later."""

    def allowed() -> bool:
        try:
            client.request("GET", path)
        except ApiError as error:
            return error.code == 404
        return True

    eventually(allowed, what=f"{path} may be read")
