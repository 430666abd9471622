"""Conditional requests and negotiation (RFC 9110): entity tags, If-Match, If-None-Match, Accept, Prefer, Cache-Control.

Decided here: the ETag of a document is its quoted version, always strong; If-Match compares strongly, If-None-Match
weakly.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from fairlead_workload.api.request import Request
from fairlead_workload.errors import Problem
from fairlead_workload.model import problems
from fairlead_workload.stores.base import Expect

_TAG = re.compile(r'(W/)?"([!#-~\x80-\xff]*)"')
_SEPARATOR = re.compile(r"[ \t]*(?:,[ \t]*)+")
_VERSION = re.compile(r"0|[1-9][0-9]{0,18}")
_QUALITY = re.compile(r"q=(0(\.[0-9]{0,3})?|1(\.0{0,3})?)", re.IGNORECASE)


def etag(version: int) -> str:
    """The strong ETag of a version."""
    return f'"{version}"'


@dataclass(frozen=True, slots=True)
class Condition:
    """What a write asks of the stored document. `versions`, if given, must hold the current one."""

    versions: frozenset[int] | None = None
    expect: Expect = Expect.ANY

    @property
    def given(self) -> bool:
        return self.versions is not None or self.expect is not Expect.ANY

    def resolve(self, version: int | None) -> Expect | int:
        """The condition as a write carries it; `version` is the current one. Raises Problem `precondition-failed`."""
        if self.versions is not None and version not in self.versions:
            raise problems.precondition_failed(version)
        if self.versions is not None and version is not None:
            return version
        if (self.expect is Expect.PRESENT and version is None) or (
            self.expect is Expect.ABSENT and version is not None
        ):
            raise problems.precondition_failed(version)
        return self.expect


UNCONDITIONAL = Condition()


def _tags(field: str, name: str) -> list[tuple[bool, str]]:
    """(weak, opaque tag) of a list of entity tags. Raises Problem `bad-request`."""
    tags: list[tuple[bool, str]] = []
    position = 0
    field = field.strip(" \t,")
    while position < len(field):
        match = _TAG.match(field, position)
        if match is None:
            break
        tags.append((match[1] is not None, match[2]))
        position = match.end()
        separator = _SEPARATOR.match(field, position)
        if separator is None:
            break
        position = separator.end()
    if not tags or position < len(field):
        raise problems.bad_request(f'{name} takes entity tags such as "42", or *.')
    return tags


def write_condition(request: Request) -> Condition:
    """If-Match and If-None-Match of a write. Raises Problem `bad-request` for what is neither tags nor *."""
    match, none_match = request.header(b"if-match"), request.header(b"if-none-match")
    if match is None and none_match is None:
        return UNCONDITIONAL
    if match is not None and none_match is not None:
        raise problems.bad_request("Send either If-Match or If-None-Match.")
    if none_match is not None:
        if none_match.strip() != "*":
            raise problems.bad_request("A write takes If-None-Match with * only; use If-Match for an entity tag.")
        return Condition(expect=Expect.ABSENT)
    assert match is not None  # noqa: S101 - both were None above
    if match.strip() == "*":
        return Condition(expect=Expect.PRESENT)
    # A weak tag never matches strongly, and one that is no version of ours never matches at all.
    strong = (tag for weak, tag in _tags(match, "If-Match") if not weak)
    return Condition(versions=frozenset(int(tag) for tag in strong if _VERSION.fullmatch(tag)))


def is_not_modified(field: str, current: str) -> bool:
    """Whether If-None-Match names `current` (a quoted tag), compared weakly. A malformed field names nothing."""
    if field == current or field.strip() == "*":
        return True
    try:
        return any(f'"{tag}"' == current for _, tag in _tags(field, "If-None-Match"))
    except Problem:
        return False


def wants_fresh(request: Request) -> bool:
    """Whether the client asks for revalidation: `Cache-Control: no-cache` or `max-age=0`."""
    field = request.headers.get(b"cache-control")
    if field is None:
        return False
    directives = {part.strip() for part in field.lower().split(b",")}
    return not directives.isdisjoint((b"no-cache", b"max-age=0", b"no-store"))


def prefers_async(request: Request) -> bool:
    """Whether the client sent `Prefer: respond-async` (RFC 7240)."""
    field = request.headers.get(b"prefer")
    return field is not None and b"respond-async" in {
        part.partition(b";")[0].strip() for part in field.lower().split(b",")
    }


@lru_cache(maxsize=256)
def _accepts(field: bytes) -> bool:
    best, quality = -1, 1.0
    for part in field.decode("latin-1").lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        rank = _rank(media, parameters)
        if rank > best:
            best, quality = rank, _quality(parameters)
    return best >= 0 and quality > 0


_RANKS = {"*/*": 0, "application/*": 1, "application/json": 2}


def _rank(media: str, parameters: Collection[str]) -> int:
    specific = any(parameter and not parameter.startswith("q=") for parameter in parameters)
    return -1 if specific and media != "application/json" else _RANKS.get(media, -1)


def _quality(parameters: Collection[str]) -> float:
    for parameter in parameters:
        if match := _QUALITY.fullmatch(parameter):
            return float(match[1])
    return 1.0


def check_accept(request: Request) -> None:
    """Raise Problem `not-acceptable` when Accept excludes application/json."""
    field = request.headers.get(b"accept")
    if field is None or field == b"*/*" or not field.strip():
        return
    accepted = _accepts(field) if len(field) <= 256 else _accepts.__wrapped__(field)
    if not accepted:
        raise problems.not_acceptable()
