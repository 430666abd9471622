"""UUIDv7 (RFC 9562): time-ordered ids for documents, operations and events."""

import os
import re
import time
from collections.abc import Callable

_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


_RANDOM_BYTES = 10
_POOL_BYTES = 512 * _RANDOM_BYTES  # one call of the system for that many ids
_pool: list[bytes] = []
os.register_at_fork(after_in_child=_pool.clear)  # parent and child must not draw the same


def _random() -> bytes:
    try:
        return _pool.pop()
    except IndexError:
        drawn = os.urandom(_POOL_BYTES)
        _pool.extend(drawn[start : start + _RANDOM_BYTES] for start in range(_RANDOM_BYTES, _POOL_BYTES, _RANDOM_BYTES))
        return drawn[:_RANDOM_BYTES]


def uuid7_bytes(clock: Callable[[], float] = time.time) -> bytes:
    """16 bytes: 48 bits of unix milliseconds, version, 12 random bits, variant, 62 random bits."""
    head = int(clock() * 1000).to_bytes(6, "big")
    tail = bytearray(_random())
    tail[0] = 0x70 | (tail[0] & 0x0F)
    tail[2] = 0x80 | (tail[2] & 0x3F)
    return head + tail


def text(value: bytes) -> str:
    """The usual form with dashes, lower-case."""
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def uuid7(clock: Callable[[], float] = time.time) -> str:
    """A new UUIDv7 in its usual form."""
    return text(uuid7_bytes(clock))


def is_uuid7(value: str) -> bool:
    """Whether `value` is a UUIDv7 in its usual form, lower-case."""
    return _PATTERN.fullmatch(value) is not None


def created_at(value: bytes) -> float:
    """Unix seconds (to the millisecond) in a UUIDv7."""
    return int.from_bytes(value[:6], "big") / 1000
