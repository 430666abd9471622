"""The three custom resources: ApiService, ApiServiceClass and DeadLetterRedrive, with their status.

Decided here: what users can say, and the CEL rules that hold across its parts. The CRDs are generated from these models
(`make manifests`); descriptions are what `kubectl explain` prints.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from fairlead_contract.spec.api import Api
from fairlead_contract.spec.bindings import Cache, CacheType, Datastore, DatastoreType, Queue, QueueType
from fairlead_contract.spec.hosting import Compute, Exposure, GatewayRef, Runtime, Scaling, Slo
from fairlead_contract.spec.model import (
    SET_LIST,
    Duration,
    EventType,
    Image,
    LabelMap,
    Model,
    Name,
    Namespace,
    Rule,
    SecretName,
    ShortText,
    StringMap,
    Text,
    keys_of_annotations,
    keys_of_labels,
    map_list,
)
from fairlead_contract.spec.network import NetworkPeer
from fairlead_contract.spec.security import Grpc, Security
from fairlead_contract.spec.worker import Worker

API_VERSION = "fairlead.dev/v1alpha1"


class Metadata(Model):
    """The parts of Kubernetes' object metadata that are read here; the others pass."""

    model_config = ConfigDict(extra="allow")
    name: str = Field(description="Name of the object.")
    namespace: Namespace = Field(default="default", description="Namespace of the object.")
    labels: dict[str, str] = Field(default={}, description="Labels.")
    annotations: dict[str, str] = Field(default={}, description="Annotations.")


class ApiServiceSpec(Model):
    """What an API endpoint is to be."""

    RULES = (
        Rule(
            "self.api.?protocol.orValue('HTTP1') != 'H2C' || !has(self.security) || !has(self.security.tls)",
            "protocol H2C is HTTP/2 without TLS; leave it out, TLS has HTTP/2 by itself",
            ".api.protocol",
        ),
        Rule(
            "has(self.queue) || !self.api.resources.exists(r, r.?writes.orValue('Sync') == 'Accepted')",
            "a resource with writes: Accepted needs a queue; add spec.queue, or use Sync",
            ".queue",
        ),
        Rule(
            "has(self.queue) || !self.api.resources.exists(r, r.?cache.?strategy.orValue('None') == 'WriteBack')",
            "a resource with cache strategy WriteBack needs a queue; add spec.queue, or use another strategy",
            ".queue",
        ),
        Rule(
            "self.?cache.?type.orValue('None') == 'Redis'"
            " || (self.?cache.?type.orValue('None') == 'Memory'"
            " && self.?datastore.?type.orValue('DynamoDB') == 'SQLite')"
            " || !self.api.resources.exists(r, r.?cache.?strategy.orValue('None') == 'WriteBack')",
            "cache strategy WriteBack needs a Redis cache, or Memory with datastore SQLite; use WriteThrough",
            ".cache",
        ),
        Rule(
            "!self.api.resources.exists(r, r.?cache.?strategy.orValue('None') == 'WriteBack'"
            " && (r.?writes.orValue('Sync') != 'Sync' || r.?reads.orValue('Eventual') == 'Strong'))",
            "cache strategy WriteBack needs writes: Sync and reads: Eventual; change them, or use WriteThrough",
            ".api.resources",
        ),
        Rule(
            "self.?queue.?order.orValue('None') == 'Key'"
            " || !self.api.resources.exists(r, r.?cache.?strategy.orValue('None') == 'WriteBack')",
            "cache strategy WriteBack needs a queue with order: Key; set it, or use WriteThrough",
            ".queue",
        ),
        Rule(
            "self.?cache.?type.orValue('None') != 'None'"
            " || !self.api.resources.exists(r, r.?cache.?strategy.orValue('None') != 'None')",
            "a resource with a cache strategy needs a cache; add spec.cache, or remove the strategy",
            ".cache",
        ),
        Rule(
            "!has(self.queue) || !(self.queue.type in ['SQS', 'SNS'])"
            " || duration(self.queue.type == 'SQS' ? self.?queue.?sqs.?visibilityTimeout.orValue('60s')"
            " : self.?queue.?sns.?visibilityTimeout.orValue('60s'))"
            " > duration(self.?worker.?timeout.orValue('30s'))",
            "visibilityTimeout must be longer than worker.timeout; raise it, or lower worker.timeout",
            ".queue",
        ),
        Rule(
            "!has(self.worker) || !has(self.worker.handlers)"
            " || self.worker.handlers.all(h, self.api.resources.exists(r, h.event.startsWith(r.name + '.')))",
            "the event of a handler must start with the name of a resource; write RESOURCE.created or the like",
            ".worker.handlers",
        ),
        Rule(
            "!has(self.security) || !has(self.security.authorization) || has(self.security.authentication)",
            "security.authorization needs security.authentication; add it",
            ".security.authentication",
        ),
        Rule(
            "!has(self.queue)"
            " || (self.?datastore.?type.orValue('DynamoDB') == 'SQLite') == (self.queue.type == 'SQLite')",
            "datastore SQLite and queue SQLite go together; change one of them",
            ".queue.type",
        ),
        Rule("has(self.queue) || !has(self.worker)", "a worker needs a queue; add spec.queue", ".queue"),
    )
    class_name: Name | None = Field(default=None, description="ApiServiceClass. Default: the one marked as default.")
    deletion_policy: Literal["Retain", "Delete"] = Field(
        default="Retain", description="What becomes of tables, queues and topics when the ApiService is deleted."
    )
    api: Api = Field(description="The REST API.")
    datastore: Datastore = Field(default=Datastore(), description="Where documents are stored. Default: DynamoDB.")
    cache: Cache = Field(default=Cache(), description="The cache. Default: none.")
    queue: Queue | None = Field(default=None, description="The queue between API and worker. Default: none.")
    worker: Worker | None = Field(default=None, description="The worker. It runs whenever there is a queue.")
    security: Security | None = Field(default=None, description="Authentication, authorization and limits.")
    grpc: Grpc | None = Field(default=None, description="gRPC for callers inside the cluster.")
    runtime: Runtime | None = Field(default=None, description="The workload image.")
    compute: Compute | None = Field(default=None, description="CPU and memory.")
    scaling: Scaling = Field(default=Scaling(), description="Autoscaling.")
    exposure: Exposure = Field(default=Exposure(), description="How the API is reached from outside the cluster.")
    slo: Slo | None = Field(default=None, description="Objectives that become alert rules.")


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


class ApiService(Model):
    """An API endpoint with its cache, datastore and queue."""

    RULES = (
        Rule(
            "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",
            "the name must be at most 40 lower-case letters, digits and dashes, starting with a letter; rename it",
        ),
    )
    api_version: Literal["fairlead.dev/v1alpha1"]
    kind: Literal["ApiService"]
    metadata: Metadata
    spec: ApiServiceSpec = Field(description="What the endpoint is to be.")
    status: ApiServiceStatus | None = Field(default=None, description="What the operator saw.")


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


class RedriveFilter(Model):
    """Which dead letters. All given parts must match."""

    event_type: EventType | None = Field(default=None, description="Type of the event.")
    error_code: ShortText | None = Field(default=None, description="Code of the error.")
    since: str | None = Field(
        default=None, max_length=64, description="Failed at or after.", json_schema_extra={"format": "date-time"}
    )
    until: str | None = Field(
        default=None, max_length=64, description="Failed before.", json_schema_extra={"format": "date-time"}
    )
    key: ShortText | None = Field(default=None, description="Key of the document.")


class DeadLetterRedriveSpec(Model):
    """Which dead letters to handle again, and how fast. It cannot change."""

    RULES = (Rule("self == oldSelf", "a redrive cannot change; make a new one"),)
    api_service_name: Name = Field(description="The ApiService, in the same namespace.")
    filter: RedriveFilter = Field(default=RedriveFilter(), description="Which dead letters. Default: all.")
    rate_per_second: int = Field(default=10, ge=1, le=1000, description="Most events per second.")
    max_events: int | None = Field(default=None, ge=1, le=1_000_000, description="Most events. Default: all.")
    dry_run: bool = Field(default=False, description="Count, but move nothing.")
    ttl_after_finished: Duration | None = Field(default=None, description="Delete the redrive this long after its end.")


class DeadLetterRedriveStatus(Model):
    """How far the redrive is."""

    observed_generation: int = Field(
        default=0, ge=-1, description="Generation that the status is about; -1 until there is one."
    )
    conditions: tuple[Condition, ...] = Field(
        default=(),
        max_length=16,
        description="Ready (finished), Reconciling, Stalled.",
        json_schema_extra=map_list("type"),
    )
    matched: int = Field(default=0, ge=0, description="Dead letters that match.")
    redriven: int = Field(default=0, ge=0, description="Dead letters sent back to the queue.")
    failed: int = Field(default=0, ge=0, description="Dead letters that could not be sent back.")
    message: Text = Field(default="", description="What to know, for humans.")


class DeadLetterRedrive(Model):
    """A request to handle dead letters again."""

    api_version: Literal["fairlead.dev/v1alpha1"]
    kind: Literal["DeadLetterRedrive"]
    metadata: Metadata
    spec: DeadLetterRedriveSpec = Field(description="Which dead letters, and how fast.")
    status: DeadLetterRedriveStatus | None = Field(default=None, description="How far the redrive is.")


__all__ = [
    "API_VERSION",
    "ApiService",
    "ApiServiceClass",
    "ApiServiceClassSpec",
    "ApiServiceSpec",
    "ApiServiceStatus",
    "DeadLetterRedrive",
    "DeadLetterRedriveSpec",
]
