"""Keys: how they read in a URL, in a document, in a cache and on an event.

A key is a tuple of the partition value and, where the resource has one, the sort value. Strings are 1 to 255 UTF-8
bytes without control characters, and compare as bytes. Integers are signed 64 bit, in canonical decimal. Dates and
times are read by the rule that documents are checked by (RFC 3339): what no document can hold names none.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from typing import Any
from urllib.parse import quote

from fairlead_contract.json_schema.compilation import compile_schema
from fairlead_workload.model import instants
from fairlead_workload.stores.base import Key, Scalar

MAX_KEY_BYTES = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,18})([.][0-9]{1,20})?([eE][+-]?[0-9]{1,3})?")
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
_TIME_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T09:05:00Z",
    "time": "09:05:00Z",
}  # formats, with an example


class InvalidKey(ValueError):
    """The text or value cannot be a key; the message says why, without repeating the value."""


def check(value: Scalar) -> Scalar:
    """`value` if it may be part of a key. Raises InvalidKey."""
    if isinstance(value, str):
        if not value:
            raise InvalidKey("a key must not be empty")
        if not (value.isascii() and value.isprintable()) and _CONTROL.search(value):
            raise InvalidKey("a key must not hold control characters")
        if len(value) > MAX_KEY_BYTES or len(value.encode()) > MAX_KEY_BYTES:
            raise InvalidKey(f"a key has at most {MAX_KEY_BYTES} bytes")
        if value in (".", ".."):
            raise InvalidKey("a key must not be a dot segment")
    elif isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
        raise InvalidKey("an integer key has at most 64 bits")
    return value


def _integer(text: str) -> Scalar:
    if not _INTEGER.fullmatch(text) or text == "-0":
        raise InvalidKey("this key is an integer, such as 42")
    return check(int(text))


def _number(text: str) -> Scalar:
    if not _NUMBER.fullmatch(text):
        raise InvalidKey("this key is a number, such as 4.2")
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise InvalidKey("this number is too large")
    return check(int(value)) if value.is_integer() else value


def _boolean(text: str) -> Scalar:
    if text not in ("true", "false"):
        raise InvalidKey("this key is true or false")
    return text == "true"


def _time(format_: str, is_valid: Callable[[str], bool], text: str) -> Scalar:
    try:
        if is_valid(text):
            return instants.normalise(text) if format_ == "date-time" else text
    except ValueError:  # of a year beyond 1 to 9999
        pass
    raise InvalidKey(f"this key is a {format_}, such as {_TIME_FORMATS[format_]}")


Parser = Callable[[str], Scalar]
PARSERS: dict[str, Parser] = {"string": check, "integer": _integer, "number": _number, "boolean": _boolean}


def time_format(schema: Mapping[str, Any]) -> str | None:
    """The format of a property that holds dates or times; None for every other one."""
    format_ = schema.get("format")
    return format_ if schema.get("type", "string") == "string" and format_ in _TIME_FORMATS else None


def parser(schema: Mapping[str, Any]) -> Parser:
    """How a key with this schema is read from a URL."""
    format_ = time_format(schema)
    if format_ is None:
        return PARSERS[schema.get("type", "string")]
    return partial(_time, format_, compile_schema({"type": "string", "format": format_}).is_valid)


def fits(value: object, kind: str) -> bool:
    """Whether `value`, as JSON has it, is a scalar of the JSON type `kind` that every store can compare."""
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, str):
        return kind == "string" and "\0" not in value
    if isinstance(value, int):
        return kind in ("integer", "number") and INT_MIN <= value <= INT_MAX
    return isinstance(value, float) and kind == "number" and isfinite(value)


def render(value: Scalar) -> str:
    """One key value as text, before percent-encoding."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(int(value)) if isinstance(value, float) and value.is_integer() else repr(value)


def encode(value: Scalar) -> str:
    """One key value as a URL segment."""
    text = render(value)
    return text if _PLAIN.fullmatch(text) else quote(text, safe="")


def path(key: Key) -> str:
    """The key as URL segments; also its form in caches, events and messages."""
    return encode(key[0]) if len(key) == 1 else f"{encode(key[0])}/{encode(key[1])}"
