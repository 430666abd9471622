"""Read JSON of any depth: one object that nests without end must not hide the list it is part of.

The API server takes ten thousand levels, parsers take far fewer. What lies deeper than any resource of ours has reason
to be is read as null; whoever plans for such a resource sees how deep it is, and refuses it.
"""

import re
from typing import Any

import orjson

DEEPEST = 200
"""Levels that are read. More than `prepare.DEEPEST`, so that what was cut is refused."""

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


def depth(value: Any) -> int:
    """How many objects and lists lie within each other."""
    level, found = 0, [value]
    while found := [each for each in found if isinstance(each, dict | list)]:
        level += 1
        found = [inner for each in found for inner in (each.values() if isinstance(each, dict) else each)]
    return level


def _cut(content: bytes) -> bytes:
    """`content` with null for each object and list below the deepest level."""
    kept: list[bytes] = []
    level, since = 0, 0
    for found in _TOKEN.finditer(content):
        token = found[0]
        if token in b"[{":
            level += 1
            if level == DEEPEST + 1:
                kept += [content[since : found.start()], b"null"]
        elif token in b"]}":
            if level == DEEPEST + 1:
                since = found.end()
            level -= 1
    return b"".join([*kept, content[since:]])
