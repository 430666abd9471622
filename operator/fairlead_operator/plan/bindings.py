"""What a service is bound to: names for the status, and the network ports that lead there."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from fairlead_contract.spec.bindings import (
    CacheType,
    Datastore,
    DatastoreType,
    Queue,
    QueueType,
    Redis,
    RedisMode,
    ServerAuthentication,
)
from fairlead_operator.plan.children import Binding
from fairlead_operator.plan.context import PlanRequest
from fairlead_operator.plan.workload.config_maps import dead_letter_name, source_name

HTTPS_PORT, HTTP_PORT = 443, 80
REDIS_PORT = 6379
_RELATIONAL_PORTS = {DatastoreType.POSTGRESQL: 5432, DatastoreType.MYSQL: 3306}
_AWS_QUEUES = (QueueType.SQS, QueueType.SNS, QueueType.KINESIS)


def bindings(request: PlanRequest) -> tuple[Binding, ...]:
    """Every binding, in the order of the status."""
    spec = request.spec
    result = [Binding("datastore", spec.datastore.type.value, _datastore_name(request))]
    if spec.cache.type is not CacheType.NONE:
        name = _redis_name(spec.cache.redis) if spec.cache.redis is not None else ""
        result.append(Binding("cache", spec.cache.type.value, name))
    if spec.queue is not None:
        result.append(Binding("queue", spec.queue.type.value, _queue_name(spec.queue)))
        result.append(Binding("deadLetter", spec.queue.type.value, dead_letter_name(spec.queue)))
    return tuple(result)


def _datastore_name(request: PlanRequest) -> str:
    datastore = request.spec.datastore
    if datastore.type is DatastoreType.DYNAMODB:
        prefix = datastore.dynamodb.table_name if datastore.dynamodb else None
        return prefix or f"{request.namespace}-{request.name}"
    server = datastore.server
    return f"{server.host}/{server.database}" if server is not None else ""


def _redis_name(redis: Redis) -> str:
    if redis.sentinel is not None:
        return redis.sentinel.master_name
    return redis.address or (redis.cluster.addresses[0] if redis.cluster is not None else "")


def _queue_name(queue: Queue) -> str:
    return queue.sns.topic_name if queue.sns is not None else source_name(queue)


def uses_aws(request: PlanRequest) -> bool:
    """Whether the pods call AWS."""
    queue, datastore = request.spec.queue, request.spec.datastore
    server = datastore.server
    tokens = server is not None and server.authentication is ServerAuthentication.AWS_IAM
    aws_queue = queue is not None and queue.type in _AWS_QUEUES
    return datastore.type is DatastoreType.DYNAMODB or tokens or aws_queue


def egress_ports(request: PlanRequest) -> list[int]:
    """The TCP ports of everything bound, sorted."""
    ports = {*_datastore_ports(request.spec.datastore), *_redis_ports(request.spec.cache.redis)}
    if request.spec.queue is not None and request.spec.queue.kafka is not None:
        ports |= {port_of(address) for address in request.spec.queue.kafka.bootstrap_servers}
    if uses_aws(request):
        # Credentials come from the cloud's own endpoints, whatever emulator serves the rest.
        ports |= {HTTPS_PORT, url_port(request.class_.spec.aws.endpoint or "https:")}
    return sorted(ports)


def _datastore_ports(datastore: Datastore) -> Iterator[int]:
    server = datastore.server
    if server is None:
        return
    primary = server.port or _RELATIONAL_PORTS[datastore.type]
    yield primary
    if server.read_replica is not None:
        yield server.read_replica.port or primary
    direct = datastore.direct_server
    if direct is not None:
        yield direct.port or _RELATIONAL_PORTS[datastore.type]


def _redis_ports(redis: Redis | None) -> Iterator[int]:
    if redis is None:
        return
    if redis.mode is RedisMode.SENTINEL:
        yield REDIS_PORT  # of the primary that the sentinels name
    sentinels = redis.sentinel.addresses if redis.sentinel else ()
    nodes = redis.cluster.addresses if redis.cluster else ()
    for address in (*([redis.address] if redis.address else ()), *sentinels, *nodes):
        yield port_of(address)


def port_of(address: str) -> int:
    """The port of `host:port`."""
    return int(address.rpartition(":")[2])


def url_port(url: str) -> int:
    """The port of a URL, or that of its scheme."""
    parts = urlsplit(url)
    return parts.port or (HTTP_PORT if parts.scheme == "http" else HTTPS_PORT)
