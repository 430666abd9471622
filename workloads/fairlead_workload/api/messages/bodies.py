"""Request bodies: read within bounds of size and time, then decoded strictly.

Accepted is JSON after RFC 8259 and RFC 7493: UTF-8 without BOM, no duplicate names, no lone surrogates, integers of 64
bit, finite numbers, at most 64 levels, and no U+0000, which not every store can hold. What the bytes of the common body
rule out is not looked for in its values.
"""

import re
from collections.abc import Iterable
from math import isfinite
from typing import Any

import msgspec

from fairlead_workload.api.messages.json_errors import MAX_DEPTH, TOO_DEEP, fault
from fairlead_workload.api.messages.request import Disconnected, Request
from fairlead_workload.api.shared_timeout import SharedTimeout
from fairlead_workload.model import problems
from fairlead_workload.model.keys import INT_MAX, INT_MIN
from fairlead_workload.stores.base import Document

READ_SECONDS = 30.0

_decode = msgspec.json.Decoder().decode
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_AFTER_NAMES = (b'":', b" :", b"\n:", b"\t:", b"\r:")  # a colon after the quote of a name, or after white space
_LENGTH = re.compile(rb"[0-9]{1,19}")


async def read_body(request: Request, *, limit: int, patience: SharedTimeout) -> bytes:
    """The body. Raises Problem `bad-request`, `body-too-large` or `request-timeout`, and Disconnected."""
    declared = request.headers.get(b"content-length")
    # The server takes chunks off once: what is below another coding would be read as if it were the body.
    if declared is None and request.headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
        raise problems.bad_request("Transfer-Encoding must be chunked, once.")
    if declared is not None and (not _LENGTH.fullmatch(declared) or int(declared) > limit):
        raise problems.body_too_large(limit)
    try:
        return await patience.wait_for(_collect(request, limit, -1 if declared is None else int(declared)))
    except TimeoutError:
        raise problems.request_timeout() from None


async def _collect(request: Request, limit: int, declared: int) -> bytes:
    """All parts of the body. With a `declared` size (else -1), the last part is known before the server says so."""
    body = b""
    parts: list[bytes] = []
    size = 0
    more = True
    while more and size != declared:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(body)
        if size > limit:
            raise problems.body_too_large(limit)
        parts.append(body)
    return body if len(parts) == 1 else b"".join(parts)


def decode_object(data: bytes) -> Document:
    """The JSON object in `data`. Raises Problem `malformed-json`, or `invalid-document` for another JSON value."""
    if not data:
        raise problems.malformed_json("The body is empty.")
    try:
        value = _decode(data)
    except UnicodeDecodeError:
        raise problems.malformed_json("The body is not UTF-8.") from None
    except RecursionError:
        raise problems.malformed_json(TOO_DEEP) from None
    except msgspec.MsgspecError as error:
        raise problems.malformed_json(fault(data) or _reason(data, str(error))) from None
    if not _is_sound(value, data):
        raise problems.malformed_json(fault(data) or "An object has the same name more than once.")
    if not isinstance(value, dict):
        raise problems.invalid_document(({"pointer": "", "detail": "the body must be a JSON object"},))
    return value


def _reason(data: bytes, message: str) -> str:
    if data.startswith(b"\xef\xbb\xbf"):
        return "The body starts with a byte order mark."
    detail = message.removeprefix("JSON is malformed: ")
    return f"{detail[:1].upper()}{detail[1:]}."


class _Unfit(Exception):
    """The body breaks a rule; which one, and where, is found out afterwards."""


def _is_sound(value: Any, data: bytes) -> bool:
    try:
        names = _names((value,), 0)
    except _Unfit:
        return False
    if b"\\u0000" in data and _has_nul(value):
        return False
    # Names that come twice are fewer in the value than in the text. No count of colons is below that of names in the
    # text, so the first that is as low as the value's shows that there are none: all colons, those where a name can
    # have ended, those outside of strings.
    return (
        names == data.count(b":")
        or names == sum(map(data.count, _AFTER_NAMES))
        or names == _STRING.sub(b"", data).count(b":")
    )


def _names(values: Iterable[Any], depth: int) -> int:
    """How many names there are in `values`, every number of which is checked. Raises _Unfit."""
    if depth > MAX_DEPTH:
        raise _Unfit
    names = 0
    for value in values:
        kind = type(value)
        if kind is dict:
            names += len(value) + _names(value.values(), depth + 1)
        elif kind is list:
            names += _names(value, depth + 1)
        elif (kind is int and not INT_MIN <= value <= INT_MAX) or (kind is float and not isfinite(value)):
            raise _Unfit
    return names


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any("\0" in name or _has_nul(item) for name, item in value.items())
    return any(map(_has_nul, value)) if isinstance(value, list) else isinstance(value, str) and "\0" in value
