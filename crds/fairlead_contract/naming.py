"""Names that lead nowhere, each at its place and with the nearest name that there is. Pure.

The API server's rules about them see a whole list, and can tell of the list only. Where the document has its shape,
`by_name` puts in place of such a rule one finding for each name; it begins with the rule's own message.
"""

from collections.abc import Collection, Iterable, Iterator

from fairlead_contract.api import Resource
from fairlead_contract.findings import Finding, Place, did_you_mean, error
from fairlead_contract.resources import ApiServiceSpec

_PARTITION = "the partition key must be a property of the schema"
_SORT = "the sort key must be a property of the schema"
_INDEX = "the partition and sort of an index must be properties of the schema"
_FIELD = "the field of a reference must be a property of the schema"
_REFERENCE = "a reference must name a resource of this ApiService"
_EVENT = "the event of a handler must start with the name of a resource"
RULES = frozenset({_PARTITION, _SORT, _INDEX, _FIELD, _REFERENCE, _EVENT})


def by_name(refused: Iterable[Finding], spec: ApiServiceSpec) -> list[Finding]:
    """What the API server refuses in `spec`, with the names that lead nowhere."""
    found = list(_findings(spec))
    told = {rule for rule in RULES if any(finding.message.startswith(rule) for finding in found)}
    return [finding for finding in refused if finding.message not in told] + found


def _findings(spec: ApiServiceSpec) -> Iterator[Finding]:
    resources = [resource.name for resource in spec.api.resources]
    for position, resource in enumerate(spec.api.resources):
        place = ("spec", "api", "resources", position)
        yield from _properties(resource, place)
        for number, reference in enumerate(resource.references):
            where = (*place, "references", number, "resource")
            yield from _known(reference.resource, resources, _REFERENCE, where, "add the resource")
    for position, handler in enumerate(spec.worker.handlers if spec.worker else ()):
        at = ("spec", "worker", "handlers", position, "event")
        yield from _known(handler.event.partition(".")[0], resources, _EVENT, at, "add the resource")


def _properties(resource: Resource, place: Place) -> Iterator[Finding]:
    remedy, properties = "declare it in the schema", resource.schema_.properties
    yield from _known(resource.key.partition, properties, _PARTITION, (*place, "key", "partition"), remedy)
    yield from _known(resource.key.sort, properties, _SORT, (*place, "key", "sort"), remedy)
    for position, index in enumerate(resource.indexes):
        for word, name in (("partition", index.partition), ("sort", index.sort)):
            yield from _known(name, properties, _INDEX, (*place, "indexes", position, word), remedy)
    for position, reference in enumerate(resource.references):
        yield from _known(reference.field, properties, _FIELD, (*place, "references", position, "field"), remedy)


def _known(name: str | None, known: Collection[str], rule: str, place: Place, remedy: str) -> Iterator[Finding]:
    if name is not None and name not in known:
        yield error(place, f"{rule}, and `{name}` is none{did_you_mean(name, known)}", f"{remedy}, or correct the name")
