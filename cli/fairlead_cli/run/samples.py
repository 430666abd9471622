"""A valid document for a resource, made from its schema, so that a first request needs no reading. Pure.

Not every schema can be met by looking at it (patterns, conditions); the result is checked with the validator that
serves the resource, and where it fails there is no sample.
"""

from typing import Any

from fairlead_contract.json_schema.references import target
from fairlead_workload.errors import Problem
from fairlead_workload.model.resource import Resource

_FORMATS = {
    "date-time": "2026-01-31T09:00:00Z",
    "date": "2026-01-31",
    "time": "09:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "01980000-0000-7000-8000-000000000000",
}


def sample(resource: Resource) -> dict[str, Any] | None:
    """A document that a client may POST to `resource`, or None when none could be made."""
    definitions = resource.schema.get("$defs", {})
    try:
        document = {
            name: _value(resource.properties[name], name, definitions)
            for name in resource.properties
            if name in _sent(resource)
        }
        resource.check_new(document)
    except (Problem, RecursionError):  # a document that needs another one within, and so on, has no sample
        return None
    return document


def _sent(resource: Resource) -> set[str]:
    """What the sample holds: required properties, the key, and what indexes need, as far as clients may send it."""
    spec = resource.spec
    wanted = set(resource.schema.get("required", ())) | {index.partition for index in spec.indexes}
    made = resource.read_only | {name for name in (spec.timestamps.created, spec.timestamps.updated) if name}
    if resource.generated:
        return (wanted | set(resource.key_names[1:])) - made - {resource.key_names[0]}
    return (wanted - made) | set(resource.key_names)


def _value(schema: dict[str, Any], name: str, definitions: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _value(definitions[target(schema["$ref"])], name, definitions)
    if "const" in schema:
        return schema["const"]
    for chosen in ("examples", "enum"):
        if schema.get(chosen):
            return schema[chosen][0]
    for union in ("oneOf", "anyOf"):
        if schema.get(union) and isinstance(schema[union][0], dict):
            return _value(schema[union][0], name, definitions)
    kind = schema.get("type", "string")
    return _typed(kind[0] if isinstance(kind, list) else kind, schema, name, definitions)


def _typed(kind: str, schema: dict[str, Any], name: str, definitions: dict[str, Any]) -> Any:
    match kind:
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "null":
            return None
        case "array":
            items = schema.get("items")
            return [_value(items if isinstance(items, dict) else {}, name, definitions)] * max(
                schema.get("minItems", 0), 1
            )
        case "object":
            properties = schema.get("properties", {})
            return {each: _value(properties.get(each, {}), each, definitions) for each in schema.get("required", ())}
    return _text(schema, name)


def _number(schema: dict[str, Any]) -> int | float:
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + 1
    if "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - 1
    value = max(1, low) if low is not None else 1
    value = min(value, high) if high is not None else value
    step = schema.get("multipleOf")
    return step * -(-value // step) if step else value


def _text(schema: dict[str, Any], name: str) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    text = f"{name}-1".ljust(schema.get("minLength", 0), "x")
    return text[: schema.get("maxLength", len(text))]
