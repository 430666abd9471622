"""What the API server does with a document that has the right shape: defaults, lists without duplicates, CEL rules.

Defaults are filled in before rules see the object. A transition rule runs only where the old value is known; a rule
does not run on an object that holds a structural fault, because its failure would be a consequence of that.
"""

import copy
import json
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

from fairlead_contract.cel import expressions
from fairlead_contract.cel.expressions import ExpressionError, Program
from fairlead_contract.findings import Finding, Place, error
from fairlead_contract.json_schema.keywords import Json

_UNKNOWN: Any = object()


def defaulted(value: Any, schema: Json) -> Any:
    """`value` with every default of `schema` that applies. The argument stays as it is."""
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        absent = {k: copy.deepcopy(s["default"]) for k, s in properties.items() if "default" in s and k not in value}
        values = schema.get("additionalProperties", {})
        return {k: defaulted(v, properties.get(k, values)) for k, v in (value | absent).items()}
    if isinstance(value, list):
        return [defaulted(item, schema.get("items", {})) for item in value]
    return value


def violations(
    document: Json, schema: Json, *, faults: Collection[Place] = (), old: Json | None = None
) -> list[Finding]:
    """What the API server would refuse, given the places of structural `faults` and the `old` document, if any."""
    before = _UNKNOWN if old is None else defaulted(old, schema)
    return list(_Walk(tuple(faults)).walk(defaulted(document, schema), schema, (), before))


class _Walk:
    """One walk over a document and its schema; knows what stays the same on the way."""

    def __init__(self, faults: tuple[Place, ...]) -> None:
        self._faults = faults

    def walk(self, value: Any, schema: Json, place: Place, old: Any) -> Iterator[Finding]:
        if isinstance(value, dict):
            yield from self._object(value, schema, place, old)
        elif isinstance(value, list):
            yield from self._list(value, schema, place, old)

    def _object(self, value: Json, schema: Json, place: Place, old: Any) -> Iterator[Finding]:
        if not any(fault[: len(place)] == place for fault in self._faults):
            for validation in schema.get("x-kubernetes-validations", ()):
                yield from _broken(validation, value, place, old)
        properties, values = schema.get("properties", {}), schema.get("additionalProperties", {})
        known = old if isinstance(old, dict) else {}
        for key, item in value.items():
            yield from self.walk(item, properties.get(key, values), (*place, key), known.get(key, _UNKNOWN))

    def _list(self, value: list[Any], schema: Json, place: Place, old: Any) -> Iterator[Finding]:
        keys = schema.get("x-kubernetes-list-map-keys", ())
        identified = bool(keys) or schema.get("x-kubernetes-list-type") == "set"
        previous = {_identity(i, keys): i for i in old} if keys and isinstance(old, list) else {}
        seen: set[str] = set()
        for position, item in enumerate(value):
            identity = _identity(item, keys)
            if identified and identity in seen:
                yield _duplicate(item, keys, (*place, position))
            seen.add(identity)
            yield from self.walk(item, schema.get("items", {}), (*place, position), previous.get(identity, _UNKNOWN))


def _broken(validation: Json, value: Json, place: Place, old: Any) -> Iterator[Finding]:
    transition = "oldSelf" in validation["rule"]
    if transition and old is _UNKNOWN:
        return
    field = tuple(name for name in validation.get("fieldPath", "").split(".") if name)
    where = (*place, *field) or ("metadata", "name")  # at the root, CEL sees nothing else of the envelope
    message, _, remedy = validation["message"].partition("; ")
    try:
        holds = _program(validation["rule"])({"self": value, "oldSelf": old} if transition else {"self": value})
    except ExpressionError as failure:
        yield error(where, f"{message} (cannot be evaluated: {failure})", remedy)
        return
    if holds is not True:
        yield error(where, message, remedy)


def _identity(item: Any, keys: Collection[str]) -> str:
    if keys and isinstance(item, dict):
        item = [item.get(key) for key in keys]
    return json.dumps(item, sort_keys=True)


def _duplicate(item: Any, keys: Collection[str], place: Place) -> Finding:
    if keys and isinstance(item, dict):
        keys_text = " and ".join(f"{key} `{item.get(key)}`" for key in keys)
        return error(place, f"duplicate {keys_text}", f"each {' and '.join(keys)} once")
    return error(place, f"duplicate `{item}`", "each value once")


@cache
def _program(expression: str) -> Program:
    return expressions.compile(expression, variables=expressions.RULE_VARIABLES)
