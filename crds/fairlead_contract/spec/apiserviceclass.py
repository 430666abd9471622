"""The ApiServiceClass: what every ApiService of the class gets, and what it may ask for."""

from typing import Literal

from pydantic import Field

from fairlead_contract.spec.bindings import CacheType, DatastoreType, QueueType
from fairlead_contract.spec.hosting import Compute, GatewayRef
from fairlead_contract.spec.metadata import Metadata
from fairlead_contract.spec.model import (
    SET_LIST,
    Image,
    LabelMap,
    Model,
    Rule,
    SecretName,
    ShortText,
    StringMap,
    keys_of_annotations,
    keys_of_labels,
    map_list,
)
from fairlead_contract.spec.network import NetworkPeer


class ClassRuntime(Model):
    """The workload image of the class."""

    image: Image | None = Field(default=None, description="Image. Default: the operator's.")
    pull_secrets: tuple[SecretName, ...] = Field(
        default=(), max_length=8, description="Secrets to pull it with.", json_schema_extra=map_list()
    )


class ClassAws(Model):
    """Where AWS services are."""

    region: ShortText | None = Field(default=None, description="Region. Default: from the pod's environment.")
    endpoint: str | None = Field(
        default=None, pattern=r"^https?://[!-~]+$", max_length=512, description="Endpoint of an emulator."
    )


class ClassServiceAccount(Model):
    """The workloads' ServiceAccounts."""

    RULES = (keys_of_annotations("annotations"),)
    annotations: StringMap = Field(
        default={}, description="Annotations, such as a cloud role. A change rolls the pods out anew."
    )


class ClassNetworkPolicy(Model):
    """Who may reach the API."""

    ingress_from: tuple[NetworkPeer, ...] = Field(
        default=(),
        max_length=32,
        description="Who may reach the API's port, as peers of a NetworkPolicy. Default: all.",
    )


class ClassMonitoring(Model):
    """How Prometheus finds the monitors."""

    RULES = (keys_of_labels("labels"),)
    labels: LabelMap = Field(default={}, description="Labels on ServiceMonitors, PodMonitors and PrometheusRules.")


class ClassRollout(Model):
    """How fast changes of the class or the image spread."""

    max_concurrent: int = Field(default=10, ge=1, le=1000, description="Most ApiServices rolling out at once.")


class ClassLimits(Model):
    """What developers may ask for. An absent list allows everything, an empty one nothing."""

    datastores: tuple[DatastoreType, ...] | None = Field(
        default=None, max_length=4, description="Datastore types.", json_schema_extra=SET_LIST
    )
    caches: tuple[CacheType, ...] | None = Field(
        default=None, max_length=3, description="Cache types.", json_schema_extra=SET_LIST
    )
    queues: tuple[QueueType, ...] | None = Field(
        default=None, max_length=5, description="Queue types.", json_schema_extra=SET_LIST
    )
    endpoints: tuple[ShortText, ...] | None = Field(
        default=None,
        max_length=64,
        description="Patterns of hosts outside the namespace, such as *.example.com.",
        json_schema_extra=SET_LIST,
    )
    hostnames: tuple[ShortText, ...] | None = Field(
        default=None,
        max_length=64,
        description="Patterns of public host names, such as *.example.com.",
        json_schema_extra=SET_LIST,
    )
    max_replicas: int | None = Field(default=None, ge=1, le=1000, description="Most replicas of one workload.")
    parent_refs: tuple[GatewayRef, ...] | None = Field(default=None, max_length=16, description="Gateways.")
    images: tuple[ShortText, ...] | None = Field(
        default=None, max_length=32, description="Patterns of workload images.", json_schema_extra=SET_LIST
    )
    annotations: tuple[ShortText, ...] | None = Field(
        default=None, max_length=64, description="Patterns of annotations on an Ingress.", json_schema_extra=SET_LIST
    )


class ApiServiceClassSpec(Model):
    """What developers get without asking, and what they may ask for."""

    is_default: bool = Field(default=False, description="Use this class for an ApiService that names none.")
    runtime: ClassRuntime = Field(default=ClassRuntime(), description="The workload image.")
    aws: ClassAws = Field(default=ClassAws(), description="Where AWS services are.")
    service_account: ClassServiceAccount = Field(default=ClassServiceAccount(), description="ServiceAccounts.")
    resources: Compute = Field(default=Compute(), description="CPU and memory of those that name none.")
    network_policy: ClassNetworkPolicy = Field(default=ClassNetworkPolicy(), description="Who may reach the API.")
    monitoring: ClassMonitoring = Field(default=ClassMonitoring(), description="How Prometheus finds the monitors.")
    rollout: ClassRollout = Field(default=ClassRollout(), description="How fast changes spread.")
    limits: ClassLimits = Field(default=ClassLimits(), description="What developers may ask for.")


class ApiServiceClass(Model):
    """What platform engineers decide for a group of ApiServices."""

    RULES = (
        Rule(
            "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')",
            "the name must be at most 63 lower-case letters, digits and dashes, starting with a letter; rename it",
        ),
    )
    api_version: Literal["fairlead.dev/v1alpha1"]
    kind: Literal["ApiServiceClass"]
    metadata: Metadata
    spec: ApiServiceClassSpec = Field(default=ApiServiceClassSpec(), description="Defaults and limits.")
