"""Properties that clients may write and nobody may read (`writeOnly`, JSON Schema 2020-12 validation, 9.4). Pure.

What is hidden is a property of the document as a whole. A secret within another value is refused, and so is one that
would be shown after all: in a URL, in an index, in the cache of what is written back.
"""

from collections.abc import Iterator
from typing import Any

from fairlead_contract.crd.structural_schema import Json
from fairlead_contract.json_schema.keywords import below
from fairlead_contract.json_schema.references import PlainSchema, target
from fairlead_contract.spec.api import CacheStrategy, Resource
from fairlead_contract.validation.findings import Finding, Place, error


def write_only(schema: PlainSchema) -> frozenset[str]:
    """The properties of a document that are never shown."""
    return frozenset(name for name, node in schema.properties.items() if node.get("writeOnly") is True)


def write_only_findings(resource: Resource, place: Place) -> Iterator[Finding]:
    """Where `resource` would show what is writeOnly, or could not hide it."""
    schema = resource.schema_.plain
    hidden = write_only(schema)
    for where, name in _told(resource):
        if name in hidden:
            yield error((*place, *where), f"`{name}` is writeOnly, and would be shown here", "use another property")
    for name in sorted(hidden):
        if schema.properties[name].get("readOnly") is True:
            message = f"`{name}` is readOnly and writeOnly, so nobody could use it"
            yield error((*place, "schema", "properties", name), message, "remove one of them")
    if hidden and resource.cache.strategy is CacheStrategy.WRITE_BACK:
        message = "WriteBack keeps documents in the cache as they are shown, without what is writeOnly"
        yield error((*place, "cache", "strategy"), message, "use WriteThrough, or remove writeOnly")
    yield from _nested(schema, hidden, (*place, "schema"))


def _told(resource: Resource) -> Iterator[tuple[Place, str | None]]:
    """Every place that uses a property in a URL or in an index."""
    yield ("key", "partition"), resource.key.partition
    yield ("key", "sort"), resource.key.sort
    for position, index in enumerate(resource.indexes):
        yield ("indexes", position, "partition"), index.partition
        yield ("indexes", position, "sort"), index.sort
    for position, reference in enumerate(resource.references):
        yield ("references", position, "field"), reference.field


def _nested(schema: PlainSchema, hidden: frozenset[str], place: Place) -> Iterator[Finding]:
    message = "is writeOnly within another value: only a property of the document itself can be hidden"
    remedy = "make the whole property writeOnly, or move the value up"
    for name, node in schema.properties.items():
        if name not in hidden and _holds(node, schema.definitions, set()):
            yield error((*place, "properties", name), f"holds what {message}", remedy)
    rest: Json = {word: value for word, value in schema.root.items() if word != "properties"}
    if _holds(rest, schema.definitions, set()):
        yield error(place, f"has beside its properties what {message}", "put it among the properties")


def _holds(node: Any, definitions: dict[str, Json], seen: set[str]) -> bool:
    """Whether anything below `node`, or that it refers to, is writeOnly."""
    inner = [item for item, _ in below(node)]
    name = target(node["$ref"]) if isinstance(node, dict) and "$ref" in node else ""
    if name and name not in seen:
        seen.add(name)
        inner.append(definitions[name])
    return any(
        isinstance(item, dict) and (item.get("writeOnly") is True or _holds(item, definitions, seen)) for item in inner
    )
