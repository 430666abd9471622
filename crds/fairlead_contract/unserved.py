"""What a resource can ask for and no code serves yet. One table: serving something is one line removed.

A field that changes behaviour must never be ignored, a security field never be open. So `run` and the workload refuse
these by name, and `lint` warns of them. What only matters on a cluster is not here.
"""

from collections.abc import Callable
from typing import Any

from fairlead_contract.findings import Finding, Severity
from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.spec.bindings import Format, Provision
from fairlead_contract.spec.security import Anonymous, FilterMode

Part = Any  # ApiServiceSpec or RuntimeDocument: both have api, datastore, queue, security and grpc


def _authentication(part: Part) -> Any:
    return part.security.authentication if part.security else None


UNSERVED: tuple[tuple[str, Callable[[Part], bool], str], ...] = (
    (
        "datastore.provision",
        lambda part: part.datastore.provision is Provision.EXISTING,
        "provision: Existing",
    ),
    (
        "queue.provision",
        lambda part: bool(part.queue and part.queue.provision is Provision.EXISTING),
        "provision: Existing",
    ),
    (
        "security.authentication.anonymous",
        lambda part: bool((a := _authentication(part)) and a.anonymous is Anonymous.DENY),
        "authentication other than `anonymous: Allow`",
    ),
    ("security.authentication.jwt", lambda part: bool((a := _authentication(part)) and a.jwt), "jwt"),
    ("security.authentication.apiKeys", lambda part: bool((a := _authentication(part)) and a.api_keys), "apiKeys"),
    ("security.authorization", lambda part: bool(part.security and part.security.authorization), "authorization"),
    ("security.rateLimit", lambda part: bool(part.security and part.security.rate_limit), "rateLimit"),
    (
        "security.requestFilter",
        lambda part: bool(part.security and (f := part.security.request_filter) and f.mode is not FilterMode.DISABLED),
        "requestFilter other than `mode: Disabled`",
    ),
    ("security.tls", lambda part: bool(part.security and part.security.tls), "tls"),
    ("grpc.enabled", lambda part: bool(part.grpc and part.grpc.enabled), "grpc"),
    (
        "queue.format",
        lambda part: bool(part.queue and part.queue.format is not Format.JSON),
        "a queue format other than JSON",
    ),
)


def unserved(resource: ApiService | RuntimeDocument, *, severity: Severity = Severity.ERROR) -> list[Finding]:
    """Fields of `resource` that are not served yet, each named by its path."""
    part, prefix = (resource.spec, "spec.") if isinstance(resource, ApiService) else (resource, "")
    return [
        Finding(prefix + path, f"{what} is not served yet", severity, "leave it out")
        for path, asks, what in UNSERVED
        if asks(part)
    ]
