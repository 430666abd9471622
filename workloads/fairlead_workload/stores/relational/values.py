"""What a column holds of a value, so that SQL can compare it, and the value that comes back.

- Numbers travel as decimal text. That of a float always has a point, so 1 and 1.0 come back as they are.
- A column of several types has text in which the order of bytes is the order of the values of each type: a letter for
  the type, then the string, or sign, exponent and digits of the number.
- What cannot be told apart in a column (-0.0; a float or boolean among several types) is kept in `_extra` besides.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from fairlead_workload.errors import Refused
from fairlead_workload.stores.base import Document, Scalar
from fairlead_workload.stores.relational.layout import Kind

LARGEST_INTEGER = 2**63 - 1
SMALLEST_INTEGER = -(2**63)
TYPES: dict[Kind, frozenset[type]] = {
    Kind.TEXT: frozenset({str}),
    Kind.INTEGER: frozenset({int}),
    Kind.NUMBER: frozenset({int, float}),
    Kind.BOOLEAN: frozenset({bool}),
    Kind.SCALAR: frozenset({str, int, float}),
    Kind.JSON: frozenset({dict, list}),
}
COMPARABLE = TYPES | {Kind.INTEGER: frozenset({int, float}), Kind.SCALAR: frozenset({str, int, float, bool})}
_EXPONENT_OFFSET = 500  # exponents of doubles are -324 to 308
_NINES = str.maketrans("0123456789", "9876543210")
_AFTER_DIGITS = "~"
_encode = msgspec.json.Encoder().encode


def as_json(value: Any) -> str:
    """JSON text. Raises `Refused` for numbers and text that would not come back as they are."""
    try:
        check_numbers(value)
        return _encode(value).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused("datastore", f"a value cannot be stored as JSON: {error}") from None


def check_numbers(value: Any) -> None:
    """Raise ValueError for a number, at any depth, that JSON does not bring back."""
    if isinstance(value, dict):
        for item in value.values():
            check_numbers(item)
    elif isinstance(value, list):
        for item in value:
            check_numbers(item)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number is not finite")
    elif isinstance(value, int) and not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
        raise ValueError("an integer has more than 64 bits")


def is_text(value: str) -> bool:
    """Whether a string can be a key or be compared with: Unicode without NUL."""
    if value.isascii():
        return "\0" not in value
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def add_extra(document: Document, extra: Any) -> None:
    """Complete a document with what `_extra` has.

    That is a JSON object, or an array of one and the key properties that the document itself does not have.
    """
    if isinstance(extra, list):
        extra, missing = extra
        for property_ in missing:
            del document[property_]
    document.update(extra)


def is_exact(value: Any, kind: Kind) -> bool:
    """Whether a column of `kind`, which takes values of this type, gives this one back as it is."""
    if type(value) is not float:
        return True
    return kind is Kind.NUMBER and (value != 0 or math.copysign(1, value) > 0)


def number_text(value: int | float) -> str:
    """A finite number as decimal text without an exponent."""
    if isinstance(value, int):
        return str(value)
    if value.is_integer():
        return f"{int(value)}.0"
    text = repr(value)
    return format(Decimal(text), "f") if "e" in text else text


def number_value(text: str) -> int | float:
    """The number of a decimal text."""
    return float(text) if "." in text else int(text)


def scalar_text(value: Scalar) -> str:
    """The text of a finite scalar in a column of several types; true and false are those of 1 and 0."""
    if isinstance(value, str):
        return "s" + value
    sign, digits, exponent = _exactly(value).as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return "n1"
    power = len(text) - 1 + int(exponent) + _EXPONENT_OFFSET
    text = text.rstrip("0")
    if not sign:
        return f"n2{power:03}{text}"
    return f"n0{999 - power:03}{text.translate(_NINES)}{_AFTER_DIGITS}"


def scalar_value(text: str) -> str | int | float:
    """The value of such a text: of a whole number, the integer."""
    rest = text[1:]
    if text[0] == "s":
        return rest
    if rest == "1":
        return 0
    negative = rest[0] == "0"
    digits, power = rest[4:].removesuffix(_AFTER_DIGITS), int(rest[1:4])
    if negative:
        digits, power = digits.translate(_NINES), 999 - power
    exponent = power - _EXPONENT_OFFSET - (len(digits) - 1)
    number = int(digits) * 10**exponent if exponent >= 0 else float(f"{digits}e{exponent}")
    return -number if negative else number


def _exactly(value: int | float) -> Decimal:
    """A number so that it compares with others by value."""
    if isinstance(value, float) and not value.is_integer():
        return Decimal(repr(value))  # no integer is between a double and its shortest text
    return Decimal(int(value))


_NUMBERS = ("n", "o")
SCALAR_TYPES: Mapping[type, tuple[str, str]] = {str: ("s", "t"), int: _NUMBERS, float: _NUMBERS, bool: _NUMBERS}
"""Where the texts of a type begin, and what is after all of them."""
