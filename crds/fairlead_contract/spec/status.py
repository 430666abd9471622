"""The status of an ApiService, and the condition type that all kinds share."""

from typing import Annotated, Literal

from pydantic import Field

from fairlead_contract.spec.model import (
    Model,
    map_list,
)


class Condition(Model):
    """One condition, as metav1.Condition."""

    type: str = Field(max_length=316, description="Type of the condition, in CamelCase.")
    status: Literal["True", "False", "Unknown"] = Field(description="True, False or Unknown.")
    reason: str = Field(max_length=1024, description="Stable reason, in CamelCase.")
    message: str = Field(default="", max_length=32_768, description="What to know, for humans.")
    last_transition_time: str = Field(
        max_length=64, description="When the status last changed.", json_schema_extra={"format": "date-time"}
    )
    observed_generation: int = Field(default=0, ge=0, description="Generation that the condition is about.")


class ReplicaStatus(Model):
    """Replicas of one workload."""

    replicas: str = Field(default="", max_length=32, description="Ready and wanted replicas, such as 2/2.")


class BindingStatus(Model):
    """State of one binding, from its last provisioning."""

    role: str = Field(max_length=63, description="datastore, cache, queue or deadLetter.")
    type: str = Field(max_length=63, description="Type of the binding.")
    name: str = Field(default="", max_length=512, description="Name of the table, queue or server.")
    state: Literal["Pending", "Ready", "Failed"] = Field(description="Pending, Ready or Failed.")
    reason: str = Field(default="", max_length=253, description="Stable reason.")
    message: str = Field(default="", max_length=4096, description="What to know, for humans.")
    mark: str = Field(
        default="", max_length=64, description="What distinguishes this store from one that is made later in its place."
    )


class ChildStatus(Model):
    """One object that the operator made."""

    group: str = Field(default="", max_length=253, description="API group.")
    kind: str = Field(max_length=63, description="Kind.")
    name: str = Field(max_length=253, description="Name.")
    uid: str = Field(default="", max_length=64, description="UID.")
    hash: str = Field(default="", max_length=64, description="Hash of what was applied.")


class ContractStatus(Model):
    """Where the published contracts are."""

    config_map: str = Field(
        default="", max_length=253, description="ConfigMap with openapi.json and, when served, more."
    )


class ProvisionStatus(Model):
    """The last provisioning."""

    hash: str = Field(default="", max_length=64, description="Hash of what was provisioned.")
    state: Literal["Pending", "Running", "Succeeded", "Failed"] = Field(
        default="Pending", description="Pending, Running, Succeeded or Failed."
    )
    job: str = Field(
        default="", max_length=64, description="Hash of the Job that was last started, until one has succeeded."
    )
    mark: str = Field(default="", max_length=64, description="Mark of the store that was provisioned, if it has one.")
    without_result: tuple[Annotated[str, Field(max_length=64)], ...] = Field(
        default=(),
        max_length=3,
        description="UIDs of Jobs that succeeded without a result that can be read, one after the other.",
    )


class ServingStatus(Model):
    """What serves now."""

    generation: int = Field(default=0, ge=0, description="Generation that serves.")
    runtime_hash: str = Field(default="", max_length=64, description="Hash of the runtime document that serves.")


class ApiServiceStatus(Model):
    """What the operator saw."""

    observed_generation: int = Field(
        default=0, ge=-1, description="Generation that the status is about; -1 until there is one."
    )
    conditions: tuple[Condition, ...] = Field(
        default=(),
        max_length=16,
        description="Ready, Provisioned, ApiAvailable, WorkerAvailable, AutoscalingReady; others only while True.",
        json_schema_extra=map_list("type"),
    )
    class_name: str = Field(default="", max_length=63, description="ApiServiceClass in use.")
    url: str = Field(default="", max_length=2048, description="Where the API is reached.")
    api: ReplicaStatus | None = Field(default=None, description="The API's replicas.")
    worker: ReplicaStatus | None = Field(default=None, description="The worker's replicas.")
    bindings: tuple[BindingStatus, ...] = Field(
        default=(), max_length=16, description="State of each binding.", json_schema_extra=map_list("role")
    )
    children: tuple[ChildStatus, ...] = Field(default=(), max_length=64, description="Objects that the operator made.")
    contracts: ContractStatus | None = Field(default=None, description="Where the published contracts are.")
    provision: ProvisionStatus | None = Field(default=None, description="The last provisioning.")
    serving: ServingStatus | None = Field(default=None, description="What serves now.")
    runtime_version: str = Field(default="", max_length=512, description="The workload image.")
    last_handled_reconcile_at: str = Field(default="", max_length=64, description="Last reconcile request handled.")
    last_handled_flush_at: str = Field(default="", max_length=64, description="Last cache flush request handled.")
