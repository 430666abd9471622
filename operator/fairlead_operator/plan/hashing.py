"""Canonical JSON, and the short hashes that end in names of children.

Equal values have equal text whatever their order of keys, and 40 bits are enough to distinguish the
few generations of one ApiService while the longest name still fits a label.
"""

import hashlib
import json
from typing import Any

import orjson

HASH_CHARACTERS = 10


def canonical(value: Any) -> str:
    """`value` as JSON: keys sorted, no spaces."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:
        # Integers beyond 64 bits, which a file may have and the API server never gives.
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(text: str) -> str:
    """A short hash of `text` in lower-case hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_CHARACTERS]
