"""Names that both sides must agree on: group, labels, annotations, ports, paths and suffixes of children."""

GROUP = "fairlead.dev"
VERSION = "v1alpha1"
FIELD_MANAGER = "fairlead"

PUBLIC_PORT = 8080
PUBLIC_TLS_PORT = 8443
ADMIN_PORT = 9090
GRPC_PORT = 50051

LABEL_APISVC = "fairlead.dev/apisvc"

ANNOTATION_PAUSED = "fairlead.dev/paused"
ANNOTATION_RECONCILE_REQUESTED_AT = "fairlead.dev/reconcile-requested-at"
ANNOTATION_FLUSH_REQUESTED_AT = "fairlead.dev/flush-requested-at"
ANNOTATION_DELETION_PROTECTION = "fairlead.dev/deletion-protection"
ANNOTATION_SKIP_TEARDOWN = "fairlead.dev/skip-teardown"

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
)
