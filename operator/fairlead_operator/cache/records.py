"""What is kept of an object: a small record of a child, or of a resource of ours, with the digests to compare."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from fairlead_contract import names
from fairlead_operator.kube import managed_fields
from fairlead_operator.kube.decoding import dumps

Name = tuple[str, str]
"""Namespace and name."""


def name_of(live: Mapping[str, Any]) -> Name:
    """Namespace and name of an object; the namespace is empty where its kind has none."""
    return live["metadata"].get("namespace", ""), live["metadata"]["name"]


@dataclass(frozen=True, slots=True)
class CachedChild:
    """One child as last seen. `digest` covers what we hold in it; `facts` is what the status needs of its kind.

    `fingerprint` is equal as long as the digest cannot have changed; 0 where that is unknown.
    """

    uid: str
    version: int
    owner: Name
    owner_uid: str
    deleting: bool
    digest: str
    facts: Any = None
    fingerprint: int = field(default=0, compare=False)

    @classmethod
    def read(
        cls,
        live: dict[str, Any],
        facts: Callable[[dict[str, Any]], Any] | None = None,
        *,
        known: "CachedChild | None" = None,
        digest: str = "",
    ) -> "CachedChild":
        """The record of a live object, with its digest where that is known.

        `known`, the record before it, may spare the digest, too, which is most of the work.
        """
        metadata = live["metadata"]
        owner = metadata.get("labels", {}).get(names.LABEL_APISVC, "")
        fingerprint = managed_fields.fingerprint(live)
        if known is not None and known.fingerprint == fingerprint != 0:
            digest = known.digest
        return cls(
            uid=metadata["uid"],
            version=int(metadata["resourceVersion"]),
            owner=(metadata.get("namespace", ""), owner),
            owner_uid=managed_fields.owner_uid(live),
            deleting="deletionTimestamp" in metadata,
            digest=digest or managed_fields.live_digest(live),
            facts=facts(live) if facts else None,
            fingerprint=fingerprint,
        )


@dataclass(frozen=True, slots=True)
class CachedResource:
    """A resource of ours, kept as it is but for what only the server needs; as text, a fifth of its size as objects.

    `spec_digest` changes with what users request, `pass_digest` with anything that a pass reads.
    """

    uid: str
    version: int
    owner: Name
    text: bytes
    spec_digest: bytes
    pass_digest: bytes

    @property
    def content(self) -> dict[str, Any]:
        """The resource, read anew each time."""
        content: dict[str, Any] = orjson.loads(self.text)
        return content

    @classmethod
    def read(cls, live: dict[str, Any]) -> "CachedResource":
        """The record of a live object."""
        metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
        spec_digest = _digest(
            [metadata.get(each) for each in ("uid", "generation", "annotations", "deletionTimestamp")]
        )
        return cls(
            uid=metadata["uid"],
            version=int(metadata["resourceVersion"]),
            owner=name_of(live),
            text=dumps(live | {"metadata": metadata}),
            spec_digest=spec_digest,
            pass_digest=spec_digest + _digest([metadata.get("finalizers"), live.get("status")]),
        )


def _digest(content: Any) -> bytes:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()
