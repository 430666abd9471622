"""One pass over one resource: what it starts from, and how far it has come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fairlead_contract import names
from fairlead_operator.cache.records import CachedChild, Name, name_of
from fairlead_operator.drift.desired import DesiredChild
from fairlead_operator.manifests import Manifest, Ref
from fairlead_operator.plan import Plan, Stage
from fairlead_operator.reasons import ConditionDetail
from fairlead_operator.reconcile import rollout_gate
from fairlead_operator.reconcile.applier import Applied
from fairlead_operator.reconcile.planner import PreparedPlan
from fairlead_operator.reconcile.provisioning import Provisioning


@dataclass
class PassContext:
    """One pass over one resource, as far as it has come."""

    resource: Manifest
    prepared: PreparedPlan
    applied: Applied = field(default_factory=Applied)
    provisioning: Provisioning = field(default_factory=lambda: Provisioning(None))
    held: bool = False
    queued: ConditionDetail | None = None
    pruned: set[Ref] = field(default_factory=set)

    @property
    def plan(self) -> Plan:
        return self.prepared.plan

    @property
    def previous(self) -> Mapping[str, Any]:
        status: Mapping[str, Any] = self.resource.get("status", {})
        return status

    @property
    def uid(self) -> str:
        return str(self.resource["metadata"]["uid"])

    @property
    def owner(self) -> Name:
        return name_of(self.resource)

    @property
    def token(self) -> str:
        """The reconcile request that has not been handled yet, or empty."""
        requested = annotation(self.resource, names.ANNOTATION_RECONCILE_REQUESTED_AT)
        return requested if requested != self.previous.get("lastHandledReconcileAt", "") else ""

    def desired(self, *stages: Stage) -> list[DesiredChild]:
        """What the plan has in these stages; without any, in all."""
        return [each for stage in stages or Stage for each in self.prepared.desired[stage]]

    def desired_refs(self) -> list[Ref]:
        """What the plan has in all stages."""
        return [each.ref for each in self.desired()]

    def is_repair(self, desired: DesiredChild) -> bool:
        """Whether a child that differs was changed by another manager, by its digest in the status."""
        return rollout_gate.is_repair(desired, self.previous)


def annotation(resource: Manifest, name: str) -> str:
    """The value of an annotation, or empty."""
    return str(resource["metadata"].get("annotations", {}).get(name, ""))


def owned(live: Mapping[Ref, CachedChild], uid: str) -> dict[Ref, CachedChild]:
    """Those that belong to the ApiService of that uid."""
    return {ref: child for ref, child in live.items() if child.owner_uid == uid}
