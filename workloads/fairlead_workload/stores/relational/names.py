"""Names in a datastore that bounds them: as they are where they fit, else shortened, with a digest of the whole name.

A digest depends on the name alone, so the same resources get the same names everywhere. Our own names begin with an
underscore, so others never do.
"""

import hashlib
from collections.abc import Collection

_DIGEST_CHARACTERS = 10


def bounded_name(wanted: str, taken: Collection[str], *, limit_bytes: int) -> str:
    """`wanted`, or a name like it of at most `limit_bytes` that is none of those taken."""
    if _fits(wanted, limit_bytes) and wanted not in taken:
        return wanted
    name, count = _digested(wanted, limit_bytes), 1
    while name in taken:
        count += 1
        name = _digested(f"{wanted}\n{count}", limit_bytes)
    return name


def schema_name(namespace: str, name: str, *, limit_bytes: int) -> str:
    """The schema or prefix of an ApiService. Kubernetes' names have no underscores, so no two ApiServices share one."""
    whole = f"{namespace}_{name}" if namespace else name
    return whole if len(whole) <= limit_bytes else _digested(whole, limit_bytes)


def _fits(name: str, limit_bytes: int) -> bool:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= limit_bytes and not name.startswith("_") and "\0" not in name


def _digested(name: str, limit_bytes: int) -> str:
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_DIGEST_CHARACTERS]
    kept = "".join(
        character for character in name if character.isascii() and (character.isalnum() or character in "-_")
    )
    start = kept.lstrip("_")[: limit_bytes - _DIGEST_CHARACTERS - 2] or "property"
    return f"{start}__{digest}"
