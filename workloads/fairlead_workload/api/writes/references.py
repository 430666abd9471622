"""References: what a document points at must exist when a write is accepted.

The cache may say yes; only a strong read of the store may say no. The commit checks again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fairlead_workload.bindings import Bindings
from fairlead_workload.caches.strategy import DocumentCache
from fairlead_workload.errors import Misconfigured
from fairlead_workload.model import keys
from fairlead_workload.model.references import not_found
from fairlead_workload.model.resource import Resource
from fairlead_workload.stores.base import Key

Target = tuple[str, Key]  # resource and key


@dataclass(frozen=True, slots=True)
class _Reference:
    field: str
    kind: str  # JSON type of the target's key
    target: Resource
    cache: DocumentCache


class References:
    """Checks the references of one resource's documents."""

    def __init__(self, resource: Resource, bindings: Bindings) -> None:
        self._store = bindings.store
        self._references = tuple(
            self._compile(resource, reference.field, bindings.resources[reference.resource], bindings)
            for reference in resource.spec.references
        )

    @staticmethod
    def _compile(resource: Resource, field: str, target: Resource, bindings: Bindings) -> _Reference:
        if len(target.key_names) > 1:
            raise Misconfigured(
                f"api.resources[{resource.name}].references[{field}]",
                f"{target.name} has a sort key, which one property cannot name",
                "refer to a resource whose key is its partition alone",
            )
        kind = target.properties[target.key_names[0]].get("type", "string")
        return _Reference(field, kind, target, bindings.caches[target.name])

    async def check(self, document: Mapping[str, Any]) -> tuple[Target, ...]:
        """The documents that `document` refers to. Raises Problem `reference-not-found` naming each that is missing."""
        targets: list[Target] = []
        missing: list[str] = []
        for reference in self._references:
            value = document.get(reference.field)
            if value is None:
                continue
            key = _key(value, reference.kind)
            if key is None or not await self._exists(reference, key):
                missing.append(reference.field)
            else:
                targets.append((reference.target.name, key))
        if missing:
            raise not_found(missing)
        return tuple(targets)

    async def lost(self, document: Mapping[str, Any]) -> None:
        """A commit found one of the references missing: say which. Returns when all of them are there again."""
        missing: list[str] = []
        for reference in self._references:
            key = _key(document.get(reference.field), reference.kind)
            if key is not None and not await self._stored(reference, key):
                await reference.cache.read(reference.target.path(key), revalidate=True)
                missing.append(reference.field)
        if missing:
            raise not_found(missing)

    async def _exists(self, reference: _Reference, key: Key) -> bool:
        path = reference.target.path(key)
        entry = reference.cache.peek(path)
        if entry is None:
            entry = (await reference.cache.read(path)).entry
        return entry.body is not None or await self._stored(reference, key)

    async def _stored(self, reference: _Reference, key: Key) -> bool:
        (record,) = await self._store.get(reference.target.name, [key], strong=True)
        return record is not None


def _key(value: Any, kind: str) -> Key | None:
    if not keys.fits(value, kind):
        if kind != "integer" or not isinstance(value, float) or not value.is_integer():
            return None
        value = int(value)  # as it will be stored: what travels through the queue is still as the client wrote it
    try:
        return (keys.check(value),)
    except keys.InvalidKey:
        return None
