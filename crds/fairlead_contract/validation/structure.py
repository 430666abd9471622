"""Whether a document has the shape of its kind: JSON, no unknown field, every value of its type and within its bounds.

Validation is strict and by wire name, as the API server's is; the nearest known name is offered for an unknown one.
"""

import datetime
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fairlead_contract.findings import Finding, Place, did_you_mean, error
from fairlead_contract.json_schema.keywords import Json
from fairlead_contract.spec.model import Model
from fairlead_contract.spec.patterns import PATTERNS

MAX_RESOURCE_BYTES = 900 * 1024
_MAX_DEPTH = 64

_TYPE_NAMES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "dict_type": "an object",
    "model_type": "an object",
    "tuple_type": "a list",
}


def json_findings(document: Any) -> list[Finding]:
    """Why `document` is not JSON text that a cluster would take; empty when it is."""
    findings = list(_not_json(document, ()))
    if not findings and (size := len(json.dumps(document, ensure_ascii=False).encode())) > MAX_RESOURCE_BYTES:
        message = f"the document has {size} bytes, more than {MAX_RESOURCE_BYTES}"
        findings.append(error((), message, "split the service"))
    return findings


def _not_json(value: Any, place: Place) -> Iterator[Finding]:
    if len(place) > _MAX_DEPTH:
        yield error(place[:3], f"is nested deeper than {_MAX_DEPTH} levels", "flatten it")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            sound = _is_text(key) and "\0" not in key
            yield from _not_json(item, (*place, key)) if sound else _bad_key(key, place)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _not_json(item, (*place, position))
    elif isinstance(value, str):
        if not _is_text(value):
            yield error(place, "is not valid Unicode", "remove the lone surrogate")
        elif "\0" in value:
            yield error(place, "holds U+0000, which the rules of a cluster cannot read", "remove it")
    elif isinstance(value, datetime.date):
        yield error(place, "is a date, which JSON cannot say", "write it in quotes")
    elif isinstance(value, float) and not math.isfinite(value):
        yield error(place, f"is {value}, which JSON cannot say", "write a finite number")
    elif not (value is None or isinstance(value, (bool, int, float))):
        yield error(
            place, f"is a {type(value).__name__}, which JSON cannot say", "write text, a number, a list or an object"
        )


def _is_text(value: Any) -> bool:
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _bad_key(key: Any, place: Place) -> Iterator[Finding]:
    if isinstance(key, bool):
        message = "YAML reads an unquoted yes, no, on, off, true or false as a boolean"
        yield error(place, f"has a name that is the boolean {str(key).lower()}: {message}", "write the name in quotes")
    elif isinstance(key, str) and "\0" in key:
        yield error(place, "has a name that holds U+0000", "rename it")
    else:
        yield error(place, "has a name that is not text", "write the name in quotes")


def parse(document: Json, model: type[Model], schema: Json) -> tuple[Model | None, list[tuple[Place, Finding]]]:
    """`document` as `model`, or what keeps it from being one, each with its place."""
    nulls = list(_nulls(document, ()))
    try:
        parsed = model.model_validate_json(json.dumps(document), strict=True, by_alias=True, by_name=False)
    except ValidationError as failure:
        return None, nulls + _translated(failure.errors(include_url=False), schema)
    return (None if nulls else parsed), nulls


def _nulls(value: Any, place: Place) -> Iterator[tuple[Place, Finding]]:
    """Nulls where the API server takes none. Machines write metadata and status; schemas have their own check."""
    if place in {("metadata",), ("status",)} or place[-1:] == ("schema",):
        return
    if value is None:
        yield place, error(place, "is null", "leave the field out, or give it a value")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _nulls(item, (*place, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _nulls(item, (*place, position))


def _translated(details: list[ErrorDetails], schema: Json) -> list[tuple[Place, Finding]]:
    places = [tuple(part for part in detail["loc"] if part != "[key]") for detail in details]
    findings = []
    for detail, place in zip(details, places, strict=True):
        within = any(len(other) > len(place) and other[: len(place)] == place for other in places)
        # A list whose item is wrong also counts as too short; a null has been reported already.
        if (detail["type"] == "too_short" and within) or _is_null(detail, place):
            continue
        findings.append((place, _finding(detail, place, schema)))
    return findings


def _is_null(detail: ErrorDetails, place: Place) -> bool:
    return detail["input"] is None and detail["type"] != "missing" and place[:1] == ("spec",) and "schema" not in place


def _finding(detail: ErrorDetails, place: Place, schema: Json) -> Finding:
    context: dict[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            return _unknown_field(place, schema)
        case "missing":
            return error(place, f"required field `{place[-1]}` is missing", "add it")
        case "enum" | "literal_error":
            return _unknown_value(detail["input"], place, schema)
        case "string_pattern_mismatch":
            what, remedy = PATTERNS.get(context["pattern"], (f"text matching {context['pattern']}", "correct it"))
            return error(place, f"`{_shown(detail['input'])}` is not {what}", remedy)
        case kind if kind in _TYPE_NAMES:
            return _wrong_type(kind, detail["input"], place)
        case _:
            return error(place, _lowered(detail["msg"]), "correct the value")


def _unknown_field(place: Place, schema: Json) -> Finding:
    name = str(place[-1])
    known = sorted(node_at(schema, place[:-1]).get("properties", {}))
    near = did_you_mean(name, known)
    return error(
        place, f"unknown field `{_shown(name)}`{near}", "" if near else f"known here: {', '.join(known) or 'none'}"
    )


def _unknown_value(value: Any, place: Place, schema: Json) -> Finding:
    if place == ("apiVersion",):
        return error(place, f"`{_shown(value)}` is not fairlead.dev/v1alpha1", "write fairlead.dev/v1alpha1")
    known = [str(name) for name in node_at(schema, place).get("enum", [])]
    near = did_you_mean(value, known) if isinstance(value, str) else ""
    return error(place, f"`{_shown(value)}` is none of {', '.join(known)}{near}", "" if near else "choose one of them")


def _wrong_type(kind: str, value: Any, place: Place) -> Finding:
    if isinstance(value, bool) and place[-2:-1] == ("properties",) and "schema" in place:
        return error(place, "boolean schemas are not supported as properties", "write an object; {} allows anything")
    remedy = (
        "write it in quotes" if kind == "string_type" and isinstance(value, (bool, int, float)) else "correct the value"
    )
    return error(place, f"must be {_TYPE_NAMES[kind]}, not {_shown(value)}", remedy)


def _lowered(message: str) -> str:
    message = message.replace("Tuple should", "should").replace("Dictionary should", "should")
    message = message.replace("Input should be", "must be").replace("String should have", "must have")
    message = message.replace("should have", "must have").replace(" after validation", "")
    return message[:1].lower() + message[1:]


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."


def node_at(schema: Json, place: Place) -> Json:
    """The schema of the value at `place`, or an empty one."""
    for part in place:
        if isinstance(part, int):
            schema = schema.get("items", {})
        elif part in schema.get("properties", {}):
            schema = schema["properties"][part]
        else:
            inner = schema.get("additionalProperties", {})
            schema = inner if isinstance(inner, dict) else {}
    return schema
