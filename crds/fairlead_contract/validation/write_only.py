"""Rules about properties that nobody may read (`writeOnly`). Pure.

A secret within another value is refused, and so is one that would be shown after all: in a URL, in an index, in the
cache of what is written back.
"""

from collections.abc import Iterator

from fairlead_contract.findings import Finding, Place, error
from fairlead_contract.json_schema.keywords import Json
from fairlead_contract.json_schema.references import PlainSchema
from fairlead_contract.json_schema.write_only import holds_write_only, write_only
from fairlead_contract.spec.api import CacheStrategy, Resource


def write_only_findings(resource: Resource, place: Place) -> Iterator[Finding]:
    """Where `resource` would show what is writeOnly, or could not hide it."""
    schema = resource.schema_.plain
    hidden = write_only(schema)
    for where, name in _shown_properties(resource):
        if name in hidden:
            yield error((*place, *where), f"`{name}` is writeOnly, and would be shown here", "use another property")
    for name in sorted(hidden):
        if schema.properties[name].get("readOnly") is True:
            message = f"`{name}` is readOnly and writeOnly, so nobody could use it"
            yield error((*place, "schema", "properties", name), message, "remove one of them")
    if hidden and resource.cache.strategy is CacheStrategy.WRITE_BACK:
        message = "WriteBack keeps documents in the cache as they are shown, without what is writeOnly"
        yield error((*place, "cache", "strategy"), message, "use WriteThrough, or remove writeOnly")
    yield from _within_values(schema, hidden, (*place, "schema"))


def _shown_properties(resource: Resource) -> Iterator[tuple[Place, str | None]]:
    """Every place that uses a property in a URL or in an index."""
    yield ("key", "partition"), resource.key.partition
    yield ("key", "sort"), resource.key.sort
    for position, index in enumerate(resource.indexes):
        yield ("indexes", position, "partition"), index.partition
        yield ("indexes", position, "sort"), index.sort
    for position, reference in enumerate(resource.references):
        yield ("references", position, "field"), reference.field


def _within_values(schema: PlainSchema, hidden: frozenset[str], place: Place) -> Iterator[Finding]:
    message = "is writeOnly within another value: only a property of the document itself can be hidden"
    remedy = "make the whole property writeOnly, or move the value up"
    for name, node in schema.properties.items():
        if name not in hidden and holds_write_only(schema, node):
            yield error((*place, "properties", name), f"holds what {message}", remedy)
    rest: Json = {word: value for word, value in schema.root.items() if word != "properties"}
    if holds_write_only(schema, rest):
        yield error(place, f"has beside its properties what {message}", "put it among the properties")
