"""Which ApiServiceClass a resource has. Pure.

The class it names, else the one in its status, else the default one, else the built-in class. What was the
default when the resource came stays its class, so that moving the mark changes nothing that runs. The built-in class is
none to stay in: it stands for the default one until there is one.
"""

from collections.abc import Iterable, Mapping

from fairlead_operator.manifests import ReadOnlyManifest
from fairlead_operator.reasons import ConditionDetail, Reason

BUILT_IN = "built-in"


def named(resource: ReadOnlyManifest) -> str:
    """The class that the resource names, or that its status has; empty when it takes the default one, if any."""
    name = resource["spec"].get("className") or resource.get("status", {}).get("className") or ""
    return "" if name == BUILT_IN else str(name)


def choose(
    resource: ReadOnlyManifest, classes: Mapping[str, ReadOnlyManifest]
) -> tuple[str, ReadOnlyManifest | None] | ConditionDetail:
    """Name and manifest of the class; None as the manifest stands for the built-in class."""
    if name := named(resource):
        if name in classes:
            return name, classes[name]
        text = f"ApiServiceClass {name} is not there; create it, or set spec.className to one that is"
        return ConditionDetail(Reason.CLASS_NOT_FOUND, text)
    default = _default(classes.values())
    return (default["metadata"]["name"], default) if default else (BUILT_IN, None)


def concerns(resource: ReadOnlyManifest, name: str) -> bool:
    """Whether a change of the class `name` may change which class the resource has, or what is in it."""
    return named(resource) in ("", name)


def _default(classes: Iterable[ReadOnlyManifest]) -> ReadOnlyManifest | None:
    """The oldest of those that are marked, so that a second mark changes nothing."""
    marked = [each for each in classes if each.get("spec", {}).get("isDefault")]
    age = [(each["metadata"].get("creationTimestamp", ""), each["metadata"]["name"]) for each in marked]
    return marked[age.index(min(age))] if marked else None
