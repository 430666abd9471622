"""What differs between two versions of an object, field by field. Pure.

What nobody wrote (`status`, `managedFields`, versions) is left out; entries of a list belong together by their `name`,
or else by their place; a text that holds a JSON document is compared as that document.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

UNWRITTEN = frozenset(
    {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink", "deletionTimestamp"}
)
ABSENT = object()
"""The value of a field that is not there."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field; `before` or `after` may be ABSENT."""

    path: str
    before: Any
    after: Any

    def as_json(self) -> dict[str, Any]:
        """With `before` and `after` only where the field is there."""
        values = {"before": self.before, "after": self.after}
        return {"path": self.path} | {name: value for name, value in values.items() if value is not ABSENT}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """What of `before` is other in `after`, both objects of Kubernetes, in the order of the fields' names."""
    return list(_of(_written(before), _written(after), ""))


def _written(manifest: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in UNWRITTEN}
    return {key: value for key, value in manifest.items() if key != "status"} | {"metadata": metadata}


def _of(before: Any, after: Any, path: str) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _of(before.get(key, ABSENT), after.get(key, ABSENT), _field(path, key))
        return
    if isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(before, after, path)
        return
    if before == after and type(before) is type(after):
        return
    documents = [_document(before), _document(after)]
    if None not in documents and documents[0] != documents[1]:
        yield from _of(documents[0], documents[1], path)
        return
    yield Difference(path, before, after)


def _of_lists(before: list[Any], after: list[Any], path: str) -> Iterator[Difference]:
    old, new = _named(before), _named(after)
    if old is None or new is None:
        old, new = (dict(enumerate(each)) for each in (before, after))
    for key in [*old, *(key for key in new if key not in old)]:
        place = f"{path}[{key}]"
        yield from _of(old.get(key, ABSENT), new.get(key, ABSENT), place)


def _named(items: list[Any]) -> dict[Any, Any] | None:
    """The entries by their names; None when they have none."""
    names = [each.get("name") for each in items if isinstance(each, dict)]
    if len(names) != len(items) or None in names or len(set(names)) != len(names):
        return None
    return dict(zip(names, items, strict=True))


def _field(path: str, key: str) -> str:
    if not key.replace("_", "").replace("-", "").isalnum():
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key


def _document(value: Any) -> Any:
    """The JSON object or list in a text, or None."""
    if not isinstance(value, str) or value[:1] not in {"{", "["}:
        return None
    try:
        return json.loads(value)
    except ValueError:
        return None
