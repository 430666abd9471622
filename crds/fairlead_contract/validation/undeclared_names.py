"""References to undeclared properties, resources and events, each at its place and with the nearest known name. Pure.

The API server's rules about them see a whole list, and can report the list only. `by_name` puts in place of such a
rule one finding for each name; it begins with the rule's own message. A rule is broken only where the document has its
shape, and elsewhere it may have any: nothing here relies on that.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fairlead_contract.findings import Finding, Place, did_you_mean, error
from fairlead_contract.json_schema.keywords import Json

_PARTITION = "the partition key must be a property of the schema"
_SORT = "the sort key must be a property of the schema"
_INDEX = "the partition and sort of an index must be properties of the schema"
_FIELD = "the field of a reference must be a property of the schema"
_REFERENCE = "a reference must name a resource of this ApiService"
_EVENT = "the event of a handler must start with the name of a resource"
RULES = frozenset({_PARTITION, _SORT, _INDEX, _FIELD, _REFERENCE, _EVENT})


def by_name(refused: Iterable[Finding], document: Json) -> list[Finding]:
    """What the API server refuses in `document`, an ApiService, with the names that lead nowhere."""
    refused = list(refused)
    broken = RULES & {finding.message for finding in refused}
    findings = list(_Names(broken).of(document)) if broken else []
    reported = {rule for rule in broken if any(finding.message.startswith(rule) for finding in findings)}
    return [finding for finding in refused if finding.message not in reported] + findings


@dataclass(frozen=True, slots=True)
class _Names:
    """The names that `broken` rules are about."""

    broken: Collection[str]

    def of(self, document: Json) -> Iterator[Finding]:
        spec = _map(document, "spec")
        resources = dict(_maps(_map(spec, "api"), "resources"))
        names = [str(resource.get("name")) for resource in resources.values()]
        for position, resource in resources.items():
            place = ("spec", "api", "resources", position)
            yield from self._properties(resource, place)
            for number, reference in _maps(resource, "references"):
                where = (*place, "references", number, "resource")
                yield from self._known(reference.get("resource"), names, _REFERENCE, where, "add the resource")
        for position, handler in _maps(_map(spec, "worker"), "handlers"):
            at = ("spec", "worker", "handlers", position, "event")
            event = str(handler.get("event")).partition(".")[0]
            yield from self._known(event, names, _EVENT, at, "add the resource")

    def _properties(self, resource: Json, place: Place) -> Iterator[Finding]:
        remedy, properties, key = "declare it in the schema", _map(_map(resource, "schema"), "properties"), "key"
        for word, rule in (("partition", _PARTITION), ("sort", _SORT)):
            yield from self._known(_map(resource, key).get(word), properties, rule, (*place, key, word), remedy)
        for position, index in _maps(resource, "indexes"):
            for word in ("partition", "sort"):
                where = (*place, "indexes", position, word)
                yield from self._known(index.get(word), properties, _INDEX, where, remedy)
        for position, reference in _maps(resource, "references"):
            where = (*place, "references", position, "field")
            yield from self._known(reference.get("field"), properties, _FIELD, where, remedy)

    def _known(self, name: Any, known: Collection[str], rule: str, place: Place, remedy: str) -> Iterator[Finding]:
        if rule in self.broken and isinstance(name, str) and name not in known:
            message = f"{rule}, and `{name}` is none{did_you_mean(name, known)}"
            yield error(place, message, f"{remedy}, or correct the name")


def _map(value: Mapping[str, Any], name: str) -> Json:
    member = value.get(name)
    return member if isinstance(member, dict) else {}


def _maps(value: Mapping[str, Any], name: str) -> Iterator[tuple[int, Json]]:
    """The maps of a list, with their positions."""
    member = value.get(name)
    for position, item in enumerate(member if isinstance(member, list) else ()):
        if isinstance(item, dict):
            yield position, item
