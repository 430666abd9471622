"""Content-Encoding of a request body (RFC 9110, 8.4): gzip and zstd.

A body has at most one coding, and in it one gzip member, or one zstd frame with a window of at most 8 MiB (RFC 9659).
The limit of a plain body holds for what is decoded, and nothing beyond it is ever decoded.
"""

import sys
import zlib
from typing import Any

from fairlead_workload.api.messages.request import Request
from fairlead_workload.model import problems

HEADER = b"content-encoding"
ACCEPTED = ("gzip", "zstd")
_SAME = {"x-gzip": "gzip", "identity": ""}  # RFC 9110, 8.4.1.3 and 12.5.3
_GZIP_BITS = 31  # the header of gzip, and its largest window
_ZSTD_WINDOW_BITS = 23


def content_coding(request: Request) -> str:
    """The coding of the body, empty for none. Raises Problem `unsupported-media-type` for what is not taken."""
    written = (coding.strip(" \t").lower() for coding in (request.header(HEADER) or "").split(","))
    codings = [coding for name in written if (coding := _SAME.get(name, name))]  # empty elements mean nothing (5.6.1)
    if len(codings) > 1 or not set(codings) <= set(ACCEPTED):
        raise problems.unsupported_coding(ACCEPTED)
    return codings[0] if codings else ""


def decoded(data: bytes, coding: str, *, limit: int) -> bytes:
    """`data` without its coding. Raises Problem `body-too-large`, or `bad-request` when it is not of that coding."""
    decompressor, faults = _zstd() if coding == "zstd" else (zlib.decompressobj(_GZIP_BITS), zlib.error)
    try:
        plain: bytes = decompressor.decompress(data, limit + 1)
    except faults:
        raise problems.bad_request(f"The body is not {coding}, which Content-Encoding says.") from None
    if len(plain) > limit:
        raise problems.body_too_large(limit)
    if not decompressor.eof:
        raise problems.bad_request(f"The body ends before its {coding} does.")
    if decompressor.unused_data:
        raise problems.bad_request(f"The body goes on after its {coding}.")
    return plain


def _zstd() -> tuple[Any, type[Exception]]:
    if sys.version_info >= (3, 14):
        from compression import zstd  # most services are never sent any
    else:
        from backports import zstd

    bounded = {int(zstd.DecompressionParameter.window_log_max): _ZSTD_WINDOW_BITS}
    return zstd.ZstdDecompressor(options=bounded), zstd.ZstdError
