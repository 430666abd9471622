"""Properties that clients may write and nobody may read (`writeOnly`, JSON Schema 2020-12 validation, 9.4). Pure.

What is hidden is a property of the document as a whole.
"""

from typing import Any

from fairlead_contract.json_schema.keywords import Json, below
from fairlead_contract.json_schema.references import PlainSchema, target


def write_only(schema: PlainSchema) -> frozenset[str]:
    """The properties of a document that are never shown."""
    return frozenset(name for name, node in schema.properties.items() if node.get("writeOnly") is True)


def holds_write_only(schema: PlainSchema, node: Any) -> bool:
    """Whether anything below `node`, or that it refers to, is writeOnly."""
    return _holds(node, schema.definitions, set())


def _holds(node: Any, definitions: dict[str, Json], seen: set[str]) -> bool:
    inner = [item for item, _ in below(node)]
    name = target(node["$ref"]) if isinstance(node, dict) and "$ref" in node else ""
    if name and name not in seen:
        seen.add(name)
        inner.append(definitions[name])
    return any(
        isinstance(item, dict) and (item.get("writeOnly") is True or _holds(item, definitions, seen)) for item in inner
    )
