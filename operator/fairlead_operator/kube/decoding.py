"""Read JSON as the API server writes it, of any depth, and no more of it than is needed.

One object that nests without end must not hide the list it is part of.

The API server takes ten thousand levels, parsers take far fewer. Values below the depth limit are decoded as null; the
planner sees how deep such a resource is, and refuses it.
"""

import re
from typing import Any, NamedTuple

import orjson

DEEPEST = 200
"""Levels that are read. More than `planner.DEEPEST`, so that what was cut is refused."""

SURE = 800
"""So many objects and lists lie within each other at most, where there are no more: Python's own parser reads that."""

_CONTAINERS = (dict, list)
_OF_LIVING = (b'{"type":"ADDED"', b'{"type":"MODIFIED"')
_VERSION = b'"resourceVersion":"'
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def loads(content: bytes) -> Any:
    """The value. orjson.JSONDecodeError when it is no JSON, even without what lies too deep."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        shallow = _cut(content)
        if shallow == content:
            raise
        return orjson.loads(shallow)


def dumps(value: Any) -> bytes:
    """The text of a value that was read; what lies too deep for that is null."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_shallow(value))


def readable(content: bytes) -> bytes:
    """`content` as any parser can read it, also one that does not go as deep as ours."""
    if content.count(b"{") + content.count(b"[") <= SURE:
        return content
    return _cut(content)


class EventHeader(NamedTuple):
    """What the first lines of an object's text say."""

    namespace: str
    name: str
    version: int


def event_header(event: bytes) -> EventHeader | None:
    """Which version of which object a watch event is about, by its text; None when the text does not show it.

    A guess: labels, which may come first, can have any key. A caller has to compare the object's uid as well. Where two
    texts look like the version none is taken: with that of an older one, a new version would be taken for a known one.
    """
    version = _after(event, _VERSION)
    if not version.isdigit() or not event.startswith(_OF_LIVING) or event.count(_VERSION) > 1:
        return None
    return EventHeader(_after(event, b'"namespace":"'), _after(event, b'"name":"'), int(version))


def version_in(event: bytes) -> int:
    """The resource version in the text of a watch event; 0 where the text does not show it."""
    version = _after(event, _VERSION)
    return int(version) if version.isdigit() and event.count(_VERSION) == 1 else 0


def depth(value: Any) -> int:
    """How many objects and lists lie within each other."""
    level, values = 0, [value]
    while values := [each for each in values if isinstance(each, _CONTAINERS)]:
        level += 1
        values = [inner for each in values for inner in (each.values() if isinstance(each, dict) else each)]
    return level


def _after(content: bytes, key: bytes) -> str:
    at = content.find(key)
    if at < 0:
        return ""
    begin = at + len(key)
    return content[begin : content.find(b'"', begin)].decode(errors="replace")


def _shallow(value: Any, level: int = 1) -> Any:
    """`value` with None for each object and list below the deepest level."""
    if not isinstance(value, _CONTAINERS):
        return value
    if level > DEEPEST:
        return None
    if isinstance(value, dict):
        return {key: _shallow(inner, level + 1) for key, inner in value.items()}
    return [_shallow(inner, level + 1) for inner in value]


def _cut(content: bytes) -> bytes:
    """`content` with null for each object and list below the deepest level."""
    kept: list[bytes] = []
    level, since = 0, 0
    for match in _TOKEN.finditer(content):
        token = match[0]
        if token in b"[{":
            level += 1
            if level == DEEPEST + 1:
                kept += [content[since : match.start()], b"null"]
        elif token in b"]}":
            if level == DEEPEST + 1:
                since = match.end()
            level -= 1
    return b"".join([*kept, content[since:]])
