"""What a child is meant to be, with the digest that shows whether the live object differs (see `managed_fields`)."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import orjson

from fairlead_operator.kube import kinds
from fairlead_operator.kube.kinds import Kind
from fairlead_operator.kube.managed_fields import digest
from fairlead_operator.manifests import LABEL_COMPONENT, Manifest, Ref


class Manifests:
    """The manifests of one plan. They are large and hardly ever needed twice, so between passes few are kept, as text.

    `rebuild` makes all of them once more, for as long as it is set.
    """

    def __init__(self, made: Iterable[Manifest]) -> None:
        self._made = _by_ref(made)
        self._kept: dict[Ref, bytes] = {}
        self.rebuild: Callable[[], Iterable[Manifest]] | None = None

    def of(self, ref: Ref) -> Manifest:
        """The manifest of that child."""
        if ref in self._kept:
            manifest: Manifest = orjson.loads(self._kept[ref])
            return manifest
        if ref not in self._made and self.rebuild is not None:
            self._made = _by_ref(self.rebuild())
        return self._made[ref]

    def keep(self, refs: Collection[Ref]) -> None:
        """Drop all others, and what would make them again."""
        made = {ref: orjson.dumps(manifest) for ref, manifest in self._made.items() if ref in refs}
        self._kept = {ref: text for ref, text in self._kept.items() if ref in refs} | made
        self._made = {}
        self.rebuild = None


@dataclass(frozen=True, slots=True)
class DesiredChild:
    """One child as it is meant to be, with what each pass reads of it."""

    ref: Ref
    kind: Kind
    digest: str
    component: str
    source: Manifests

    @classmethod
    def of(cls, manifest: Manifest, source: Manifests | None = None) -> "DesiredChild":
        """The intent of a manifest, which `source` has."""
        component = manifest["metadata"].get("labels", {}).get(LABEL_COMPONENT, "")
        source, ref = source or Manifests([manifest]), Ref.of(manifest)
        return cls(ref, kinds.find(ref.group, ref.kind), digest(manifest), component, source)

    @property
    def manifest(self) -> Manifest:
        """All of it, to be written."""
        return self.source.of(self.ref)


def _by_ref(made: Iterable[Manifest]) -> dict[Ref, Manifest]:
    return {Ref.of(manifest): manifest for manifest in made}
