"""A JSON Schema (draft-07) of the resources, for editors: completion, descriptions, and marks at what does not fit.

It says what the definitions say, and refuses unknown fields. Rules in CEL are not in it, but for the form of a name:
`fairlead lint` has all of them.
"""

import re
from collections.abc import Sequence

from fairlead_contract.crd.definitions import API_VERSION_TEXT, KIND_TEXT, KINDS, Kind
from fairlead_contract.crd.structural_schema import structural
from fairlead_contract.json_schema.keywords import Json
from fairlead_contract.names import GROUP, VERSION
from fairlead_contract.spec.metadata import Metadata
from fairlead_contract.spec.model import NAMESPACE_PATTERN, OBJECT_NAME_PATTERN

DIALECT = "http://json-schema.org/draft-07/schema#"
_NAME_RULE = re.compile(r"self\.metadata\.name\.matches\('(.*)'\)")
_STRING_MAP: Json = {"type": "object", "additionalProperties": {"type": "string"}}
# The other fields of a Kubernetes object's metadata (meta/v1, ObjectMeta); an exported object has many of them.
_OTHER_METADATA: Json = {
    "finalizers": {"type": "array", "items": {"type": "string"}},
    "ownerReferences": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
    "generateName": {"type": "string"},
    "creationTimestamp": {"type": ["string", "null"], "format": "date-time"},
    "deletionTimestamp": {"type": ["string", "null"], "format": "date-time"},
    "deletionGracePeriodSeconds": {"type": "integer"},
    "generation": {"type": "integer"},
    "managedFields": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
    "resourceVersion": {"type": "string"},
    "selfLink": {"type": "string"},
    "uid": {"type": "string"},
}


def editor_schema(kinds: Sequence[Kind] = KINDS) -> Json:
    """The schema of a file with one object of one of `kinds`."""
    names = [kind.name for kind in kinds]
    head = {"$schema": DIALECT, "title": f"{', '.join(names)} of {GROUP}/{VERSION}"}
    if len(kinds) == 1:
        return head | _object(kinds[0])
    return {
        **head,
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {"apiVersion": _api_version(), "kind": {"description": KIND_TEXT, "enum": names}},
        # Not oneOf: of a fault in an object of one kind, editors would speak of all of them.
        "allOf": [_of_kind(name) for name in names],
        "definitions": {kind.name: _object(kind) for kind in kinds},
    }


def _of_kind(name: str) -> Json:
    is_it = {"required": ["kind"], "properties": {"kind": {"const": name}}}
    return {"if": is_it, "then": {"$ref": f"#/definitions/{name}"}}


def _object(kind: Kind) -> Json:
    schema = structural(kind.model, without=("apiVersion", "kind", "metadata"), defaults_below_lists=True)
    schema["properties"] = {
        "apiVersion": _api_version(),
        "kind": {"description": KIND_TEXT, "enum": [kind.name]},
        "metadata": _metadata(kind),
        **schema["properties"],
    }
    schema["required"] = ["apiVersion", "kind", "metadata", *schema.get("required", ())]
    return _closed(schema)


def _api_version() -> Json:
    return {"description": API_VERSION_TEXT, "enum": [f"{GROUP}/{VERSION}"]}


def _metadata(kind: Kind) -> Json:
    described: Json = {name: {"description": field.description} for name, field in Metadata.model_fields.items()}
    patterns = [match[1] for rule in kind.model.RULES if (match := _NAME_RULE.fullmatch(rule.expression))]
    known: Json = {
        "name": {"type": "string", "pattern": [*patterns, OBJECT_NAME_PATTERN][0], "maxLength": 253},
        "namespace": {"type": "string", "pattern": NAMESPACE_PATTERN},
        "labels": _STRING_MAP,
        "annotations": _STRING_MAP,
    }
    if kind.scope == "Cluster":
        del known["namespace"]
    fields: Json = {name: described[name] | schema for name, schema in known.items()}
    return {
        "description": "Name, namespace, labels and annotations of the object.",
        "type": "object",
        "required": ["name"],
        "properties": fields | _OTHER_METADATA,
    }


def _closed(schema: Json) -> Json:
    """`schema` in keywords of JSON Schema; other fields are refused."""
    closed = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if schema.get("x-kubernetes-list-type") == "set":
        closed["uniqueItems"] = True
    if "properties" in closed:
        closed["properties"] = {name: _closed(each) for name, each in closed["properties"].items()}
    for word in ("items", "additionalProperties"):
        if isinstance(closed.get(word), dict):
            closed[word] = _closed(closed[word])
    is_open = "additionalProperties" in closed or schema.get("x-kubernetes-preserve-unknown-fields", False)
    if closed.get("type") == "object" and not is_open:
        closed["additionalProperties"] = False
    return closed
