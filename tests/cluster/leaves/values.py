"""Two legal values for a leaf: from its type, enumeration, bounds and pattern; else from a table."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .walk import Leaf, Schema

Pair = tuple[Any, Any]
Pairs = Sequence[Sequence[str]]
SCALARS = {"boolean", "integer", "string"}


class NoValues(LookupError):
    """Neither the schema nor a table gives two values for a leaf."""


def values(leaf: Leaf, *, present: Any, named: Mapping[str, Any], pairs: Pairs) -> Pair:
    """The value to set and the one to change it to. `present` is the base's value, which is not the first of them.

    `named` has pairs by path or by the end of a path; of `pairs` the first fits whose values match a string's pattern.
    """
    found = _named(leaf.path, named)
    if found is None:
        found = _derived(leaf, leaf.schema, present, pairs)
    if len(found) != 2:
        raise NoValues(f"{leaf}: two values are needed, not {found}")
    return found[0], found[1]


def _named(path: str, named: Mapping[str, Any]) -> Any:
    ends = [key for key in named if path == key or path.endswith(f".{key}")]
    return named[max(ends, key=len)] if ends else None


def _derived(leaf: Leaf, schema: Schema, present: Any, pairs: Pairs) -> list[Any]:
    kind = schema.get("type")
    if kind == "array":
        [first] = present if isinstance(present, list) and len(present) == 1 else [None]
        return [[each] for each in _derived(leaf, schema["items"], first, pairs)]
    if kind == "object" and not schema.get("properties"):
        return [{}, {}]  # there is nothing that could be changed in it
    if kind not in SCALARS:
        raise NoValues(f"{leaf}: the schema says too little; name two values in the table")
    return _scalars(leaf, schema, [schema.get("default"), present], pairs)


def _scalars(leaf: Leaf, schema: Schema, usual: list[Any], pairs: Pairs) -> list[Any]:
    """The first differs from what it usually is, so that setting it does something."""
    if schema["type"] == "boolean":
        return [True not in usual, True in usual]
    if "enum" in schema:
        others = [each for each in schema["enum"] if each not in usual]
        return [*others, *(each for each in usual if each is not None), *others][:2]
    if schema["type"] == "integer":
        return _integers(schema, max(each for each in (*usual, schema.get("minimum", 0)) if each is not None))
    pattern = schema.get("pattern", "")
    fitting = [pair for pair in pairs if all(re.search(pattern, each) and each not in usual for each in pair)]
    if not fitting:
        raise NoValues(f"{leaf}: no values for the pattern {pattern}; name two in the table")
    return list(fitting[0])


def _integers(schema: Schema, start: int) -> list[int]:
    wanted = [start + 1, start + 2]
    return wanted if wanted[-1] <= schema.get("maximum", wanted[-1]) else [start - 1, start - 2]
