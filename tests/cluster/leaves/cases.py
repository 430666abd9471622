"""From a leaf to its case: a base in which it may stand, and the documents of the steps that follow.

The tables are data: `cases.yaml` for ApiServices, `class_cases.yaml` for classes. What they do not say comes from the
schema, so a new leaf has a case at once, or fails by its name.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from ..test_crds import merged
from .values import NoValues, Pairs, values
from .walk import Key, Leaf, changed, definition, leaves, locate, shown, value_at

FOLDER = Path(__file__).resolve().parent
Spec = dict[str, Any]


class Step(StrEnum):
    """What happens to a leaf, in this order."""

    BASE = "base"
    SET = "set"
    CHANGE = "change"
    UNSET = "unset"
    REVERT = "revert"


@dataclass(frozen=True)
class Case:
    """One leaf. `specs` are those of the object that has the leaf; `refused` has parts of the API server's message."""

    leaf: Leaf
    specs: Mapping[Step, Spec]
    refused: Mapping[Step, str]
    stalled: Mapping[Step, str]
    without_effect: str
    only_asked: bool = False  # the API server is asked, and nothing is stored
    resource: Spec | None = None  # of the ApiService that has the class, when the leaf is one of a class

    @property
    def immutable(self) -> bool:
        """Whether neither setting nor changing is allowed."""
        return {Step.SET, Step.CHANGE} <= set(self.refused)


class Tables:
    """The tables of one kind."""

    def __init__(self, kind: str, file: str) -> None:
        # Through JSON, because what YAML's aliases share would be changed in two places.
        self._tables = json.loads(json.dumps(yaml.safe_load((FOLDER / file).read_text())))
        self.leaves = {leaf.path: leaf for leaf in leaves(definition(kind))}

    def base(self, name: str) -> Spec:
        """The spec of one base."""
        spec: Spec = merged(self._tables["plain"], self._tables["bases"][name]["patch"])
        return spec

    def case(self, path: str, *, pairs: Pairs, resources: "Tables | None" = None) -> Case:
        """The case of a leaf; a LookupError says what is missing. `resources` has the bases of a class's resources."""
        leaf, table = self.leaves[path], self._tables
        name = self._serving(path)
        base = {"spec": self.base(name)}
        steps = locate(base, leaf.parts, table["entries"].get(path, "leaf"))
        pair = values(leaf, present=value_at(base, steps), named=table["values"], pairs=pairs)
        specs = _specs(base, steps, pair)
        used = table["bases"][name].get("resource")
        return Case(
            leaf=leaf,
            specs=specs,
            refused=self._refused(leaf, shown(steps)),
            stalled={Step(step): reason for step, reason in table.get("stalled", {}).get(path, {}).items()},
            without_effect=table["without_effect"].get(path, ""),
            only_asked=path in table.get("only_asked", ()),
            resource=resources.base(used) if resources else None,
        )

    @property
    def pairs(self) -> Pairs:
        """Pairs of values for strings."""
        found: Pairs = self._tables["pairs"]
        return found

    def unknown_leaves(self) -> Iterator[str]:
        """What the tables say of leaves that do not exist."""
        for table in ("entries", "refused", "stalled", "without_effect", "only_asked"):
            yield from (f"{table}: {path}" for path in self._tables.get(table, {}) if path not in self.leaves)
        for end in self._tables["values"]:
            if not any(path == end or path.endswith(f".{end}") for path in self.leaves):
                yield f"values: {end}"
        for name, base in self._tables["bases"].items():
            for prefix in base["serves"]:
                if not any(_below(path, prefix) for path in self.leaves):
                    yield f"bases: {name}: {prefix}"

    def _serving(self, path: str) -> str:
        fits = [
            (len(prefix), name)
            for name, base in self._tables["bases"].items()
            for prefix in base["serves"]
            if _below(path, prefix)
        ]
        name: str = max(fits)[1]
        return name

    def _refused(self, leaf: Leaf, field: str) -> dict[Step, str]:
        required = {Step.UNSET: f"{field}: Required value"} if leaf.required else {}
        named: dict[Step, str] = {Step(step): said for step, said in self._tables["refused"].get(leaf.path, {}).items()}
        return required | named


def _below(path: str, prefix: str) -> bool:
    rest = path.removeprefix(prefix)
    return path.startswith(prefix) and (not rest or rest[0] in ".[{")


def _specs(base: Spec, steps: list[Key], pair: tuple[Any, Any]) -> dict[Step, Spec]:
    first, second = (_applied(base, steps, value) for value in pair)
    return {
        Step.BASE: base["spec"],
        Step.SET: first["spec"],
        Step.CHANGE: second["spec"],
        Step.UNSET: changed(second, steps, None)["spec"],
        Step.REVERT: copy.deepcopy(base["spec"]),
    }


def _applied(base: Spec, steps: list[Key], value: Any) -> Spec:
    if isinstance(value, dict) and set(value) == {"patch"}:
        value, steps = merged(base["spec"], value["patch"]), ["spec"]
    found: Spec = changed(base, steps, value)
    return found


SERVICES = Tables("ApiService", "cases.yaml")
CLASSES = Tables("ApiServiceClass", "class_cases.yaml")


def service_case(path: str) -> Case:
    """The case of a leaf of the ApiService."""
    return SERVICES.case(path, pairs=SERVICES.pairs)


def class_case(path: str) -> Case:
    """The case of a leaf of the ApiServiceClass."""
    return CLASSES.case(path, pairs=[*CLASSES.pairs, *SERVICES.pairs], resources=SERVICES)


__all__ = ["CLASSES", "SERVICES", "Case", "NoValues", "Step", "class_case", "service_case"]
