"""Which objects a resource has, which it is to have, and hence which have to go. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from fairlead_operator.manifests import Ref

# What others lean on goes last: first what drives, then what runs, then what it mounts.
_LAST = {"ConfigMap": 1, "ServiceAccount": 2}
_SCALERS = frozenset({"HorizontalPodAutoscaler", "ScaledObject"})


def prune(present: Iterable[Ref], desired: Iterable[Ref], *, in_use: Iterable[Ref] = ()) -> list[Ref]:
    """What is present, not desired and not in use, in the order in which it has to go."""
    surplus = set(present) - set(desired) - set(in_use)
    return sorted(surplus, key=lambda ref: (_LAST.get(ref.kind, 0), ref))


def prune_first(present: Iterable[Ref], desired: Iterable[Ref]) -> list[Ref]:
    """What has to go before anything is applied: KEDA refuses a target that an autoscaler of ours holds, and back."""
    planned = set(desired)
    if not any(ref.kind in _SCALERS for ref in planned - set(present)):
        return []
    return [ref for ref in prune(present, planned) if ref.kind in _SCALERS]


def mounted(replica_sets: Iterable[Mapping[str, Any]], *, deployments: Collection[str]) -> set[Ref]:
    """The ConfigMaps that pods of these would mount. What belongs to no Deployment of these names is about to go."""
    return {
        Ref("", "ConfigMap", name)
        for each in replica_sets
        if any(owner["name"] in deployments for owner in each["metadata"].get("ownerReferences", ()))
        for volume in each["spec"]["template"]["spec"].get("volumes", ())
        for name in _config_maps(volume)
    }


def _config_maps(volume: Mapping[str, Any]) -> list[str]:
    sources = [volume, *volume.get("projected", {}).get("sources", ())]
    return [source["configMap"]["name"] for source in sources if "configMap" in source]
