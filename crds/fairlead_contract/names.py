"""Names that both sides must agree on: group, labels, annotations, ports, paths and suffixes of children."""

from enum import StrEnum

GROUP = "fairlead.dev"
VERSION = "v1alpha1"
FIELD_MANAGER = "fairlead"

PUBLIC_PORT = 8080
PUBLIC_TLS_PORT = 8443
ADMIN_PORT = 9090
GRPC_PORT = 50051

# Files that a workload finds in its container. A Secret's keys are files: SECRETS_DIR/ROLE/KEY.
RUNTIME_FILE = "/etc/fairlead/runtime/runtime.json"
DEAD_LETTER_FILE = "/etc/fairlead/dead-letter/dead-letter.json"
SECRETS_DIR = "/etc/fairlead/secrets"
DATA_DIR = "/var/lib/fairlead"
# Where a container leaves the reason of its end for whoever looks at the pod, and how much of it is kept.
TERMINATION_LOG = "/dev/termination-log"
TERMINATION_LOG_BYTES = 4096


class SecretFolder(StrEnum):
    """The folders in SECRETS_DIR, and the keys that each has."""

    DATASTORE = "datastore"  # username, and password where there is one
    DATASTORE_CA = "datastore-ca"  # ca.crt
    DATASTORE_CLIENT = "datastore-client"  # tls.crt, tls.key
    CACHE = "cache"  # username, password
    CACHE_CA = "cache-ca"  # ca.crt
    CACHE_CLIENT = "cache-client"  # tls.crt, tls.key
    QUEUE = "queue"  # username, password
    QUEUE_CA = "queue-ca"  # ca.crt
    QUEUE_CLIENT = "queue-client"  # tls.crt, tls.key
    API_KEYS = "api-keys"  # keys
    TLS = "tls"  # tls.crt, tls.key
    GRPC = "grpc"  # tls.crt, tls.key, ca.crt


# The user and group of every container; the image's files need to be readable for it.
WORKLOAD_USER_ID = 65532

LABEL_APISVC = "fairlead.dev/apisvc"

ANNOTATION_PAUSED = "fairlead.dev/paused"
ANNOTATION_RECONCILE_REQUESTED_AT = "fairlead.dev/reconcile-requested-at"
ANNOTATION_FLUSH_REQUESTED_AT = "fairlead.dev/flush-requested-at"
ANNOTATION_DELETION_PROTECTION = "fairlead.dev/deletion-protection"
ANNOTATION_SKIP_TEARDOWN = "fairlead.dev/skip-teardown"
ANNOTATION_IDENTITY_HASH = "fairlead.dev/identity-hash"

# No suffix ends with "-" and another one, so two resources never want one child name.
CHILD_SUFFIXES = (
    "-api",
    "-worker",
    "-grpc",
    "-runtime-HASH",
    "-contract",
    "-dead-letter",
    "-provision-HASH",
    "-teardown",
    "-jobs",
)


def consumer_group(namespace: str, name: str) -> str:
    """The Kafka consumer group of an ApiService's workers; KEDA looks at its lag."""
    return f"fairlead.{namespace}.{name}"


TYPE_BASE = "/problems/"
"""What the type of every problem begins with: a path of the service itself, which has a page for each."""
