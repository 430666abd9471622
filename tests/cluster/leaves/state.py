"""What is there for a resource after a step, as it can be compared, and judged by what the plan means it to be."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fairlead_operator.drift.desired import DesiredChild
from fairlead_operator.kube import kinds, managed_fields
from fairlead_operator.manifests import Ref
from fairlead_operator.plan import Capabilities
from fairlead_operator.reasons import ConditionDetail
from fairlead_operator.reconcile.planner import Planner, PreparedPlan

from ...kstatus import kstatus_check
from ..client import Client, Manifest
from ..test_crds import differences

EVERYTHING = Capabilities(prometheus=True, keda=True, gateway=True, cert_manager=True)
RUNTIME = "-runtime-"
# What the server, or a controller, gives each object separately.
_GIVEN = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")
_REVISION = "deployment.kubernetes.io/revision"
_OF_JOBS = ("controller-uid", "batch.kubernetes.io/controller-uid")


@dataclass(frozen=True)
class State:
    """A resource and everything that it owns."""

    resource: Manifest
    children: Mapping[Ref, Manifest]

    def comparable(self, prepared: PreparedPlan) -> dict[str, Any]:
        """All that lasts, by name: children, status, finalizers. Runtime documents of the past are left out."""
        past = {str(ref) for ref in self.children if RUNTIME in ref.name} - {str(ref) for ref in wanted(prepared)}
        return {
            **{str(ref): _lasting(child) for ref, child in self.children.items() if str(ref) not in past},
            "status": _lasting_status(self.resource["status"], past),
            "finalizers": self.resource["metadata"].get("finalizers", []),
        }

    @property
    def stalled(self) -> str:
        """The reason why it is Stalled, or empty."""
        conditions = {each["type"]: each for each in self.resource.get("status", {}).get("conditions", ())}
        return str(conditions.get("Stalled", {}).get("reason", ""))

    @property
    def settled(self) -> bool:
        """Whether the status is about the newest spec, and says that nothing is under way."""
        status = self.resource.get("status", {})
        conditions = {each["type"]: each["status"] for each in status.get("conditions", ())}
        is_newest = status.get("observedGeneration") == self.resource["metadata"]["generation"]
        return is_newest and "Reconciling" not in conditions and conditions["Ready"] != "Unknown"


def states(client: Client, namespace: str) -> dict[str, State]:
    """Every ApiService of the namespace by name; an AssertionError when there is an object that none of them owns."""
    resources = {each["metadata"]["name"]: each for each in client.list(*_kind(kinds.API_SERVICE), namespace=namespace)}
    by_uid: dict[str, dict[Ref, Manifest]] = {each["metadata"]["uid"]: {} for each in resources.values()}
    unowned = []
    for kind in kinds.CHILDREN:
        for live in client.list(*_kind(kind), namespace=namespace):
            owned = by_uid.get(managed_fields.owner_uid(live))
            if owned is not None:
                owned[Ref.of(live)] = live
            elif live["metadata"]["name"] not in {"default", "kube-root-ca.crt"}:
                unowned.append(str(Ref.of(live)))
    assert not unowned, unowned
    return {name: State(each, by_uid[each["metadata"]["uid"]]) for name, each in resources.items()}


def prepare(image: str, state: State, classes: Mapping[str, Manifest]) -> PreparedPlan | ConditionDetail:
    """What the plan means it to be, from the live resource and its live class."""
    return Planner(image=image).prepare(state.resource, classes, EVERYTHING)


def wanted(prepared: PreparedPlan) -> dict[Ref, DesiredChild]:
    """Every child that is meant to be."""
    return {each.ref: each for stage in prepared.desired.values() for each in stage}


def faults(state: State, prepared: PreparedPlan, *, stalled: str) -> Iterator[str]:
    """What is not as it should be; `stalled` is the reason that is expected, or empty."""
    resource = state.resource
    yield from kstatus_check(None, resource, ordered=False)
    if resource["status"]["observedGeneration"] != resource["metadata"]["generation"]:
        yield "the status is about another generation"
    if state.stalled != stalled:
        yield f"Stalled is {state.stalled or 'absent'}, not {stalled or 'absent'}: {resource['status']['conditions']}"
    if not state.stalled:
        yield from _drift(state, wanted(prepared))


def _drift(state: State, meant: Mapping[Ref, DesiredChild]) -> Iterator[str]:
    yield from (f"{ref} is missing" for ref in meant.keys() - state.children.keys())
    yield from (f"{ref} is left over" for ref in state.children.keys() - meant.keys() if RUNTIME not in ref.name)
    for ref in meant.keys() & state.children.keys():
        live = state.children[ref]
        if ref.kind == kinds.JOB.name:
            continue  # it is what it was made for: its template cannot change, and its name states what it provisions
        yield from (f"{ref}{difference}" for difference in differences(meant[ref].manifest, live))
        if managed_fields.live_digest(live) != meant[ref].digest:
            yield f"{ref}: what we hold in it is not what is meant"
        elif not managed_fields.contains(live, meant[ref].manifest):
            yield f"{ref}: the digests are equal, and a value is not"


def _lasting(live: Manifest) -> Manifest:
    kept = copy.deepcopy({key: value for key, value in live.items() if key != "status"})
    metadata = kept["metadata"]
    for key in _GIVEN:
        metadata.pop(key, None)
    metadata.get("annotations", {}).pop(_REVISION, None)
    template = kept.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {})
    selector = (kept.get("spec", {}).get("selector") or {}).get("matchLabels", {}) if kept["kind"] == "Job" else {}
    for labels in (metadata.get("labels", {}), template, selector):
        for key in _OF_JOBS:
            labels.pop(key, None)
    return kept


def _lasting_status(status: Manifest, past: set[str]) -> Manifest:
    kept = copy.deepcopy(status)
    del kept["observedGeneration"]
    kept.get("serving", {}).pop("generation", None)
    for condition in kept["conditions"]:
        del condition["lastTransitionTime"], condition["observedGeneration"]
    kept["children"] = [
        {key: value for key, value in child.items() if key != "uid"}
        for child in kept["children"]
        if f"{child['kind']} {child['name']}" not in past
    ]
    return kept


def _kind(kind: kinds.Kind) -> tuple[str, str]:
    return kind.api_version, kind.name
