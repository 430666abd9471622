"""Size limits of the documents generated from an ApiService, and of the annotation of `kubectl apply`.

A small resource may have a large OpenAPI document: each schema is in it several times, with everything around it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fairlead_contract.findings import Finding, error, warning
from fairlead_contract.openapi.document import openapi
from fairlead_contract.runtime import derive
from fairlead_contract.spec.apiservice import ApiService

RUNTIME_DOCUMENT, OPENAPI_DOCUMENT = "runtime document", "OpenAPI document"
MAX_GENERATED_BYTES = 900 * 1024  # a ConfigMap holds 1 MiB
REMEDY = "make its schemas smaller, or two ApiServices of it"
# Of all annotations of an object. Client-side apply keeps a copy of the object in one.
MAX_ANNOTATION_BYTES = 256 * 1024
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LONGEST_NAMESPACE = "x" * 63
# kubectl writes these of a text as \uXXXX, as is usual for JSON in a page of HTML.
_ESCAPED = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def oversize(name: str, text: str) -> str:
    """Why the document of this name does not fit; empty when it does."""
    size = len(text.encode())
    if size <= MAX_GENERATED_BYTES:
        return ""
    return f"the {name} has {size} bytes, and at most {MAX_GENERATED_BYTES} fit into a ConfigMap"


def size_findings(resource: ApiService) -> list[Finding]:
    """What of `resource` does not fit on a cluster."""
    document = derive(resource)
    plain = document.model_dump(mode="json", by_alias=True, exclude_none=True)
    texts = ((RUNTIME_DOCUMENT, _compact(plain)), (OPENAPI_DOCUMENT, _compact(openapi(document))))
    messages = (oversize(name, text) for name, text in texts)
    return [error(("spec", "api", "resources"), each, REMEDY) for each in messages if each]


def apply_findings(document: Mapping[str, Any]) -> Iterator[Finding]:
    """What client-side apply does not take of an object of any kind, though the API server does."""
    metadata = document.get("metadata") or {}
    annotations = {key: text for key, text in (metadata.get("annotations") or {}).items() if key != _LAST_APPLIED}
    # kubectl names a namespace, too. Where the file does not say which, it may be any.
    named = {"namespace": metadata.get("namespace") or _LONGEST_NAMESPACE, "annotations": annotations}
    copy = _compact({**document, "metadata": {**metadata, **named}}).translate(_ESCAPED) + "\n"
    kept = {**annotations, _LAST_APPLIED: copy}
    size = sum(len(f"{key}{value}".encode()) for key, value in kept.items())
    if size > MAX_ANNOTATION_BYTES:
        message = (
            f"is too large for client-side `kubectl apply`, which keeps a copy of it in an annotation ({size} bytes)"
        )
        yield warning((), message, "use kubectl apply --server-side")


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
