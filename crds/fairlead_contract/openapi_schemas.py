"""The schemas of the OpenAPI document: each resource's document, and what clients send to create, replace and patch it.

Decided here: how the user's schema becomes those four. Properties that the server sets are read-only; a property that
a request must not hold at all is `false`, so that an open schema refuses it too; a patch lets optional properties be
null.
"""

from functools import lru_cache
from typing import Any

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
    return _capitalized(resource.name)


@lru_cache(maxsize=256)  # a document has few, and asks for each dozens of times
def _capitalized(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))


def reference(kind: str, name: str) -> Json:
    """A reference into the components."""
    return {"$ref": f"#/components/{kind}/{name}"}


def resource_schemas(resource: Resource) -> Json:
    """The components of one resource, by name. They share what they have in common: nobody changes them."""
    name = component(resource)
    operations = {str(operation) for operation in resource.operations}
    base = _base(resource)
    schemas = {name: _document(resource, base)}
    if "Create" in operations:
        schemas[f"{name}Create"] = _creation(resource, base)
    if "Update" in operations:
        schemas[f"{name}Replace"] = _replacement(resource, base)
    if "Patch" in operations:
        schemas[f"{name}Patch"] = _patch(resource, base)
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


def _document(resource: Resource, base: Json) -> Json:
    """A document as it is served."""
    properties, set_by_server = base["properties"], server_set(resource)
    stamps = (resource.timestamps.created, resource.timestamps.updated)
    sure = {
        name
        for name in base.get("required", ())
        if name not in set_by_server or "default" in properties[name] or name in stamps
    }
    return base | {
        "properties": properties | _read_only(properties, set_by_server),
        "required": _ordered(resource, sure | set(key_names(resource))),
    }


def _creation(resource: Resource, base: Json) -> Json:
    """The body of a POST."""
    refused = server_set(resource)
    required = set(base.get("required", ())) - refused
    if resource.key.generate is not None:
        refused.add(resource.key.partition)
        required.discard(resource.key.partition)
    required |= set(key_names(resource)) - refused
    properties = base["properties"] | dict.fromkeys(refused, False)
    return _with_required(base | {"properties": properties}, _ordered(resource, required))


def _replacement(resource: Resource, base: Json) -> Json:
    """The body of a PUT: what the server sets may be repeated, as it was read."""
    repeated = server_set(resource) | set(key_names(resource))
    properties = base["properties"] | _read_only(base["properties"], repeated)
    required = _ordered(resource, set(base.get("required", ())) - repeated)
    return _with_required(base | {"properties": properties}, required)


def _read_only(properties: Json, names: set[str]) -> Json:
    return {name: properties[name] | {"readOnly": True} for name in names}


def _patch(resource: Resource, base: Json) -> Json:
    """The body of a PATCH: a JSON Merge Patch (RFC 7396)."""
    fixed = server_set(resource) | set(key_names(resource))
    required = set(base.get("required", ()))
    properties: Json = {}
    for name, value in base["properties"].items():
        if name in fixed:
            properties[name] = value | {"readOnly": True}
        else:
            properties[name] = _patchable(value, removable=name not in required)
    result = {"type": "object", "properties": properties, "description": "JSON Merge Patch (RFC 7396); null removes."}
    if "additionalProperties" in base:
        result["additionalProperties"] = base["additionalProperties"]
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
    schema = resource.schema_.document()
    if "$ref" in repr(schema):  # seldom, and to copy takes longer than to look
        schema = _rebased(schema, component(resource))
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
    rest = {word: value for word, value in schema.items() if word != "required"}
    return rest | {"required": required} if required else rest
