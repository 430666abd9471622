"""Why a body is refused, and where: it is parsed a second time, slowly, after the fast parser has refused it. Pure.

There is a message for each rule of `bodies` that JSON's grammar does not have, with a JSON Pointer (RFC 6901).
"""

import json
from collections.abc import Iterator
from math import isinf, isnan, nan
from typing import Any

from fairlead_workload.model.keys import INT_MAX, INT_MIN
from fairlead_workload.model.resource import pointer

MAX_DEPTH = 64
TOO_DEEP = f"The body is nested deeper than {MAX_DEPTH} levels."
_DIGITS = 400  # of an integer that is looked at as one
_Path = tuple[str | int, ...]


class _Object(dict[str, Any]):
    """A JSON object that remembers a name that it has more than once."""

    repeated: str | None = None


def fault(data: bytes) -> str | None:
    """The first rule that the JSON text in `data` breaks, or None when it breaks JSON's grammar or no rule."""
    try:
        value = json.loads(data.decode(), object_pairs_hook=_object, parse_constant=lambda _: nan, parse_int=_integer)
        return next(_faults(value, ()), None)
    except RecursionError:
        return TOO_DEEP
    except ValueError:
        return None


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    json_object = _Object(pairs)
    if len(json_object) != len(pairs):
        names = [name for name, _ in pairs]
        json_object.repeated = next(name for name in names if names.count(name) > 1)
    return json_object


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= _DIGITS else INT_MAX + 1


def _faults(value: Any, path: _Path) -> Iterator[str]:
    """What is wrong at `path` and below it, in the order of the text."""
    if isinstance(value, dict | list) and len(path) >= MAX_DEPTH:
        yield TOO_DEEP
    elif isinstance(value, str):
        yield from _of_text(value, f"The string at {_place(path)}")
    elif isinstance(value, float) and isnan(value):
        yield f"The value at {_place(path)} is no JSON: NaN and Infinity are no numbers there."
    elif isinstance(value, float) and isinf(value):
        yield f"The number at {_place(path)} is out of range: it does not fit a 64-bit float."
    elif isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
        yield f"The integer at {_place(path)} is out of range: it has more than 64 bit."
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _faults(item, (*path, position))
    elif isinstance(value, _Object):
        yield from _of_object(value, path)


def _of_object(value: _Object, path: _Path) -> Iterator[str]:
    for name, item in value.items():
        yield from _of_text(name, f"A name in {_place(path)}")
        yield from _faults(item, (*path, name))
    if value.repeated is not None:
        yield f"The object at {_place(path)} has the same name more than once: {json.dumps(value.repeated)}."


def _of_text(text: str, what: str) -> Iterator[str]:
    if "\0" in text:
        yield f"{what} holds U+0000, which not every store can hold."
    elif any("\ud800" <= character <= "\udfff" for character in text):
        yield f"{what} holds a lone surrogate, which UTF-8 cannot say: write the pair, or the character itself."


def _place(path: _Path) -> str:
    return json.dumps(pointer(path), ensure_ascii=False) if path else "the top"
