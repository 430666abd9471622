"""The ApiService: its spec with the CEL rules that hold across its parts, and the resource itself.

The CRDs are generated from these models (`make manifests`); descriptions are what `kubectl explain` prints.
"""

from typing import Literal

from pydantic import Field

from fairlead_contract.spec.api import Api
from fairlead_contract.spec.bindings import Cache, Datastore, Queue
from fairlead_contract.spec.hosting import Compute, Exposure, Runtime, Scaling, Slo
from fairlead_contract.spec.metadata import Metadata
from fairlead_contract.spec.model import (
    Model,
    Name,
    Rule,
)
from fairlead_contract.spec.security import Grpc, Security
from fairlead_contract.spec.status import ApiServiceStatus
from fairlead_contract.spec.worker import Worker


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
