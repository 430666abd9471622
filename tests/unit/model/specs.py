"""Resources for the tests of the model."""

from typing import Any

from fairlead_contract.spec.api import Resource as Spec
from fairlead_workload.model.resource import Resource

PROPERTIES: dict[str, Any] = {
    "id": {"type": "string", "maxLength": 64},
    "customer": {"type": "string", "minLength": 1, "maxLength": 8},
    "quantity": {"type": "integer", "minimum": 1},
    "price": {"type": "number"},
    "due": {"type": "string", "format": "date-time"},
    "tags": {"type": "array", "items": {"type": "string"}, "default": ["new"]},
    "address": {"type": "object", "properties": {"city": {"type": "string"}, "zip": {"type": "string"}}},
    "status": {"type": "string", "enum": ["PENDING", "CONFIRMED"], "default": "PENDING", "readOnly": True},
    "approver": {"type": "string", "readOnly": True},
    "createdAt": {"type": "string", "format": "date-time", "readOnly": True},
    "updatedAt": {"type": "string", "format": "date-time", "readOnly": True},
}


def resource(**changes: Any) -> Resource:
    """The resource `orders`, with changes to its spec."""
    spec = {
        "name": "orders",
        "key": {"partition": "id"},
        "schema": {
            "type": "object",
            "required": ["id", "customer", "quantity", "status", "createdAt"],
            "additionalProperties": False,
            "properties": PROPERTIES,
        },
        "timestamps": {"created": "createdAt", "updated": "updatedAt"},
    } | changes
    return Resource(Spec.model_validate(spec))


def keyed(*types: str) -> Resource:
    """A resource whose key properties, `a` and perhaps `b`, have these types."""
    names = ["a", "b"][: len(types)]
    properties = {name: {"type": type_} for name, type_ in zip(names, types, strict=True)}
    key = {"partition": "a"} | ({"sort": "b"} if len(types) > 1 else {})
    return resource(key=key, schema={"type": "object", "properties": properties}, timestamps={})
