"""KEDA: workers by backlog, one trigger for each kind of queue.

The backlog of SQS (and SNS's queue) is measured by messages, Kafka's by consumer lag, Kinesis' by
the age of what is read last, never by its number of shards. Credentials come from the workload's own identity or from
the Secrets that the resource names; KEDA reads them, we do not.
"""

from fairlead_contract.names import consumer_group
from fairlead_contract.spec.bindings import Kafka, Queue, QueueType, SaslMechanism, TlsMode
from fairlead_operator.manifests import Manifest
from fairlead_operator.plan.children import Child, Stage
from fairlead_operator.plan.context import PlanRequest
from fairlead_operator.plan.scaling.autoscaler import behavior
from fairlead_operator.plan.workload.config_maps import source_name

POLLING_SECONDS = 15
COOLDOWN_SECONDS = 300
ITERATOR_AGE_MILLISECONDS = 30_000  # of one replica's share
_KEDA = "keda.sh/v1alpha1"
_SASL = {
    SaslMechanism.PLAIN: "plaintext",
    SaslMechanism.SCRAM_SHA_256: "scram_sha256",
    SaslMechanism.SCRAM_SHA_512: "scram_sha512",
}


def needs_region(queue: Queue) -> bool:
    """Whether KEDA needs an AWS region."""
    return queue.type in (QueueType.SQS, QueueType.SNS, QueueType.KINESIS)


def wakes_from_zero(queue: Queue) -> bool:
    """Whether the backlog can be measured while nobody reads. An iterator's age cannot."""
    return queue.type is not QueueType.KINESIS


def scaled_worker(request: PlanRequest, queue: Queue) -> tuple[Child, ...]:
    """The ScaledObject, after the TriggerAuthentication that it names, if it needs one."""
    authentication = _authentication(queue)
    trigger: Manifest = {"type": _type(queue), "metricType": "AverageValue", "metadata": _trigger(request, queue)}
    children = []
    if authentication:
        trigger["authenticationRef"] = {"name": request.child_name("worker")}
        children.append(_child(request, "TriggerAuthentication", authentication))
    scaling = request.spec.scaling.worker
    least = scaling.min if wakes_from_zero(queue) else max(1, scaling.min)
    spec = {
        "scaleTargetRef": {"name": request.child_name("worker")},
        "pollingInterval": POLLING_SECONDS,
        "cooldownPeriod": COOLDOWN_SECONDS,
        "minReplicaCount": least,
        "maxReplicaCount": scaling.max,
        # What cannot be measured is no reason to stop working.
        "fallback": {"failureThreshold": 3, "replicas": max(1, scaling.min), "behavior": "currentReplicasIfHigher"},
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior()}},
        "triggers": [trigger],
    }
    return (*children, _child(request, "ScaledObject", spec))


def _child(request: PlanRequest, kind: str, spec: Manifest) -> Child:
    return request.child(_KEDA, kind, "worker", {"spec": spec}, component="worker", stage=Stage.ROLLOUT)


def _type(queue: Queue) -> str:
    if queue.type is QueueType.KAFKA:
        return "kafka"
    return "aws-cloudwatch" if queue.type is QueueType.KINESIS else "aws-sqs-queue"


def _trigger(request: PlanRequest, queue: Queue) -> dict[str, str]:
    backlog = str(request.spec.scaling.worker.backlog_per_replica)
    if queue.kafka is not None:
        return _kafka(request, queue.kafka, backlog)
    aws = request.class_.spec.aws
    place = {"awsRegion": aws.region or ""} | ({"awsEndpoint": aws.endpoint} if aws.endpoint else {})
    if queue.kinesis is not None:
        return place | _iterator_age(queue.kinesis.stream_name)
    return place | {"queueURL": source_name(queue), "queueLength": backlog}


def _iterator_age(stream: str) -> dict[str, str]:
    return {
        "namespace": "AWS/Kinesis",
        "metricName": "GetRecords.IteratorAgeMilliseconds",
        "dimensionName": "StreamName",
        "dimensionValue": stream,
        "metricStat": "Maximum",
        "metricStatPeriod": "60",
        "metricCollectionTime": "300",
        "targetMetricValue": str(ITERATOR_AGE_MILLISECONDS),
        "minMetricValue": "0",
    }


def _kafka(request: PlanRequest, kafka: Kafka, backlog: str) -> dict[str, str]:
    metadata = {
        "bootstrapServers": ",".join(kafka.bootstrap_servers),
        "consumerGroup": consumer_group(request.namespace, request.name),
        "topic": kafka.topic,
        "lagThreshold": backlog,
        # A group that has never committed anything has everything before it.
        "offsetResetPolicy": "earliest",
    }
    if kafka.sasl is not None:
        metadata["sasl"] = _SASL[kafka.sasl.mechanism]
    if kafka.tls is not None and kafka.tls.mode is not TlsMode.DISABLE:
        metadata["tls"] = "enable"
        if kafka.tls.mode is TlsMode.REQUIRE:
            metadata["unsafeSsl"] = "true"
    return metadata


def _authentication(queue: Queue) -> Manifest:
    """The spec of a TriggerAuthentication; empty when none is needed."""
    if queue.kafka is None:
        return {"podIdentity": {"provider": "aws", "identityOwner": "workload"}}
    targets = []
    if queue.kafka.sasl is not None:
        secret = queue.kafka.sasl.credentials_secret.name
        targets += [{"parameter": key, "name": secret, "key": key} for key in ("username", "password")]
    tls = queue.kafka.tls
    if tls is not None and tls.mode is not TlsMode.DISABLE and tls.ca_secret is not None:
        targets.append({"parameter": "ca", "name": tls.ca_secret.name, "key": "ca.crt"})
    return {"secretTargetRef": targets} if targets else {}
