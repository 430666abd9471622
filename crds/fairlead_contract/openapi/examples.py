"""The examples of the OpenAPI document: a guess for each schema, shown only when it fits.

A validator takes far longer to prepare than a guess, and most properties have the plainest keywords only: their guesses
are shown without one.
"""

from collections.abc import Callable
from typing import Any

from jsonschema_rs import Draft202012Validator

from fairlead_contract.json_schema.keywords import Json
from fairlead_contract.openapi.schemas import KEY_TEXT, UUID_V7

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
    return guess if guess and (plainly_fits(guess, schema) or _is_valid(guess, schema, components)) else None


def _is_valid(guess: Json, schema: Json, components: Json) -> bool:
    declared = schema["properties"]
    plain = {name: True for name, value in guess.items() if plainly_fits(value, declared[name])}
    rest = schema | {"properties": declared | plain}
    # Most schemas refer to no other, and to take all in takes as long as the check.
    others = {"components": {"schemas": components}} if "$ref" in repr(rest) else {}
    whole = {"$ref": "#/x", "x": rest, **others}
    return Draft202012Validator(whole, validate_formats=True, offline=True).is_valid(guess)


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


def plainly_fits(value: Any, schema: Any) -> bool:
    """Whether `schema` is sound and `value` fits it, as far as that is plain: False means that it takes a validator."""
    if not isinstance(schema, dict) or (isinstance(value, dict) and "properties" not in schema):
        return False
    for word, expected in schema.items():
        fits = _PLAIN.get(word)
        if fits is None or not fits(value, expected):
            return False
    return True


_PLAIN_TYPES = [("object", dict), ("string", str), ("integer", int), ("number", int), ("boolean", bool)]
_OWN_PATTERNS = {
    str(limits["pattern"]): Draft202012Validator({"pattern": limits["pattern"]}) for limits in (KEY_TEXT, UUID_V7)
}


def _has_all(value: Any, properties: Any) -> bool:
    if not (isinstance(value, dict) and isinstance(properties, dict) and value.keys() == properties.keys()):
        return False
    return all(plainly_fits(value[name], inner) for name, inner in properties.items())


def _has_required(value: Any, names: Any) -> bool:
    if not (isinstance(value, dict) and isinstance(names, list)):
        return False
    return all(isinstance(name, str) and name in value for name in names) and len(set(names)) == len(names)


def _is_or_null(value: Any, branches: Any) -> bool:
    return isinstance(branches, list) and branches[1:] == [{"type": "null"}] and plainly_fits(value, branches[0])


_PLAIN: dict[str, Callable[[Any, Any], bool]] = {
    "type": lambda value, said: (said, type(value)) in _PLAIN_TYPES,
    "description": lambda _, said: isinstance(said, str),
    "readOnly": lambda _, said: isinstance(said, bool),
    "default": lambda *_: True,
    "properties": _has_all,
    "required": _has_required,
    "additionalProperties": lambda _, said: isinstance(said, bool),  # `_has_all` lets none in
    "anyOf": _is_or_null,
    "enum": lambda value, said: isinstance(value, str) and isinstance(said, list) and value in said,
    "format": lambda value, said: (
        isinstance(said, str) and (type(value) is int if said in ("int64", "double") else value == _TEXTS.get(said))
    ),
    "pattern": lambda value, said: (
        isinstance(said, str) and said in _OWN_PATTERNS and _OWN_PATTERNS[said].is_valid(value)
    ),
    "minLength": lambda value, said: isinstance(value, str) and type(said) is int and 0 <= said <= len(value),
    "maxLength": lambda value, said: isinstance(value, str) and type(said) is int and len(value) <= said,
    "minimum": lambda value, said: type(value) is int and type(said) is int and said <= value,
    "maximum": lambda value, said: type(value) is int and type(said) is int and value <= said,
}
