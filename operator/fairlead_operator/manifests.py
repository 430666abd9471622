"""What an object of the API server is in Python: the JSON object as it is read and written, and what names it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

LABEL_COMPONENT = "app.kubernetes.io/component"

Manifest = dict[str, Any]
ReadOnlyManifest = Mapping[str, Any]
"""Of an argument that is only read."""


class Ref(NamedTuple):
    """One object in the namespace of the resource. Many are made and looked up in each pass."""

    group: str
    kind: str
    name: str

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "Ref":
        """The reference of a manifest."""
        group, _, _ = manifest["apiVersion"].rpartition("/")
        return cls(group, manifest["kind"], manifest["metadata"]["name"])

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
