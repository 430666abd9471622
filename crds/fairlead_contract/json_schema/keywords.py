"""The keywords of JSON Schema 2020-12, and where in a schema the schemas below it are. Pure.

Only what stands at one of these places is a schema: an object in `enum`, `const`, `default` or `examples` is data.
"""

from collections.abc import Callable, Iterator
from typing import Any

from fairlead_contract.findings import Place

Json = dict[str, Any]
"""A JSON object, such as a schema."""

ONE = ("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then",
       "unevaluatedItems", "unevaluatedProperties")  # fmt: skip
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
MAPS = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
OTHER = (
    "$anchor", "$comment", "$dynamicAnchor", "$dynamicRef", "$id", "$ref", "$schema", "$vocabulary", "const",
    "contentEncoding", "contentMediaType", "default", "dependentRequired", "deprecated", "description", "enum",
    "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "maxContains", "maxItems", "maxLength",
    "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties", "minimum", "multipleOf",
    "pattern", "readOnly", "required", "title", "type", "uniqueItems", "writeOnly",
)  # fmt: skip
KEYWORDS = frozenset((*ONE, *LISTS, *MAPS, *OTHER))


def below(node: Any) -> Iterator[tuple[Any, Place]]:
    """The schemas directly below `node`, each with its place there."""
    if not isinstance(node, dict):
        return
    for word in ONE:
        if word in node:
            yield node[word], (word,)
    for word in LISTS:
        if isinstance(node.get(word), list):
            yield from ((item, (word, position)) for position, item in enumerate(node[word]))
    for word in MAPS:
        if isinstance(node.get(word), dict):
            yield from ((item, (word, name)) for name, item in node[word].items())


def nodes(node: Any, place: Place = ()) -> Iterator[tuple[Json, Place]]:
    """`node` and every schema within it that is an object, with its place."""
    if isinstance(node, dict):
        yield node, place
        for inner, where in below(node):
            yield from nodes(inner, (*place, *where))


def mapped(node: Json, convert: Callable[[Any], Any]) -> Json:
    """A copy of `node` whose schemas directly below are converted."""
    result = dict(node)
    for word, value in node.items():
        if word in ONE:
            result[word] = convert(value)
        elif word in LISTS and isinstance(value, list):
            result[word] = [convert(item) for item in value]
        elif word in MAPS and isinstance(value, dict):
            result[word] = {name: convert(item) for name, item in value.items()}
    return result
