"""What a child is meant to be, in a form that can be compared with what the server holds.

The digest of an intent is taken over the manifest without its identity. The digest of a live object is taken over the
fields that our own field manager holds in it, as `managedFields` tells: when somebody changes such a field it is either
no longer ours or has another value, so the two digests differ. Nothing of the object needs to be kept for that.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from fairlead_contract import names
from fairlead_operator import kinds
from fairlead_operator.inventory import Ref
from fairlead_operator.kinds import Kind

DIGEST_BYTES = 10
Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One child as it is meant to be, with all that is asked of it again and again."""

    ref: Ref
    kind: Kind
    manifest: Manifest
    digest: str

    @classmethod
    def of(cls, manifest: Manifest) -> "Wanted":
        """The intent of a manifest."""
        return cls(Ref.of(manifest), kinds.of(manifest), manifest, digest(manifest))


def digest(manifest: Manifest) -> str:
    """The digest of an intent: 20 hexadecimal digits, equal for equal content whatever the order of keys."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in {"name", "namespace"}}
    content = {key: value for key, value in manifest.items() if key not in {"apiVersion", "kind", "metadata"}}
    return _hash(content | {"metadata": metadata})


def live_digest(live: Manifest) -> str:
    """The digest of what we hold in a live object; empty when we hold nothing in it."""
    fields = _owned_fields(live)
    if fields is None:
        return ""
    owned = project(live, fields)
    owned.setdefault("metadata", {})
    return _hash(owned)


def owner_uid(live: Manifest) -> str:
    """The uid of the controlling ApiService, or empty."""
    owner = controller(live)
    return str(owner["uid"]) if owner else ""


def controller(live: Manifest) -> Manifest | None:
    """The owner reference of the controlling ApiService, if one has it."""
    for owner in live["metadata"].get("ownerReferences", ()):
        if owner.get("controller") and owner["kind"] == "ApiService" and owner["apiVersion"].startswith(names.GROUP):
            found: Manifest = owner
            return found
    return None


def project(value: Any, fields: Mapping[str, Any]) -> Any:
    """The part of `value` that a set in the FieldsV1 format covers, in the order of the live object."""
    inner = {path: below for path, below in fields.items() if path != "."}
    if not inner:
        return value
    if isinstance(value, dict):
        return _project_map(value, inner)
    if isinstance(value, list):
        return _project_list(value, inner)
    return value


def _project_map(value: Manifest, fields: Mapping[str, Any]) -> Manifest:
    owned = {path[2:]: below for path, below in fields.items() if path.startswith("f:")}
    return {key: project(value[key], owned[key]) for key in value if key in owned}


def _project_list(items: list[Any], fields: Mapping[str, Any]) -> list[Any]:
    keyed = [(orjson.loads(path[2:]), below) for path, below in fields.items() if path.startswith("k:")]
    values = {path[2:] for path in fields if path.startswith("v:")}
    chosen = []
    for item in items:
        below = next((below for key, below in keyed if _matches(item, key)), None)
        if below is not None:
            chosen.append(project(item, below))
        elif values and orjson.dumps(item).decode() in values:
            chosen.append(item)
    return chosen


def _matches(item: Any, key: Manifest) -> bool:
    return isinstance(item, dict) and all(item.get(name) == wanted for name, wanted in key.items())


def _owned_fields(live: Manifest) -> Mapping[str, Any] | None:
    for entry in live["metadata"].get("managedFields", ()):
        is_ours = entry["manager"] == names.FIELD_MANAGER and entry["operation"] == "Apply"
        if is_ours and not entry.get("subresource"):
            fields: Mapping[str, Any] = entry["fieldsV1"]
            return fields
    return None


def _hash(content: Manifest) -> str:
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=DIGEST_BYTES).hexdigest()
