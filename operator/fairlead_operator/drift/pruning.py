"""Which objects of a resource have to go: those that are surplus and not in use.

For the operator, before it deletes, and for `fairlead plan`. ReplicaSets are read only when ConfigMaps are surplus.
"""

from collections.abc import Collection

from fairlead_contract import names
from fairlead_operator.cache.records import Name
from fairlead_operator.drift import inventory
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client
from fairlead_operator.manifests import Ref


async def surplus(client: Client, owner: Name, own: Collection[Ref], desired: Collection[Ref]) -> list[Ref]:
    """What of `own` is not desired, in the order in which it has to go.

    A ConfigMap that a ReplicaSet of a desired Deployment mounts, also one kept for a rollback, stays.
    """
    candidates = inventory.prune(own, desired)
    if not any(ref.kind == kinds.CONFIG_MAP.name for ref in candidates):
        return candidates
    selector = f"{names.LABEL_APISVC}={owner[1]}"
    sets, _ = await client.list_all(kinds.REPLICA_SET, namespace=owner[0], selector=selector)
    deployments = {ref.name for ref in desired if ref.kind == kinds.DEPLOYMENT.name}
    return inventory.prune(candidates, desired, in_use=inventory.mounted(sets, deployments=deployments))
