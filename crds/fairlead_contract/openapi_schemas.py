"""The schemas of the OpenAPI document: each resource's document, and what clients send to create, replace and patch it.

Decided here: how the user's schema becomes those four. Properties that the server sets are read-only; a property that
a request must not hold at all is `false`, so that an open schema refuses it too; a patch lets optional properties be
null.
"""

import json
from typing import Any

from jsonschema_rs import Draft202012Validator

from fairlead_contract.api import Resource

Json = dict[str, Any]
INT64 = {"minimum": -(2**63), "maximum": 2**63 - 1}
KEY_TEXT = {"minLength": 1, "maxLength": 255, "pattern": r"^(?!\.{1,2}$)[^\u0000-\u001f\u007f-\u009f]+$"}
UUID_V7 = {
    "type": "string",
    "format": "uuid",
    "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
}


def component(resource: Resource) -> str:
    """Name of the resource's component: `order-items` is `OrderItems`."""
    return "".join(part.capitalize() for part in resource.name.split("-"))


def reference(kind: str, name: str) -> Json:
    """A reference into the components."""
    return {"$ref": f"#/components/{kind}/{name}"}


def resource_schemas(resource: Resource) -> Json:
    """The components of one resource, by name."""
    name = component(resource)
    operations = {str(operation) for operation in resource.operations}
    schemas = {name: document(resource)}
    if "Create" in operations:
        schemas[f"{name}Create"] = creation(resource)
    if "Update" in operations:
        schemas[f"{name}Replace"] = replacement(resource)
    if "Patch" in operations:
        schemas[f"{name}Patch"] = patch(resource)
    if "List" in operations:
        schemas[f"{name}Page"] = page(name)
    return schemas


def key_names(resource: Resource) -> tuple[str, ...]:
    """The properties of the key: one or two."""
    return (resource.key.partition,) + ((resource.key.sort,) if resource.key.sort else ())


def key_schema(resource: Resource, name: str, *, in_path: bool = False) -> Json:
    """Schema of a key property: what the user declares, within what a key may be.

    A URL takes more than a UUIDv7 where keys are generated: only what is created there must be one.
    """
    declared = resource.schema_.properties[name]
    if resource.key.generate is not None and name == resource.key.partition and not in_path:
        return dict(UUID_V7)
    kept = {word: declared[word] for word in ("type", "format", "enum", "description") if word in declared}
    kept.setdefault("type", "string")
    if kept["type"] == "string":
        return kept | _narrowed(KEY_TEXT, declared)
    return kept | _narrowed(INT64 if kept["type"] == "integer" else {}, declared)


def _narrowed(limits: Json, declared: Json) -> Json:
    """`limits`, made narrower by what is declared; of two patterns the user's is the narrower one in practice."""
    result = dict(limits)
    for word, choose in (("minLength", max), ("minimum", max), ("maxLength", min), ("maximum", min)):
        if word in declared:
            result[word] = choose(result[word], declared[word]) if word in result else declared[word]
    if "pattern" in declared:
        result["pattern"] = declared["pattern"]
    return result


def server_set(resource: Resource) -> set[str]:
    """Properties that only the server sets: read-only ones and timestamps, without the key."""
    stamps = {resource.timestamps.created, resource.timestamps.updated} - {None}
    declared = {name for name, schema in resource.schema_.properties.items() if schema.get("readOnly") is True}
    return {name for name in declared | stamps if name is not None} - set(key_names(resource))


def document(resource: Resource) -> Json:
    """A document as it is served."""
    schema = _base(resource)
    properties = schema["properties"]
    stamps = (resource.timestamps.created, resource.timestamps.updated)
    sure = [
        name
        for name in schema.get("required", ())
        if name not in server_set(resource) or "default" in properties[name] or name in stamps
    ]
    for name in server_set(resource):
        properties[name]["readOnly"] = True
    schema["required"] = _ordered(resource, set(sure) | set(key_names(resource)))
    return schema


def creation(resource: Resource) -> Json:
    """The body of a POST."""
    schema = _base(resource)
    refused = server_set(resource)
    required = set(schema.get("required", ())) - refused
    if resource.key.generate is not None:
        refused.add(resource.key.partition)
        required.discard(resource.key.partition)
    required |= set(key_names(resource)) - refused
    for name in refused:
        schema["properties"][name] = False
    return _with_required(schema, _ordered(resource, required))


def replacement(resource: Resource) -> Json:
    """The body of a PUT: what the server sets may be repeated, as it was read."""
    schema = _base(resource)
    repeated = server_set(resource) | set(key_names(resource))
    for name in repeated:
        schema["properties"][name] |= {"readOnly": True}
    return _with_required(schema, _ordered(resource, set(schema.get("required", ())) - repeated))


def patch(resource: Resource) -> Json:
    """The body of a PATCH: a JSON Merge Patch (RFC 7396)."""
    schema = _base(resource)
    fixed = server_set(resource) | set(key_names(resource))
    required = set(schema.get("required", ()))
    properties: Json = {}
    for name, value in schema["properties"].items():
        if name in fixed:
            properties[name] = value | {"readOnly": True}
        else:
            properties[name] = _patchable(value, removable=name not in required)
    result = {"type": "object", "properties": properties, "description": "JSON Merge Patch (RFC 7396); null removes."}
    if "additionalProperties" in schema:
        result["additionalProperties"] = schema["additionalProperties"]
    return result


def _patchable(schema: Json, *, removable: bool) -> Json:
    inner = {word: value for word, value in schema.items() if word != "default"}
    if schema.get("type") == "object":
        words = ("type", "description", "additionalProperties")
        inner = {word: schema[word] for word in words if word in schema}
        required = set(schema.get("required", ()))
        declared = schema.get("properties", {})
        inner["properties"] = {
            name: _patchable(value, removable=name not in required) if isinstance(value, dict) else value
            for name, value in declared.items()
        }
    return {"anyOf": [inner, {"type": "null"}]} if removable else inner


def page(name: str) -> Json:
    """One page of a list."""
    return {
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "maxItems": 200, "items": reference("schemas", name)},
            "next": {"type": ["string", "null"], "description": "Cursor of the next page; null at the end."},
        },
    }


def _base(resource: Resource) -> Json:
    schema: Json = _rebased(resource.schema_.document(), component(resource))
    schema.pop("$schema", None)
    schema.pop("$id", None)
    for name in key_names(resource):
        schema["properties"][name] = schema["properties"][name] | key_schema(resource, name)
    return schema


def _rebased(value: Any, name: str) -> Any:
    """A copy of the user's schema, its references turned to where the schema is in the OpenAPI document."""
    if isinstance(value, list):
        return [_rebased(item, name) for item in value]
    if not isinstance(value, dict):
        return value
    result = {key: _rebased(item, name) for key, item in value.items()}
    target = value.get("$ref")
    if isinstance(target, str) and target.startswith("#"):
        result["$ref"] = f"#/components/schemas/{name}{target[1:]}"
    return result


def _ordered(resource: Resource, names: set[str]) -> list[str]:
    known = [name for name in resource.schema_.properties if name in names]
    return known + sorted(names - set(known))


def _with_required(schema: Json, required: list[str]) -> Json:
    schema.pop("required", None)
    return schema | {"required": required} if required else schema


_TEXTS = {
    "date-time": "2026-01-31T09:05:00.123456Z",
    "date": "2026-01-31",
    "time": "09:05:00Z",
    "duration": "PT1H",
    "email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "01985a5e-7a2b-7c3d-8e4f-5a6b7c8d9e0f",
}


def example(schema: Json, components: Json) -> Json | None:
    """A document that fits `schema`, or None when it takes more than a guess."""
    guess = {
        name: value
        for name, inner in schema.get("properties", {}).items()
        if isinstance(inner, dict) and (value := _guess(inner, name)) is not None
    }
    # Most schemas refer to no other, and to take all in takes as long as the check.
    others = {"components": {"schemas": components}} if "$ref" in json.dumps(schema) else {}
    whole = {"$ref": "#/x", "x": schema, **others}
    return guess if guess and Draft202012Validator(whole, validate_formats=True, offline=True).is_valid(guess) else None


def _guess(schema: Json, name: str) -> Any:
    if schema.get("examples"):
        return schema["examples"][0]
    for word in ("default", "const"):
        if word in schema:
            return schema[word]
    if schema.get("enum"):
        return schema["enum"][0]
    for branch in schema.get("anyOf", ()):
        return _guess(branch, name)
    return _guess_type(schema, name)


def _guess_type(schema: Json, name: str) -> Any:
    match schema.get("type"):
        case "string":
            text = _TEXTS.get(schema.get("format", ""), name)
            return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]
        case "integer":
            return int(schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1))
        case "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return True
        case "array":
            inner = schema.get("items")
            value = _guess(inner, name) if isinstance(inner, dict) else None
            return [value] if value is not None else []
        case "object":
            declared = schema.get("properties", {}).items()
            pairs = {key: _guess(inner, key) for key, inner in declared if isinstance(inner, dict)}
            return {key: value for key, value in pairs.items() if value is not None}
    return None
