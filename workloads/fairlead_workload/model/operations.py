"""Operations: the ids of accepted writes, and the record a client polls.

An id carries the UUIDv7 of the write, the path of its document and a MAC over both and the principal: accepting needs
no database write, a guessed or foreign id is unknown, and the document's URL is there from the start.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from typing import Any

import msgspec

from fairlead_workload.model import identifiers, instants

_UUID, _MAC = 16, 12
_ALPHABET = re.compile(r"[A-Za-z0-9_-]+")
MAX_ID_LENGTH = 2200  # in Base64: two keys of 255 bytes, each byte percent-encoded, and the name of a resource fit


class OperationRecord(msgspec.Struct, frozen=True):
    """How an operation ended, as stored (JSON; space OPERATIONS, id = the event's). `error` is a problem body."""

    status: str  # Succeeded or Failed
    error: dict[str, Any] | None
    version: int | None  # of the document after it; None when nothing was written
    created_at: float  # unix seconds
    path: str  # orders/KEY
    dead_letter: bool = False


@dataclass(frozen=True, slots=True)
class OperationRef:
    """A genuine operation id, taken apart. `uuid` names its record and its event; `path` is `orders/KEY`."""

    uuid: str
    path: str
    created_at: float  # unix seconds


class OperationIds:
    """Mints and reads operation ids with one secret, kept in the store."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def mint(self, uuid: bytes, *, principal: str, path: str) -> str:
        """The public id of the write `uuid` (16 bytes) to the document at `path`."""
        return _text(uuid + self._mac(uuid, principal, path) + path.encode())

    def read(self, id_: str, *, principal: str) -> OperationRef | None:
        """What is in the id, or None when it is not ours or not this principal's."""
        if len(id_) > MAX_ID_LENGTH or not _ALPHABET.fullmatch(id_):
            return None
        try:
            raw = urlsafe_b64decode(id_ + "=" * (-len(id_) % 4))
            uuid, mac, path = raw[:_UUID], raw[_UUID : _UUID + _MAC], raw[_UUID + _MAC :].decode()
        except (Base64Error, ValueError):
            return None
        if not compare_digest(mac, self._mac(uuid, principal, path)) or _text(raw) != id_:
            return None
        return OperationRef(identifiers.text(uuid), path, identifiers.created_at(uuid))

    def _mac(self, uuid: bytes, principal: str, path: str) -> bytes:
        who = principal.encode()
        message = uuid + len(who).to_bytes(4, "big") + who + path.encode()
        return blake2b(message, key=self._secret, digest_size=_MAC).digest()


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


_record_encoder = msgspec.json.Encoder()
_record_decoder = msgspec.json.Decoder(OperationRecord)


def encode_record(record: OperationRecord) -> bytes:
    """The record's value."""
    return _record_encoder.encode(record)


def decode_record(value: bytes) -> OperationRecord:
    """The record in a stored value. Raises msgspec.MsgspecError for what `encode_record` did not write."""
    return _record_decoder.decode(value)


def body(
    id_: str, status: str, *, resource: str, created_at: float, error: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The operation as clients see it: `status` is Pending, Succeeded or Failed, `resource` a URL path."""
    document: dict[str, Any] = {
        "id": id_,
        "status": status,
        "resource": resource,
        "createdAt": instants.render(created_at),
    }
    if error is not None:
        document["error"] = error
    return document
