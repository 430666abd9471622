"""What our field manager holds in a live object, and digests of it, to be compared with what was applied. Pure.

The digest of a manifest is taken over all of it but its identity. The digest of a live object is taken over the fields
that our own field manager holds in it, as `managedFields` shows: when another manager changes such a field, it is
either no longer ours or has another value, so the two digests differ. Nothing of the object needs to be kept for that.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from fairlead_contract import names
from fairlead_operator.manifests import Manifest

DIGEST_BYTES = 10


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


def fingerprint(live: Manifest) -> int:
    """Equal, in this process, for versions of one object that have the same digest; 0 where only the digest shows it.

    The server counts what is done to all but metadata and status, if it counts at all. Most events are about a status,
    so where there is none, another version has another digest.
    """
    metadata = live["metadata"]
    rest: Manifest = {}
    if "generation" not in metadata:
        if "status" not in live:
            return 0
        rest = {key: value for key, value in live.items() if key not in {"metadata", "status"}}
    kept = {key: value for key, value in metadata.items() if key not in {"resourceVersion", "managedFields"}}
    return hash(orjson.dumps([kept, _owned_fields(live), rest]))


def contains(live: Any, manifest: Any) -> bool:
    """Whether a live value has all of a manifest's, and lists no more: what the server left as it was applied."""
    if live == manifest:
        return True
    if isinstance(manifest, dict):
        return isinstance(live, dict) and all(key in live and contains(live[key], manifest[key]) for key in manifest)
    if isinstance(manifest, list) and isinstance(live, list):
        return len(live) == len(manifest) and all(map(contains, live, manifest))
    return False


def owner_uid(live: Manifest) -> str:
    """The uid of the controlling ApiService, or empty."""
    owner = controller(live)
    return str(owner["uid"]) if owner else ""


def controller(live: Manifest) -> Manifest | None:
    """The owner reference of the controlling ApiService, if one has it."""
    for owner in live["metadata"].get("ownerReferences", ()):
        if owner.get("controller") and owner["kind"] == "ApiService" and owner["apiVersion"].startswith(names.GROUP):
            reference: Manifest = owner
            return reference
    return None


def project(value: Any, fields: Mapping[str, Any]) -> Any:
    """The part of `value` that a set in the FieldsV1 format covers; lists are in the order of the live object."""
    if not fields or (len(fields) == 1 and "." in fields):
        return value
    if isinstance(value, dict):
        return _project_map(value, fields)
    if isinstance(value, list):
        return _project_list(value, fields)
    return value


def _project_map(value: Manifest, fields: Mapping[str, Any]) -> Manifest:
    owned = {}
    for path, below in fields.items():
        key = path[2:]
        if key in value and path.startswith("f:"):
            owned[key] = project(value[key], below) if below else value[key]
    return owned


def _project_list(items: list[Any], fields: Mapping[str, Any]) -> list[Any]:
    keyed = [(_key(path), below) for path, below in fields.items() if path.startswith("k:")]
    values = {path[2:] for path in fields if path.startswith("v:")}
    chosen = []
    for item in items:
        below = next((below for key, below in keyed if _matches(item, key)), None)
        if below is not None:
            chosen.append(project(item, below))
        elif values and orjson.dumps(item).decode() in values:
            chosen.append(item)
    return chosen


@lru_cache(maxsize=1024)
def _key(path: str) -> tuple[tuple[str, Any], ...]:
    """What an item has to have, by a path such as `k:{"name":"api"}`: few, and each used often."""
    return tuple(orjson.loads(path[2:]).items())


def _matches(item: Any, key: tuple[tuple[str, Any], ...]) -> bool:
    if not isinstance(item, dict):
        return False
    for name, value in key:  # noqa: SIM110  # run for each item of each event, and twice as fast as all()
        if item.get(name) != value:
            return False
    return True


def _owned_fields(live: Manifest) -> Mapping[str, Any] | None:
    for entry in live["metadata"].get("managedFields", ()):
        is_ours = entry["manager"] == names.FIELD_MANAGER and entry["operation"] == "Apply"
        if is_ours and not entry.get("subresource"):
            fields: Mapping[str, Any] = entry["fieldsV1"]
            return fields
    return None


def _hash(content: Manifest) -> str:
    text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[: 2 * DIGEST_BYTES]
