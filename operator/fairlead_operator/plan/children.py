"""The types of the plan: what a child is, when it is applied, what was left out, and what is forbidden.

Nothing here decides; the reconciler and the command line read these, the builders of each kind make them.
"""

from dataclasses import dataclass
from enum import StrEnum

from fairlead_operator.manifests import Manifest

Key = tuple[str, str, str]
"""apiVersion, kind and name: what distinguishes the children of one ApiService."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Which foreign kinds the cluster serves."""

    prometheus: bool
    keda: bool
    gateway: bool
    cert_manager: bool


class Stage(StrEnum):
    """When a child may be applied, in the order of the members.

    What is new of the last two has nothing to wait for, unless it comes with pods of a new kind."""

    BASE = "Base"  # at once
    PROVISION = "Provision"  # the Job: made once per name, never applied again, because its template cannot change
    ROLLOUT = "Rollout"  # after provisioning has succeeded
    PUBLISH = "Publish"  # with the workloads
    TRAFFIC = "Traffic"  # after the new ReplicaSet is available


@dataclass(frozen=True, slots=True)
class Child:
    """One object that the ApiService is to have."""

    manifest: Manifest
    stage: Stage

    @property
    def api_version(self) -> str:
        return str(self.manifest["apiVersion"])

    @property
    def kind(self) -> str:
        return str(self.manifest["kind"])

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    @property
    def key(self) -> Key:
        return self.api_version, self.kind, self.name


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something asked for that this cluster cannot give. `reason` is stable; `message` says what happens instead."""

    feature: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Binding:
    """One thing the service is bound to, as `status.bindings` names it."""

    role: str  # datastore, cache, queue or deadLetter
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class Violation:
    """A limit of the class, or of the cluster, that the resource does not keep."""

    reason: str
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one ApiService is to have. `children` are in the order of applying."""

    children: tuple[Child, ...]
    runtime_hash: str
    provision_hash: str | None  # None: nothing to provision
    url: str
    left_out: tuple[LeftOut, ...]
    bindings: tuple[Binding, ...]
    generation: int = 0  # of the resource that this is the plan of
