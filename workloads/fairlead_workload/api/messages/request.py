"""One HTTP request as the kernel sees it: head limits, the header fields we read, request id and trace context.

Header fields are walked once, in order; only the known ones are kept; a repeated list field is joined, any other
repeated one is refused. Host is asked for once, with a valid value (RFC 9112, 3.2), by HTTP/1.0 alone not at all. The
path is split raw and decoded once, segment by segment: a key may hold `%2F`.
"""

import re
from random import getrandbits
from socket import AF_INET6, inet_pton
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from fairlead_workload.api.servers.base import Receive, Scope
from fairlead_workload.errors import Problem
from fairlead_workload.model import problems

MAX_URL_BYTES = 8 * 1024
MAX_HEADER_BYTES = 16 * 1024
MAX_HEADERS = 100
MAX_HOST_BYTES = 512  # a name has at most 255
MAX_KNOWN_HOSTS = 256
_HEADER_OVERHEAD_BYTES = 4  # ": " and the line end

_LISTS = frozenset((b"accept", b"cache-control", b"content-encoding", b"if-match", b"if-none-match", b"prefer"))
_SINGLES = frozenset(
    (
        b"access-control-request-method",
        b"content-length",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"origin",
        b"traceparent",
        b"transfer-encoding",
        b"x-request-id",
    )
)
_KNOWN = _LISTS | _SINGLES
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|([\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(:[0-9]{0,5})?")
_HOSTS: set[bytes] = set()  # that were found valid lately: nearly all requests name one of a few
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")


class Disconnected(Exception):
    """The client went away before its request had arrived."""


class Request:
    """The context of one request. `headers` holds the known fields only, by lower-case name."""

    __slots__ = (
        "head_problem",
        "headers",
        "id",
        "method",
        "principal",
        "raw_path",
        "receive",
        "trace_id",
        "traceparent",
        "url_query",
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.raw_path: str = _raw_path(scope)
        self.url_query: bytes = scope["query_string"]
        self.receive = receive
        self.principal = ""  # there is no authentication yet
        self.head_problem: Problem | None = None  # what is wrong with the head, raised once the route is known
        self.headers: dict[bytes, bytes] = self._walk(scope["headers"])
        if self.headers.get(b"host") not in _HOSTS:
            self._check_host(scope)
        self.id = self._request_id()
        self.traceparent = ""
        self.trace_id = ""
        if b"traceparent" in self.headers:
            self._trace(self.headers[b"traceparent"])
        if len(self.raw_path) + len(self.url_query) + 1 > MAX_URL_BYTES:
            self.head_problem = problems.uri_too_long(MAX_URL_BYTES)

    def _walk(self, fields: Any) -> dict[bytes, bytes]:
        headers: dict[bytes, bytes] = {}
        size = 0
        for name, value in fields:
            size += len(name) + len(value)
            if name in _KNOWN:
                if name in headers:
                    value = self._joined(name, headers[name], value)
                headers[name] = value
        if len(fields) > MAX_HEADERS or size + _HEADER_OVERHEAD_BYTES * len(fields) > MAX_HEADER_BYTES:
            self.head_problem = problems.header_fields_too_large(MAX_HEADER_BYTES)
        return headers

    def _check_host(self, scope: Scope) -> None:
        host = self.headers.get(b"host", b"").strip(b" \t")
        if len(host) <= MAX_HOST_BYTES and _is_host(host):
            if len(_HOSTS) >= MAX_KNOWN_HOSTS:
                _HOSTS.clear()
            _HOSTS.add(host)
        # Granian gives an empty field for none, and calls the version 1.
        elif host or scope.get("http_version") not in ("1.0", "1"):
            self.head_problem = problems.bad_request(
                "The request needs one Host header field, with a host and maybe a port."
            )

    def _joined(self, name: bytes, first: bytes, second: bytes) -> bytes:
        if name in _LISTS:
            return first + b", " + second
        if (first != second or name == b"host") and name not in (b"traceparent", b"x-request-id"):
            self.head_problem = problems.bad_request(f"The header field {name.decode()} is given more than once.")
        return first

    def _request_id(self) -> str:
        client_id = self.headers.get(b"x-request-id")
        if client_id is not None and _REQUEST_ID.fullmatch(client_id):
            return client_id.decode()
        return getrandbits(128).to_bytes(16, "big").hex()

    def _trace(self, field: bytes) -> None:
        """Keep a valid trace context, but never its flags: whether to sample is not the client's to say."""
        match = _TRACEPARENT.fullmatch(field)
        if match is not None and (field[:2] != b"00" or match[3] is None):
            self.trace_id = match[1].decode()
            self.traceparent = f"00-{self.trace_id}-{match[2].decode()}-00"

    def trace_context(self) -> str:
        """`traceparent` for what follows from this request: the client's trace, or a new one."""
        if not self.traceparent:
            self.trace_id = (getrandbits(128) | 1).to_bytes(16, "big").hex()
            span_id = (getrandbits(64) | 1).to_bytes(8, "big").hex()
            self.traceparent = f"00-{self.trace_id}-{span_id}-00"
        return self.traceparent

    def header(self, name: bytes) -> str | None:
        """A known header field as text."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


def _raw_path(scope: Scope) -> str:
    raw: bytes | None = scope.get("raw_path")
    if raw is None:  # optional in ASGI
        return quote(scope["path"], safe="/%:@!$&'()*+,;=~")
    return raw.partition(b"?")[0].decode("latin-1") if b"?" in raw else raw.decode("latin-1")


def _is_host(field: bytes) -> bool:
    match = _HOST.fullmatch(field)
    if match is None or not field.startswith(b"["):
        return match is not None
    try:
        return bool(inet_pton(AF_INET6, match[1][1:-1].decode()))
    except OSError:
        return False


def decode_segment(raw: str) -> str:
    """One path segment, percent-decoded. Raises Problem `invalid-key` for what is not UTF-8 or badly encoded."""
    if "%" not in raw and raw.isascii():
        return raw
    if _BAD_ESCAPE.search(raw):
        raise problems.invalid_key("A percent sign in the URL is not followed by two hexadecimal digits.")
    try:
        return unquote_to_bytes(raw.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise problems.invalid_key("The URL is not UTF-8.") from None
