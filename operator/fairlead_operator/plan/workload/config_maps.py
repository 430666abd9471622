"""The ConfigMaps: the runtime document, the published contract, and the dead letters' settings.

The runtime document is immutable and named by its hash, so that a rollout and its undoing each find their
own; the other two change in place. The dead letters' targets are named here and nowhere else.
"""

from fairlead_contract.names import DEAD_LETTER_FILE, RUNTIME_FILE
from fairlead_contract.openapi.document import openapi
from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.bindings import Queue, QueueType
from fairlead_contract.spec.model import seconds
from fairlead_operator.manifests import Manifest
from fairlead_operator.plan.children import Child, Stage
from fairlead_operator.plan.context import PlanRequest
from fairlead_operator.plan.hashing import canonical

RUNTIME_KEY = RUNTIME_FILE.rpartition("/")[2]
DEAD_LETTER_KEY = DEAD_LETTER_FILE.rpartition("/")[2]
OPENAPI_KEY = "openapi.json"
# The worker counts attempts; the broker's own limit only catches what no worker ever answers for.
MAX_RECEIVE_COUNT = 1000
_FIFO = ".fifo"


def runtime_config(request: PlanRequest) -> Child:
    """The runtime document of the workload."""
    body = {"immutable": True, "data": {RUNTIME_KEY: request.runtime_text}}
    return request.child("v1", "ConfigMap", f"runtime-{request.runtime_hash}", body, component="runtime")


def contract_config(request: PlanRequest) -> Child:
    """What others may rely on."""
    body = {"data": {OPENAPI_KEY: contract_text(request.document)}}
    return request.child("v1", "ConfigMap", "contract", body, component="contract", stage=Stage.PUBLISH)


def contract_text(document: RuntimeDocument) -> str:
    """The OpenAPI document of `document` as it is published. Making it is most of a plan's time."""
    return canonical(openapi(document))


def dead_letter_config(request: PlanRequest, queue: Queue) -> Child:
    """Where dead letters of `queue` go, and when they raise an alarm."""
    body = {"data": {DEAD_LETTER_KEY: dead_letter_text(queue)}}
    return request.child("v1", "ConfigMap", "dead-letter", body, component="dead-letter")


def dead_letter_text(queue: Queue) -> str:
    """The settings of dead letters, for worker, provisioning and the command line."""
    source: Manifest = {
        "source": source_name(queue),
        "target": dead_letter_name(queue),
        "maxAttempts": queue.retry.max_attempts,
        "maxAgeSeconds": int(seconds(queue.retry.max_age)),
        "retentionSeconds": int(seconds(queue.dead_letter.retention)),
        "alertAfter": queue.dead_letter.alert_after,
    }
    if queue.type in (QueueType.SQS, QueueType.SNS):
        source["redrivePolicy"] = {"maxReceiveCount": MAX_RECEIVE_COUNT}
    return canonical({"version": 1, "type": queue.type.value, "sources": [source]})


def source_name(queue: Queue) -> str:
    """The queue, stream or topic that workers read; empty for the embedded queue."""
    if queue.sqs is not None:
        return _fifo(queue.sqs.queue_name, queue.sqs.fifo)
    if queue.sns is not None:
        return _fifo(queue.sns.queue_name, queue.sns.fifo)
    if queue.kinesis is not None:
        return queue.kinesis.stream_name
    return queue.kafka.topic if queue.kafka is not None else ""


def dead_letter_name(queue: Queue) -> str:
    """The queue, stream or topic that takes the dead letters; empty for the embedded queue."""
    name = source_name(queue)
    if not name:
        return ""
    if name.endswith(_FIFO):
        return f"{name.removesuffix(_FIFO)}-dead-letter{_FIFO}"
    return f"{name}-dead-letter"


def _fifo(name: str, fifo: bool) -> str:
    return name if not fifo or name.endswith(_FIFO) else name + _FIFO
