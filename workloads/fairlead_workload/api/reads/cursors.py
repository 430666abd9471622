"""Cursors: where a list goes on, opaque to clients.

A cursor names the query it belongs to, and every value in it has the type of the property it stands for. It is not
secret and not signed: a made-up one may start a page elsewhere in the same list, and no more.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from fairlead_workload.model import keys
from fairlead_workload.stores.base import Query, Scalar

_MARK_BYTES = 8
Position = tuple[Scalar, ...]


class InvalidCursor(ValueError):
    """The text is not a cursor of this query."""


def _mark(resource: str, query: Query) -> bytes:
    """What binds a cursor to its query, the size of the page excepted."""
    parts = [resource, query.index, query.partition, query.sort, query.descending]
    return blake2b(msgspec.json.encode(parts), digest_size=_MARK_BYTES).digest()


def encode(resource: str, query: Query, position: Sequence[Scalar]) -> str:
    """The cursor of the page of `query` that starts after `position`."""
    content = _mark(resource, query) + msgspec.json.encode(list(position))
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def decode(cursor: str, resource: str, query: Query, types: Sequence[str]) -> Position:
    """The position in `cursor`; `types` are the JSON types of its values. Raises InvalidCursor."""
    try:
        content = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        mark, values = content[:_MARK_BYTES], msgspec.json.decode(content[_MARK_BYTES:], type=list[Any])
    except (Base64Error, ValueError, msgspec.MsgspecError, RecursionError):
        raise InvalidCursor from None
    if mark != _mark(resource, query) or len(values) != len(types) or not all(map(keys.fits, values, types)):
        raise InvalidCursor
    return tuple(values)
