"""From a pydantic model to the structural schema of a CRD. Pure.

References are inlined, null is folded into optional, titles are dropped, `RULES` become `x-kubernetes-validations`.
Whatever cannot be said exactly (see `_keywords` and `_bounds`) raises Unsayable, so that a model that drifts fails the
build instead of an API server. Defaults below a list are left out (appliers never settle on them) and named in the
description, unless a reader asks for them where they are; those below `status` and empty ones are left out too.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from fairlead_contract.json_schema.keywords import Json
from fairlead_contract.spec.model import Rule

# Also the order in which a reader of the YAML meets them.
_KEPT = (
    "description", "type", "format", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "default",
    "minItems", "maxItems", "minProperties", "maxProperties", "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations", "required", "properties",
    "additionalProperties", "items",
)  # fmt: skip
_HANDLED = {"title"}
_REBUILT = {"default", "properties", "additionalProperties", "items"}
_TYPES = {"object", "array", "string", "integer", "boolean"}


class NotRepresentable(ValueError):
    """The model says something that a structural schema cannot say; the message names the place."""


@dataclass(frozen=True, slots=True)
class _Position:
    """Where the generator is: what it may say depends on what is above."""

    path: str
    definitions: Json
    defaults: bool = True  # a default may be written here
    below_lists: bool = False  # also below a list
    correlated: bool = True  # the old value of this place is known, so transition rules work
    above: tuple[str, ...] = ()  # models being inlined

    def at(self, step: str, **changes: Any) -> "_Position":
        return replace(self, path=f"{self.path}.{step}" if self.path else step, **changes)


class _WithRules(GenerateJsonSchema):
    """pydantic's generator, which also writes down the rules of each model."""

    def model_schema(self, schema: core_schema.ModelSchema) -> Json:
        result = super().model_schema(schema)
        rules = getattr(schema["cls"], "RULES", ())
        if rules:
            result["x-kubernetes-validations"] = [_validation(rule) for rule in rules]
        return result


def _validation(rule: Rule) -> Json:
    words = {"rule": rule.expression, "message": rule.message, "fieldPath": rule.field}
    return {word: text for word, text in words.items() if text}


def structural(model: type[BaseModel], *, without: Collection[str] = (), defaults_below_lists: bool = False) -> Json:
    """The structural schema of `model`, leaving out the fields `without` of its root. Raises Unsayable.

    `defaults_below_lists` is for documentation and editors; a definition must not have any there.
    """
    generated = model.model_json_schema(by_alias=True, schema_generator=_WithRules)
    definitions = generated.pop("$defs", {})
    for name in without:
        generated["properties"].pop(name, None)
    if required := [name for name in generated.pop("required", ()) if name not in without]:
        generated["required"] = required
    return _convert(generated, _Position(path="", definitions=definitions, below_lists=defaults_below_lists))


def _convert(node: Json, position: _Position) -> Json:
    node, position = _inlined(node, position)
    _keywords(node, position)
    result = {key: value for key, value in node.items() if key in _KEPT and key not in _REBUILT}
    match node["type"]:
        case "object":
            result |= _object(node, position)
        case "array":
            result["items"] = _items(node, position)
    _bounds(result, position)
    _rules(result, position)
    return _ordered(result)


def _ordered(result: Json) -> Json:
    return {key: result[key] for key in _KEPT if key in result}


def _inlined(node: Json, position: _Position) -> tuple[Json, _Position]:
    """`node` without reference and without null; keywords beside them win over those they point to."""
    if "anyOf" in node:
        choices = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
        if len(choices) != 1 or len(choices) == len(node["anyOf"]):
            raise NotRepresentable(f"{position.path}: anyOf other than with null")
        if node.get("default", ...) is not None:
            raise NotRepresentable(f"{position.path}: nullable without the default null")
        rest = {key: value for key, value in node.items() if key not in {"anyOf", "default"}}
        return _inlined(choices[0] | rest, position)
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[-1]
        if name in position.above:
            raise NotRepresentable(f"{position.path}: {name} contains itself")
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _inlined(position.definitions[name] | rest, replace(position, above=(*position.above, name)))
    if isinstance(node.get("const"), str):  # an enum with one member
        return {key: value for key, value in node.items() if key != "const"} | {"enum": [node["const"]]}, position
    return node, position


def _keywords(node: Json, position: _Position) -> None:
    unknown = node.keys() - set(_KEPT) - _HANDLED
    if unknown:
        raise NotRepresentable(f"{position.path}: {', '.join(sorted(unknown))}")
    if node.get("type") not in _TYPES:
        raise NotRepresentable(f"{position.path}: type {node.get('type')}")
    if "(?" in node.get("pattern", ""):
        raise NotRepresentable(f"{position.path}: look-around in a pattern")
    if node.get("additionalProperties") is False and "properties" not in node:
        raise NotRepresentable(f"{position.path}: additionalProperties false")


def _object(node: Json, position: _Position) -> Json:
    values = node.get("additionalProperties", False)
    properties = node.get("properties")
    if isinstance(values, dict):
        if properties:
            raise NotRepresentable(f"{position.path}: properties beside additionalProperties")
        return {"additionalProperties": _convert(values, position.at("*", defaults=_below(position), correlated=True))}
    result: Json = {}
    if properties:
        result["properties"] = {name: _property(name, property_, position) for name, property_ in properties.items()}
    if values is True:
        result["x-kubernetes-preserve-unknown-fields"] = True
    return result


def _property(name: str, node: Json, position: _Position) -> Json:
    inside = position.at(name, defaults=position.defaults and name != "status")
    result = _convert(node, inside)
    if not result.get("description"):
        raise NotRepresentable(f"{inside.path}: no description")
    default = _present(node.get("default"))
    if default in (None, "", [], {}):
        return result
    if inside.defaults:
        return _ordered(result | {"default": default})
    if "default" not in result["description"].lower() and not isinstance(default, dict) and "status" not in inside.path:
        result["description"] += f" Default: {_spelled(default)}."
    return result


def _below(position: _Position) -> bool:
    """Whether defaults are written below the list or map at `position`."""
    return position.defaults and position.below_lists


def _present(default: Any) -> Any:
    """`default` without what is absent anyway: nulls and empty texts, lists and maps."""
    if isinstance(default, dict):
        return {k: v for k, v in ((k, _present(v)) for k, v in default.items()) if v not in (None, "", [], {})}
    return default


def _spelled(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _items(node: Json, position: _Position) -> Json:
    keyed = node.get("x-kubernetes-list-type") == "map"
    if "items" not in node:
        raise NotRepresentable(f"{position.path}: a list without items")
    inside = position.at("*", defaults=_below(position), correlated=position.correlated and keyed)
    items = _convert(node["items"], inside)
    if keyed and not set(node["x-kubernetes-list-map-keys"]) <= set(items.get("required", ())):
        raise NotRepresentable(f"{position.path}: the key of a map list must be required")
    return items


def _bounds(result: Json, position: _Position) -> None:
    """Every text, list and map has an upper bound: the API server prices CEL rules by them."""
    open_object = result.get("x-kubernetes-preserve-unknown-fields", False)
    bounded = {
        "string": "maxLength" in result or "enum" in result,
        "array": "maxItems" in result,
        "object": "additionalProperties" not in result or "maxProperties" in result or open_object,
    }
    if not bounded.get(result["type"], True):
        raise NotRepresentable(f"{position.path}: no upper bound for this {result['type']}")


def _rules(result: Json, position: _Position) -> None:
    for rule in result.get("x-kubernetes-validations", ()):
        if not _has_field(result, rule.get("fieldPath", "")):
            raise NotRepresentable(f"{position.path}: no field {rule['fieldPath']} for a rule")
        if re.search(r"\boldSelf\b", rule["rule"]) and not position.correlated:
            raise NotRepresentable(f"{position.path}: a transition rule below a list that is no map")


def _has_field(node: Json, path: str) -> bool:
    for name in filter(None, path.split(".")):
        if name not in node.get("properties", {}):
            return False
        node = node["properties"][name]
    return True
