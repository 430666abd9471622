"""The runtime document: what the operator writes into a ConfigMap and the workload reads at start.

It has a version. Every default is filled in, so the workload never guesses. `fairlead run` derives the same document
with embedded bindings.
"""

from typing import Literal

from pydantic import Field

from fairlead_contract.spec.api import Api
from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.spec.bindings import Cache, Datastore, Queue
from fairlead_contract.spec.model import Model, seconds
from fairlead_contract.spec.security import Grpc, Security
from fairlead_contract.spec.worker import Worker

RUNTIME_VERSION = 1
REQUEST_SECONDS = 30.0  # longest that a request in flight may take once its process drains


class RuntimeDocument(Model):
    """Everything one workload needs to know about its ApiService."""

    version: Literal[1] = Field(description="Version of this document; a workload refuses one that it does not know.")
    name: str = Field(max_length=253, description="Name of the ApiService.")
    namespace: str = Field(max_length=253, description="Namespace of the ApiService.")
    api: Api
    datastore: Datastore
    cache: Cache
    queue: Queue | None = None
    worker: Worker | None = None
    security: Security = Security()
    grpc: Grpc = Grpc()


def derive(resource: ApiService) -> RuntimeDocument:
    """The runtime document of `resource`."""
    spec = resource.spec
    return RuntimeDocument(
        version=RUNTIME_VERSION,
        name=resource.metadata.name,
        namespace=resource.metadata.namespace,
        api=spec.api,
        datastore=spec.datastore,
        cache=spec.cache,
        queue=spec.queue,
        worker=(spec.worker or Worker()) if spec.queue is not None else None,
        security=spec.security or Security(),
        grpc=spec.grpc or Grpc(),
    )


def drain_seconds(document: RuntimeDocument, *, serves: bool, works: bool) -> float:
    """Longest that a process needs to finish what it has begun: requests if it serves, a handler if it works."""
    handler = seconds((document.worker or Worker()).timeout) if works and document.queue is not None else 0.0
    return max(REQUEST_SECONDS if serves else 0.0, handler)
