"""The schemas of the OpenAPI document: each resource's document, and what clients send to create, replace and patch it.

The user's schema becomes those four, and its definitions become components of their own. Properties that the server
sets are read-only; a request that must not hold them has no such property, and an open schema refuses them by name; a
patch lets optional properties be null. Nothing here takes more than the simplest keywords where they suffice: programs
that make clients know few others.
"""

from typing import Any

from fairlead_contract.json_schema.keywords import Json, mapped
from fairlead_contract.json_schema.references import PlainSchema, target
from fairlead_contract.json_schema.write_only import write_only
from fairlead_contract.openapi.names import Names, capitalized
from fairlead_contract.spec.api import Resource

INT64: Json = {"format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1}
KEY_TEXT = {"minLength": 1, "maxLength": 255, "pattern": r"^(?!\.{1,2}$)[^\u0000-\u001f\u007f-\u009f]+$"}
UUID_V7 = {
    "type": "string",
    "format": "uuid",
    "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
}
_NULL = {"type": "null"}
_MOMENTS = (
    "date",
    "date-time",
    "time",
)  # are no text to programs that make clients, and have the limits of a key anyway
_NUMBERS = {"integer": "int64", "number": "double"}
_BY_PROPERTY = ("type", "title", "description", "properties", "additionalProperties", "patternProperties",
                "propertyNames", "required")  # fmt: skip


def reference(kind: str, name: str) -> Json:
    """A reference into the components."""
    return {"$ref": f"#/components/{kind}/{name}"}


def resource_schemas(resource: Resource, name: str, names: Names) -> Json:
    """The components of one resource, by name. They share common parts, which are never changed."""
    operations = {str(operation) for operation in resource.operations}
    definitions = _Definitions(resource.schema_.plain, name, names)
    base = _base(resource, definitions)
    schemas = {name: _document(resource, base)}
    if "Create" in operations:
        schemas[f"{name}Create"] = _creation(resource, base)
    if "Update" in operations:
        schemas[f"{name}Replace"] = _replacement(resource, base)
    if "Patch" in operations:
        schemas[f"{name}Patch"] = _patch(resource, base, definitions)
    if "List" in operations:
        schemas[f"{name}Page"] = page(name)
    return schemas | definitions.components


def key_names(resource: Resource) -> tuple[str, ...]:
    """The properties of the key: one or two."""
    return (resource.key.partition,) + ((resource.key.sort,) if resource.key.sort else ())


def key_schema(resource: Resource, name: str, *, in_path: bool = False) -> Json:
    """Schema of a key property: what the user declares, within what a key may be.

    A URL takes more than a UUIDv7 where keys are generated: only what is created there must be one.
    """
    declared = resource.schema_.plain.properties[name]
    if resource.key.generate is not None and name == resource.key.partition and not in_path:
        return dict(UUID_V7)
    kept = {word: declared[word] for word in ("type", "format", "enum", "description") if word in declared}
    kept.setdefault("type", "string")
    if kept["type"] == "string" and kept.get("format") not in _MOMENTS:
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
    declared = {name for name, schema in resource.schema_.plain.properties.items() if schema.get("readOnly") is True}
    return {name for name in declared | stamps if name is not None} - set(key_names(resource))


def _document(resource: Resource, base: Json) -> Json:
    """A document as it is served."""
    hidden = write_only(resource.schema_.plain)
    if hidden:
        base = _without(_by_property(base), set(hidden))
    properties, set_by_server = base["properties"], server_set(resource)
    stamps = (resource.timestamps.created, resource.timestamps.updated)
    sure = {
        name
        for name in base.get("required", ())
        if name not in hidden
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
    return _without(_with_required(base, _ordered(resource, required)), refused)


def _without(schema: Json, names: set[str]) -> Json:
    """`schema` for documents that hold none of `names`."""
    kept = {name: value for name, value in schema["properties"].items() if name not in names}
    result = schema | {"properties": kept}
    present = [name for name in schema["properties"] if name in names]
    if not present or schema.get("additionalProperties") is False:
        return result
    others: Json = {"propertyNames": {"not": {"enum": present}}}
    return result | others if "propertyNames" not in result else _and(result, others)


def _and(schema: Json, other: Json) -> Json:
    return schema | {"allOf": [*schema.get("allOf", ()), other]}


def _replacement(resource: Resource, base: Json) -> Json:
    """The body of a PUT: what the server sets may be repeated, as it was read; what is writeOnly may be left out."""
    repeated = server_set(resource) | set(key_names(resource))
    properties = base["properties"] | _repeated(base["properties"], repeated)
    kept = write_only(resource.schema_.plain)
    required = _ordered(resource, set(base.get("required", ())) - repeated - kept)
    return _with_required((_by_property(base) if kept else base) | {"properties": properties}, required)


def _read_only(properties: Json, names: set[str]) -> Json:
    return {name: properties[name] | {"readOnly": True} for name in names}


def _repeated(properties: Json, names: set[str]) -> Json:
    """The read-only properties of a request. Without defaults: a client that fills them in would set what it cannot."""
    return {name: _without_default(properties[name]) | {"readOnly": True} for name in names}


def _without_default(schema: Json) -> Json:
    return {word: value for word, value in schema.items() if word != "default"}


def _patch(resource: Resource, base: Json, definitions: "_Definitions") -> Json:
    """The body of a PATCH: a JSON Merge Patch (RFC 7396)."""
    fixed = server_set(resource) | set(key_names(resource))
    required = set(base.get("required", ()))
    properties: Json = {}
    for name, value in base["properties"].items():
        if name in fixed:
            properties[name] = _without_default(value) | {"readOnly": True}
        else:
            properties[name] = definitions.patchable(value, removable=name not in required)
    result = {"type": "object", "properties": properties, "description": "JSON Merge Patch (RFC 7396); null removes."}
    return {word: value for word, value in _by_property(base).items() if word != "required"} | result


def _by_property(base: Json) -> Json:
    """What `base` says of each property by itself, whichever others there are."""
    return {word: base[word] for word in _BY_PROPERTY if word in base}


def _types(node: Json) -> list[str]:
    declared = node.get("type", [])
    return [declared] if isinstance(declared, str) else declared


class _Definitions:
    """The definitions of one resource's schema as components, and as patches where a patch leads into them."""

    def __init__(self, schema: PlainSchema, resource: str, names: Names) -> None:
        self.components: Json = {}
        self._schema = schema
        self._names = {name: names.take(resource + capitalized(name), ("", "Patch")) for name in schema.definitions}
        for name, definition in schema.definitions.items():
            self.components[self._names[name]] = self.converted(definition)

    def converted(self, node: Any) -> Any:
        """`node` with references to components. Numbers have 64 bit, where programs would take them to have 32."""
        if not isinstance(node, dict):
            return node
        result = mapped(node, self.converted)
        for format_ in (_NUMBERS[word] for word in _types(node) if word in _NUMBERS):
            result.setdefault("format", format_)
        if "$ref" not in node:
            return result
        return _with_siblings(result, reference("schemas", self._names[target(result.pop("$ref"))]))

    def patchable(self, schema: Any, *, removable: bool) -> Any:
        """`schema`, of a value as it is, as that of its patch."""
        if not isinstance(schema, dict):
            return schema
        inner = _without_default(schema)
        found = self._target(schema)
        if found is not None:
            words = ("description", "readOnly", "writeOnly")
            inner = _with_siblings({word: schema[word] for word in words if word in schema}, self._patch_of(found))
        elif schema.get("type") == "object":
            inner = self._object(schema)
        return {"anyOf": [inner, _NULL]} if removable else inner

    def _target(self, schema: Json) -> str | None:
        """The definition of an object that `schema` refers to, itself or with others beside it."""
        for place in (schema, *schema.get("allOf", ())):
            for name, component in self._names.items():
                if isinstance(place, dict) and place == reference("schemas", component):
                    return self._resolved(name)
        return None

    def _resolved(self, name: str) -> str | None:
        """The definition at the end of `name`, if it is one of an object."""
        definition = self._schema.definitions[name]
        if definition.keys() == {"$ref"}:
            return self._resolved(target(definition["$ref"]))
        return name if definition.get("type") == "object" else None

    def _patch_of(self, name: str) -> Json:
        component = f"{self._names[name]}Patch"
        if component not in self.components:
            self.components[component] = {}  # keeps the place while it refers to itself
            self.components[component] = self._object(self.components[self._names[name]])
        return reference("schemas", component)

    def _object(self, schema: Json) -> Json:
        words = ("type", "description", "writeOnly", "additionalProperties")
        required = set(schema.get("required", ()))
        declared = schema.get("properties", {}).items()
        properties = {name: self.patchable(value, removable=name not in required) for name, value in declared}
        return {word: schema[word] for word in words if word in schema} | {"properties": properties}


def _with_siblings(said: Json, found: Json) -> Json:
    """A reference, and what else is said of the same value. Not every program looks at what is beside a reference."""
    return _and(said, found) if "properties" in said else found | said


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


def _base(resource: Resource, definitions: _Definitions) -> Json:
    schema: Json = definitions.converted(resource.schema_.plain.root)
    keys = {name: schema["properties"][name] | key_schema(resource, name) for name in key_names(resource)}
    return schema | {"properties": schema["properties"] | keys}


def _ordered(resource: Resource, names: set[str]) -> list[str]:
    known = [name for name in resource.schema_.properties if name in names]
    return known + sorted(names - set(known))


def _with_required(schema: Json, required: list[str]) -> Json:
    rest = {word: value for word, value in schema.items() if word != "required"}
    return rest | {"required": required} if required else rest
