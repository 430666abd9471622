"""How many connections the replicas of an ApiService open to its PostgreSQL at most. Pure.

Each pod has a pool, and a connection to listen on; a rollout has more pods for a while. Behind a pooler the settings of
the pooler bound the connections, and what is scaled by hand has no maximum, so one replica is counted.
"""

from dataclasses import dataclass

from fairlead_contract.findings import Finding, warning
from fairlead_contract.spec.apiservice import ApiServiceSpec
from fairlead_contract.spec.hosting import ScalingBackend

SURGE_PERCENT = 25  # more pods that a rollout may have
LISTENERS = 1  # of each pod
DEFAULT_ROOM = 97  # PostgreSQL's max_connections of 100, less superuser_reserved_connections of 3


@dataclass(frozen=True, slots=True)
class Demand:
    """The most pods that there are, those of a rollout among them, and the connections of each."""

    api: int
    worker: int
    pool: int

    @property
    def connections(self) -> int:
        return (self.api + self.worker) * (self.pool + LISTENERS)


def demand(spec: ApiServiceSpec) -> Demand | None:
    """What `spec` may open; None when it opens none, or only those of a pooler."""
    server = spec.datastore.postgresql
    if server is None or server.pooler is not None:
        return None
    by_hand = spec.scaling.backend is ScalingBackend.NONE
    api, worker = (1, 1) if by_hand else (spec.scaling.api.max, max(1, spec.scaling.worker.max))
    return Demand(_with_surge(api), _with_surge(worker) if spec.queue is not None else 0, server.pool.max)


def _with_surge(replicas: int) -> int:
    return replicas + -(-replicas * SURGE_PERCENT // 100)


def connection_findings(spec: ApiServiceSpec) -> list[Finding]:
    """A warning where a PostgreSQL with its default settings has fewer connections."""
    found = demand(spec)
    if found is None or found.connections <= DEFAULT_ROOM:
        return []
    workers = f" and {found.worker} of workers" if found.worker else ""
    message = (
        f"up to {found.connections} connections: {found.api} pods of the API{workers}, with those of a rollout, times"
        f" {found.pool} of the pool and {LISTENERS} to listen; PostgreSQL's default has {DEFAULT_ROOM}"
    )
    remedy = "lower pool.max or scaling.max, raise max_connections in the server, or declare a pooler"
    return [warning(("spec", "datastore", "postgresql", "pool", "max"), message, remedy)]
