"""For operators whose requests a test disturbs: namespaces of their own, and the rights of production.

The operators of a run share one account. It may do everywhere what the chart's ClusterRole says, and holds a Lease in
each namespace; so a right that only the way out of a fault needs is missed when the chart does not give it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .client import Client
from .identity import LEASE_NAME, Identity, await_grant, lease_rules
from .recording import StatusRecorder, own_namespace


@dataclass(frozen=True)
class OperatorAccess:
    """`admin` is the tests' own client; `config` and `operator` are the kubeconfig and a client of the operators."""

    admin: Client
    account: Identity
    config: Path
    operator: Client
    statuses: StatusRecorder

    @contextmanager
    def namespace(self, *, prefix: str = "test") -> Iterator[str]:
        """A new one, in which an operator may lead and every status that is written is checked."""
        with own_namespace(self.admin, self.statuses, prefix=prefix) as name:
            self.allow_lease(name)
            yield name

    def allow_lease(self, namespace: str) -> None:
        """Allow operators the Lease in this namespace; return when the server knows."""
        self.account.grant(lease_rules(), namespace=namespace)
        await_grant(self.operator, f"/apis/fairlead.dev/v1alpha1/namespaces/{namespace}/apisvcs/none")
        await_grant(self.operator, f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE_NAME}")
