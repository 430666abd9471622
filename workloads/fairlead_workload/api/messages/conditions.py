"""Conditional requests and negotiation (RFC 9110): entity tags, If-Match, If-None-Match, Accept, Prefer, Cache-Control.

The ETag of a document is its quoted version, always strong; If-Match compares strongly and comes first, If-None-Match
weakly (RFC 9110, 13). Where there would be no success without them, conditions are not looked at.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from fairlead_workload.api.messages.request import Request
from fairlead_workload.errors import Problem
from fairlead_workload.model import problems
from fairlead_workload.stores.base import Expect

_TAG = re.compile(r'(W/)?"([!#-~\x80-\xff]*)"')
_SEPARATOR = re.compile(r"[ \t]*(?:,[ \t]*)+")
_VERSION = re.compile(r"0|[1-9][0-9]{0,18}")
_QUALITY = re.compile(r"q=(0(\.[0-9]{0,3})?|1(\.0{0,3})?)", re.IGNORECASE)


Versions = frozenset[int] | Literal["*"]  # that a field names; `*` is whichever there is


@dataclass(frozen=True, slots=True)
class Condition:
    """What a write requires of the stored document, by If-Match and If-None-Match."""

    match: Versions | None = None
    none_match: Versions | None = None

    @property
    def given(self) -> bool:
        return self.match is not None or self.none_match is not None

    def resolve(self, version: int | None) -> Expect | int:
        """The condition as a write carries it; `version` is the current one. Raises Problem `precondition-failed`."""
        if self.match is not None and not _names(self.match, version):
            raise problems.precondition_failed(version)
        if self.none_match is not None and _names(self.none_match, version):
            raise problems.precondition_failed(version)
        if version is None:
            return Expect.ANY if self.none_match is None else Expect.ABSENT
        # Versions only grow: one that is named and lies ahead could still become the document's.
        if isinstance(self.match, frozenset) or (
            isinstance(self.none_match, frozenset) and any(named > version for named in self.none_match)
        ):
            return version
        return Expect.ANY if self.match is None else Expect.PRESENT


UNCONDITIONAL = Condition()


def _names(field: Versions, version: int | None) -> bool:
    return version is not None and (field == "*" or version in field)


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
    if b"if-match" not in request.headers and b"if-none-match" not in request.headers:
        return UNCONDITIONAL
    return Condition(_versions(request, "If-Match", strong=True), _versions(request, "If-None-Match", strong=False))


def _versions(request: Request, name: str, *, strong: bool) -> Versions | None:
    field = request.header(name.lower().encode())
    if field is None:
        return None
    if field.strip(" \t") == "*":
        return "*"
    # A weak tag never matches strongly, and one that is no version of ours never matches at all.
    tags = (tag for weak, tag in _tags(field, name) if not (weak and strong))
    return frozenset(int(tag) for tag in tags if _VERSION.fullmatch(tag))


def check_match(request: Request, current: str | None) -> None:
    """If-Match of a read, `current` being the quoted tag of what is there. Raises Problem `precondition-failed`."""
    field = request.header(b"if-match")
    if field is None or field.strip(" \t") == "*":
        return
    if not any(not weak and f'"{tag}"' == current for weak, tag in _tags(field, "If-Match")):
        raise problems.precondition_failed_by_tag(current)


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
