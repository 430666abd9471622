"""Every leaf of a definition's spec, and how one is read and written in a document.

A leaf is a scalar, a list of scalars, an entry of a map, or an object without fields of its own. Its path names a list
by `[]` and an entry of a map by `{}`: `spec.api.resources[].key.sort`, `spec.exposure.ingress.annotations{}`.
"""

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
_PART = re.compile(r"[^.\[{]+|\[\]|\{\}")
Schema = dict[str, Any]
Key = str | int


@dataclass(frozen=True)
class Leaf:
    """One leaf. `required`: its object cannot be without it."""

    path: str
    schema: Schema
    required: bool = False

    @property
    def parts(self) -> list[str]:
        """The path in steps; a list of scalars is one value, so its last `[]` is no step."""
        found = _PART.findall(self.path)
        return found[:-1] if found[-1] == "[]" else found

    def __str__(self) -> str:
        return self.path


def definition(kind: str) -> Schema:
    """The schema of `spec` of one of our kinds."""
    for file in sorted((ROOT / "crds").glob("*.yaml")):
        found = yaml.safe_load(file.read_text())["spec"]
        if found["names"]["kind"] == kind:
            [version] = found["versions"]
            schema: Schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
            return schema
    raise LookupError(f"crds/ defines no kind {kind}")


def leaves(schema: Schema, path: str = "spec", *, required: bool = False) -> Iterator[Leaf]:
    """Every leaf below `path`, in the order of the schema."""
    if schema.get("properties"):
        for name, child in schema["properties"].items():
            needed = name in schema.get("required", ()) and "default" not in child
            yield from leaves(child, f"{path}.{name}", required=needed)
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            yield Leaf(path + "{}", {})
    elif schema.get("type") == "object" and "additionalProperties" in schema:
        yield Leaf(path + "{}", schema["additionalProperties"])
    elif schema.get("type") == "array" and schema["items"].get("properties"):
        yield from leaves(schema["items"], f"{path}[]")
    else:
        yield Leaf(path + ("[]" if schema.get("type") == "array" else ""), schema, required)


def locate(document: Any, parts: Sequence[str], entry: str) -> list[Key]:
    """The steps to a leaf in `document`: of each list the item that has most of what follows; LookupError if empty.

    `entry` is the key in a map whose entries are leaves.
    """
    steps: list[Key] = []
    here = document
    for position, part in enumerate(parts):
        step: Key = part
        if part == "[]":
            if not here:
                raise LookupError(f"the base has no item at {shown(steps)}")
            depths = [_depth(item, parts[position + 1 :]) for item in here]
            step = depths.index(max(depths))
        elif part == "{}":
            step = entry
        steps.append(step)
        here = _child(here, step)
    return steps


def _depth(value: Any, parts: Sequence[str]) -> int:
    """How many of `parts` there are in `value`; of a list the first item counts."""
    for depth, part in enumerate(parts):
        value = _child(value, 0 if part == "[]" else part)
        if value is None:
            return depth
    return len(parts)


def _child(value: Any, step: Key) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    return value[step] if isinstance(value, list) and isinstance(step, int) and step < len(value) else None


def shown(steps: Sequence[Key]) -> str:
    """The steps as the API server names a field: `spec.api.resources[0].key.sort`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")


def value_at(document: Any, steps: Sequence[Key]) -> Any:
    """The value, or None."""
    for step in steps:
        document = _child(document, step)
        if document is None:
            return None
    return document


def changed(document: Any, steps: Sequence[Key], value: Any) -> Any:
    """A copy with `value` there; None takes the leaf away, and leaves the objects around it."""
    result: Any = copy.deepcopy(document)
    here = result
    for step in steps[:-1]:
        here = here[step] if isinstance(step, int) else here.setdefault(step, {})
    if value is None:
        here.pop(steps[-1], None)
    else:
        here[steps[-1]] = value
    return result
