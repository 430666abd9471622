"""The bindings of a service: datastore, cache and queue, each a union of `type` and the member of that name."""

from enum import StrEnum

from pydantic import Field

from fairlead_contract.spec.model import CloudName, Duration, Host, HostPort, Model, Port, Rule, SecretName, ShortText


class Provision(StrEnum):
    MANAGED = "Managed"
    EXISTING = "Existing"


class TlsMode(StrEnum):
    DISABLE = "Disable"
    REQUIRE = "Require"
    VERIFY_CA = "VerifyCA"
    VERIFY_FULL = "VerifyFull"


class Tls(Model):
    """TLS towards a server."""

    mode: TlsMode = Field(
        default=TlsMode.VERIFY_FULL,
        description="Disable, Require (no verification), VerifyCA, or VerifyFull (CA and host name).",
    )
    ca_secret: SecretName | None = Field(
        default=None, description="Secret with the CA in ca.crt. Default: the system's CAs."
    )
    client_secret: SecretName | None = Field(
        default=None, description="Secret with a client certificate in tls.crt and its key in tls.key. Default: none."
    )


class DatastoreType(StrEnum):
    DYNAMODB = "DynamoDB"
    POSTGRESQL = "PostgreSQL"
    MYSQL = "MySQL"
    SQLITE = "SQLite"


class Pool(Model):
    """The connection pool of one replica."""

    max: int = Field(default=10, ge=1, le=200, description="Most connections of one replica.")


class ReadReplica(Model):
    """A read replica, used for Eventual reads."""

    host: Host = Field(description="Host name of the replica.")
    port: Port | None = Field(default=None, description="Port of the replica. Default: the primary's.")
    max_lag: Duration = Field(
        default="1s", description="Lag to expect; reads after a write avoid the replica for twice that."
    )


class ServerAuthentication(StrEnum):
    PASSWORD = "Password"  # noqa: S105 - how, not what
    CERTIFICATE = "Certificate"
    AWS_IAM = "AwsIam"


class RelationalServer(Model):
    """A PostgreSQL or MySQL server."""

    RULES = (
        Rule(
            "self.authentication != 'Certificate' || has(self.tls) && has(self.tls.clientSecret)",
            "authentication Certificate needs tls.clientSecret; add it",
            ".tls.clientSecret",
        ),
        Rule(
            "self.authentication != 'AwsIam' || !has(self.tls) || self.tls.mode != 'Disable'",
            "authentication AwsIam needs TLS, or everybody on the way could take the token; leave tls.mode out",
            ".tls.mode",
        ),
    )
    host: Host = Field(description="Host name of the server.")
    port: Port | None = Field(default=None, description="Port. Default: 5432 for PostgreSQL, 3306 for MySQL.")
    database: ShortText = Field(description="Name of the database.")
    authentication: ServerAuthentication = Field(
        default=ServerAuthentication.PASSWORD,
        description="Password: that of credentialsSecret. Certificate: the one of tls.clientSecret. AwsIam: a token of"
        " the pod's AWS identity, for RDS and Aurora.",
    )
    credentials_secret: SecretName = Field(
        description="Secret with username and, for authentication Password, password."
    )
    tls: Tls = Field(default=Tls(), description="TLS towards the server.")
    pool: Pool = Field(default=Pool(), description="Connection pool.")
    statement_timeout: Duration = Field(default="10s", description="Longest that a statement may take.")
    lock_timeout: Duration = Field(default="2s", description="Longest that a write waits for a lock of others.")
    read_replica: ReadReplica | None = Field(default=None, description="Read replica for Eventual reads.")


class DirectServer(Model):
    """The server behind a pooler."""

    host: Host = Field(description="Host name of the server.")
    port: Port | None = Field(default=None, description="Port. Default: 5432.")


class Pooler(Model):
    """A pooler in transaction mode between the service and the server, such as PgBouncer."""

    direct: DirectServer | None = Field(
        default=None,
        description="The server itself, for provisioning and for hearing of commits. Default: the pooler is used for"
        " provisioning, and commits of other pods are found by polling.",
    )


class PostgreSql(RelationalServer):
    """A PostgreSQL server."""

    pooler: Pooler | None = Field(
        default=None,
        description="That a pooler in transaction mode, such as PgBouncer, stands at host and port. Default: none.",
    )


class Billing(StrEnum):
    ON_DEMAND = "OnDemand"
    PROVISIONED = "Provisioned"


class DynamoDb(Model):
    """DynamoDB tables of the service."""

    table_name: CloudName | None = Field(default=None, description="Prefix of the tables. Default: NAMESPACE-NAME.")
    billing: Billing = Field(default=Billing.ON_DEMAND, description="Billing mode of tables that are created.")
    point_in_time_recovery: bool = Field(
        default=True, description="Keep continuous backups of tables that are created."
    )


class Sqlite(Model):
    """An embedded SQLite file, for development. It has no settings."""


class Datastore(Model):
    """Where documents are stored."""

    RULES = (
        Rule("self.type == oldSelf.type", "datastore.type cannot change; make a new ApiService and migrate", ".type"),
        Rule(
            "self.type == 'DynamoDB' || !has(self.dynamodb)",
            "dynamodb belongs to type DynamoDB; remove it",
            ".dynamodb",
        ),
        Rule(
            "self.type == 'PostgreSQL' ? has(self.postgresql) : !has(self.postgresql)",
            "type PostgreSQL needs postgresql, and no other type takes it; add or remove it",
            ".postgresql",
        ),
        Rule(
            "self.type == 'MySQL' ? has(self.mysql) : !has(self.mysql)",
            "type MySQL needs mysql, and no other type takes it; add or remove it",
            ".mysql",
        ),
        Rule("self.type == 'SQLite' || !has(self.sqlite)", "sqlite belongs to type SQLite; remove it", ".sqlite"),
    )
    type: DatastoreType = Field(default=DatastoreType.DYNAMODB, description="Which store. SQLite is for development.")
    provision: Provision = Field(
        default=Provision.MANAGED, description="Managed: create and migrate tables. Existing: verify them only."
    )
    dynamodb: DynamoDb | None = Field(default=None, description="Settings for type DynamoDB.")
    postgresql: PostgreSql | None = Field(default=None, description="Settings for type PostgreSQL.")
    mysql: RelationalServer | None = Field(default=None, description="Settings for type MySQL.")
    sqlite: Sqlite | None = Field(default=None, description="Settings for type SQLite.")

    @property
    def server(self) -> RelationalServer | None:
        """The server of a relational datastore."""
        return self.postgresql or self.mysql

    @property
    def direct_server(self) -> DirectServer | None:
        """The server behind a pooler, where it is named."""
        pooler = self.postgresql.pooler if self.postgresql is not None else None
        return pooler.direct if pooler is not None else None


class CacheType(StrEnum):
    REDIS = "Redis"
    MEMORY = "Memory"
    NONE = "None"


class RedisMode(StrEnum):
    SINGLE = "Single"
    SENTINEL = "Sentinel"
    CLUSTER = "Cluster"


class RedisSentinel(Model):
    """How to find the primary through Sentinel."""

    master_name: ShortText = Field(description="Name of the monitored primary.")
    addresses: tuple[HostPort, ...] = Field(min_length=1, max_length=16, description="host:port of the sentinels.")


class RedisCluster(Model):
    """How to join a Redis Cluster."""

    addresses: tuple[HostPort, ...] = Field(min_length=1, max_length=64, description="host:port of some cluster nodes.")


class Redis(Model):
    """A Redis (or Valkey) server."""

    RULES = (
        Rule(
            "self.mode == 'Single' ? has(self.address) : !has(self.address)",
            "mode Single needs address, and no other mode takes it; add or remove it",
            ".address",
        ),
        Rule(
            "self.mode == 'Sentinel' ? has(self.sentinel) : !has(self.sentinel)",
            "mode Sentinel needs sentinel, and no other mode takes it; add or remove it",
            ".sentinel",
        ),
        Rule(
            "self.mode == 'Cluster' ? has(self.cluster) : !has(self.cluster)",
            "mode Cluster needs cluster, and no other mode takes it; add or remove it",
            ".cluster",
        ),
    )
    mode: RedisMode = Field(default=RedisMode.SINGLE, description="Single, Sentinel or Cluster.")
    address: HostPort | None = Field(default=None, description="host:port of the server, for mode Single.")
    sentinel: RedisSentinel | None = Field(default=None, description="Settings for mode Sentinel.")
    cluster: RedisCluster | None = Field(default=None, description="Settings for mode Cluster.")
    credentials_secret: SecretName | None = Field(default=None, description="Secret with username and password.")
    tls: Tls | None = Field(default=None, description="TLS towards the server. Default: none.")


class Memory(Model):
    """An in-process cache. It has no settings."""


class Cache(Model):
    """The cache of the service."""

    RULES = (
        Rule(
            "self.type == 'Redis' ? has(self.redis) : !has(self.redis)",
            "type Redis needs redis, and no other type takes it; add or remove it",
            ".redis",
        ),
        Rule("self.type == 'Memory' || !has(self.memory)", "memory belongs to type Memory; remove it", ".memory"),
    )
    type: CacheType = Field(
        default=CacheType.NONE,
        description="Redis (shared), Memory (in each replica, bounded only by its TTL across replicas) or None.",
    )
    redis: Redis | None = Field(default=None, description="Settings for type Redis.")
    memory: Memory | None = Field(default=None, description="Settings for type Memory.")


class QueueType(StrEnum):
    SQS = "SQS"
    SNS = "SNS"
    KINESIS = "Kinesis"
    KAFKA = "Kafka"
    SQLITE = "SQLite"


class Format(StrEnum):
    JSON = "JSON"
    AVRO = "Avro"
    PROTOBUF = "Protobuf"


class Order(StrEnum):
    NONE = "None"
    KEY = "Key"


class Sqs(Model):
    """An SQS queue."""

    queue_name: CloudName = Field(description="Name of the queue; .fifo is appended when fifo is set.")
    fifo: bool = Field(default=False, description="Use a FIFO queue, grouped by the resource's key.")
    visibility_timeout: Duration = Field(
        default="60s", description="Time before an unfinished event is delivered again."
    )


class Sns(Model):
    """An SNS topic with an SQS subscription."""

    topic_name: CloudName = Field(description="Name of the topic.")
    queue_name: CloudName = Field(description="Name of the subscribed queue.")
    fifo: bool = Field(default=False, description="Use a FIFO topic and queue, grouped by the resource's key.")
    visibility_timeout: Duration = Field(
        default="60s", description="Time before an unfinished event is delivered again."
    )


class Kinesis(Model):
    """A Kinesis stream."""

    stream_name: CloudName = Field(description="Name of the stream.")
    shards: int = Field(default=1, ge=1, le=1000, description="Shards of a stream that is created.")


class SaslMechanism(StrEnum):
    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


class KafkaSasl(Model):
    """SASL authentication towards Kafka."""

    mechanism: SaslMechanism = Field(default=SaslMechanism.SCRAM_SHA_512, description="SASL mechanism.")
    credentials_secret: SecretName = Field(description="Secret with username and password.")


class Kafka(Model):
    """A Kafka topic."""

    bootstrap_servers: tuple[HostPort, ...] = Field(
        min_length=1, max_length=32, description="host:port of some brokers."
    )
    topic: str = Field(pattern=r"^[A-Za-z0-9._-]{1,200}$", max_length=200, description="Name of the topic.")
    partitions: int = Field(default=6, ge=1, le=10_000, description="Partitions of a topic that is created.")
    sasl: KafkaSasl | None = Field(default=None, description="SASL authentication. Default: none.")
    tls: Tls | None = Field(default=None, description="TLS towards the brokers. Default: none.")


class Backoff(Model):
    """Time between attempts: initial * factor^n, at most max, plus or minus the jitter."""

    initial: Duration = Field(default="1s", description="Delay before the first retry.")
    factor: int = Field(default=2, ge=1, le=10, description="Growth of the delay with each attempt.")
    max: Duration = Field(default="5m", description="Longest delay.")
    jitter_percent: int = Field(default=20, ge=0, le=100, description="Random part of each delay, in percent.")


class Retry(Model):
    """When an event that failed is tried again. Failures of dependencies count against maxAge only."""

    max_attempts: int = Field(default=5, ge=1, le=100, description="Attempts before the dead letter.")
    max_age: Duration = Field(default="24h", description="Age of an event after which it is a dead letter in any case.")
    backoff: Backoff = Field(default=Backoff(), description="Delays between attempts.")


class DeadLetter(Model):
    """Where events go that could not be handled. It cannot be switched off."""

    retention: Duration = Field(default="336h", description="How long dead letters are kept.")
    alert_after: int = Field(default=1, ge=1, le=1_000_000, description="Number of dead letters that raises the alert.")


class Queue(Model):
    """The queue between the API and the worker."""

    RULES = (
        Rule(
            "self.type == 'SQS' ? has(self.sqs) : !has(self.sqs)",
            "type SQS needs sqs, and no other type takes it; add or remove it",
            ".sqs",
        ),
        Rule(
            "self.type == 'SNS' ? has(self.sns) : !has(self.sns)",
            "type SNS needs sns, and no other type takes it; add or remove it",
            ".sns",
        ),
        Rule(
            "self.type == 'Kinesis' ? has(self.kinesis) : !has(self.kinesis)",
            "type Kinesis needs kinesis, and no other type takes it; add or remove it",
            ".kinesis",
        ),
        Rule(
            "self.type == 'Kafka' ? has(self.kafka) : !has(self.kafka)",
            "type Kafka needs kafka, and no other type takes it; add or remove it",
            ".kafka",
        ),
        Rule("self.type == 'SQLite' || !has(self.sqlite)", "sqlite belongs to type SQLite; remove it", ".sqlite"),
        Rule(
            "self.order != 'Key' || !has(self.sqs) || self.sqs.fifo",
            "order Key needs a FIFO queue, as any other SQS queue delivers in any order; set fifo, or order None",
            ".sqs.fifo",
        ),
        Rule(
            "self.order != 'Key' || !has(self.sns) || self.sns.fifo",
            "order Key needs a FIFO topic and queue, as any other deliver in any order; set fifo, or order None",
            ".sns.fifo",
        ),
    )
    type: QueueType = Field(description="Which broker. SQLite is for development.")
    provision: Provision = Field(
        default=Provision.MANAGED, description="Managed: create queues and topics. Existing: verify them only."
    )
    sqs: Sqs | None = Field(default=None, description="Settings for type SQS.")
    sns: Sns | None = Field(default=None, description="Settings for type SNS.")
    kinesis: Kinesis | None = Field(default=None, description="Settings for type Kinesis.")
    kafka: Kafka | None = Field(default=None, description="Settings for type Kafka.")
    sqlite: Sqlite | None = Field(default=None, description="Settings for type SQLite.")
    format: Format = Field(default=Format.JSON, description="Encoding of the events' data.")
    order: Order = Field(
        default=Order.NONE,
        description="Key: events of one document in order, a retry blocks the later ones. None: in any order.",
    )
    retry: Retry = Field(default=Retry(), description="Retries.")
    dead_letter: DeadLetter = Field(default=DeadLetter(), description="Dead letters.")
