"""What `run` prints when it serves: the addresses, and requests to paste. Pure.

The requests are made from the resource itself: a document that fits its schema, its own key, its own index, and the
operation of an accepted write.
"""

import json
from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any

from fairlead_cli.run import samples
from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.api import Operation, Writes
from fairlead_workload.model import identifiers
from fairlead_workload.model.resource import Resource

_JSON = "-H 'content-type: application/json'"
_FIRST_ID = """| tee /dev/stderr | sed 's/^{"id":"\\([^"]*\\)".*/\\1/'"""


def announce(document: RuntimeDocument, *, url: str, admin_url: str) -> str:
    """The addresses of a service that serves, and requests to paste. `url` is empty when only the worker runs."""
    if not url:
        addresses = [f"  {name:<13} {address}" for name, address in _admin_addresses(admin_url)]
        return "\n".join([f"The worker of {document.namespace}/{document.name} runs:", *addresses])
    base = f"{url}/{document.api.version}"
    lines = [
        f"{document.namespace}/{document.name} is served:",
        *(f"  {name:<13} {address}" for name, address in _addresses(base, url, admin_url)),
        "",
        "Try it:",
        *(f"  {line}" if line else "" for line in requests(document, base=base)),
    ]
    return "\n".join(lines)


def _addresses(base: str, url: str, admin_url: str) -> Iterator[tuple[str, str]]:
    yield "API", base
    yield "documentation", f"{url}/docs"
    yield "OpenAPI", f"{url}/openapi.json"
    yield from _admin_addresses(admin_url)


def _admin_addresses(admin_url: str) -> Iterator[tuple[str, str]]:
    yield "health", f"{admin_url}/health"
    yield "readiness", f"{admin_url}/ready"
    yield "metrics", f"{admin_url}/metrics"


def requests(document: RuntimeDocument, *, base: str) -> Iterator[str]:
    """curl lines for every resource, those that others refer to first."""
    compiled = {spec.name: Resource(spec) for spec in document.api.resources}
    referred = {reference.resource for spec in document.api.resources for reference in spec.references}
    made: dict[str, Any] = {}  # the partition key of each resource's sample
    for name in sorted(compiled, key=lambda name: (_depth(compiled, name), name)):
        resource = compiled[name]
        yield f"# {name}"
        yield from _resource_requests(resource, base=base, made=made, by_put=name in referred)


def _depth(compiled: Mapping[str, Resource], name: str, seen: frozenset[str] = frozenset()) -> int:
    """How many references lie below; a circle ends where it closes."""
    below = {reference.resource for reference in compiled[name].spec.references} - seen - {name}
    return 1 + max((_depth(compiled, each, seen | {name}) for each in below), default=0)


def _resource_requests(resource: Resource, *, base: str, made: dict[str, Any], by_put: bool) -> Iterator[str]:
    operations = resource.spec.operations
    document = samples.sample(resource)
    for reference in resource.spec.references:
        if document is not None and reference.field in document and reference.resource in made:
            document[reference.field] = made[reference.resource]
    key = _key(resource, document, by_put=by_put and Operation.UPDATE in operations)
    if key is not None:
        made[resource.name] = key[0]
    if Operation.CREATE in operations:
        yield from _creation(resource, document, key, base=base)
    if Operation.GET in operations and key is not None:
        yield f"curl -sS {base}/{resource.path(key)}"
    if Operation.LIST in operations:
        yield from _listing(resource, document, base=base)


def _key(resource: Resource, document: dict[str, Any] | None, *, by_put: bool) -> tuple[Any, ...] | None:
    """The key that the sample will have, where it is known before the answer."""
    if document is None:
        return None
    if not resource.generated:
        return resource.document_key(document)
    rest = tuple(document[name] for name in resource.key_names[1:])
    return (identifiers.uuid7(), *rest) if by_put else None


def _creation(
    resource: Resource, document: dict[str, Any] | None, key: tuple[Any, ...] | None, *, base: str
) -> Iterator[str]:
    data = "@document.json" if document is None else json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    collection = f"{base}/{resource.name}"
    target = f"-X PUT {base}/{resource.path(key)}" if resource.generated and key else collection
    request = f"curl -sS {target} {_JSON} -d {quote(data)}"
    if resource.spec.writes is Writes.ACCEPTED:
        yield f"operation=$({request} {_FIRST_ID})"
        yield f'curl -sS {base}/operations/$operation   # "resource" in it is the document\'s URL'
    else:
        yield request


def _listing(resource: Resource, document: dict[str, Any] | None, *, base: str) -> Iterator[str]:
    collection = f"{base}/{resource.name}"
    for index in resource.spec.indexes[:1]:
        value = (document or {}).get(index.partition, "VALUE")
        text = value if isinstance(value, str) else json.dumps(value)
        yield f"curl -sS -G {collection} --data-urlencode {quote(f'{index.partition}={text}')}"
    if resource.spec.list_.unfiltered:
        yield f"curl -sS {collection}"
