"""Keys: what may be one, and that a key survives its way through a URL."""

from math import isfinite
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead_contract.json_schema.compilation import compile_schema
from fairlead_workload.model import keys
from fairlead_workload.model.keys import InvalidKey

TEXTS = st.text(min_size=1, max_size=63).filter(
    lambda text: (
        text not in (".", "..")
        and not any(ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000 for c in text)
    )
)
INTEGERS = st.integers(keys.INT_MIN, keys.INT_MAX)
NUMBERS = st.floats(-1e15, 1e15).map(lambda value: int(value) if value.is_integer() else value)


def parsed(segment: str, kind: str) -> Any:
    return keys.PARSERS[kind](unquote(segment, errors="strict"))


@given(TEXTS)
def test_a_text_survives_the_url(value: str) -> None:
    assert parsed(keys.encode(value), "string") == value


@given(INTEGERS)
def test_an_integer_survives_the_url(value: int) -> None:
    assert parsed(keys.encode(value), "integer") == value


@given(NUMBERS)
def test_a_number_survives_the_url(value: float) -> None:
    assert isfinite(value)
    assert parsed(keys.encode(value), "number") == value


@given(st.booleans())
def test_a_boolean_survives_the_url(value: bool) -> None:
    assert parsed(keys.encode(value), "boolean") is value


@given(TEXTS, TEXTS)
def test_a_path_of_two_is_distinguished(first: str, second: str) -> None:
    assert [unquote(part) for part in keys.path((first, second)).split("/")] == [first, second]


@given(TEXTS, TEXTS)
def test_different_keys_have_different_paths(first: str, second: str) -> None:
    assert (keys.path((first,)) == keys.path((second,))) is (first == second)


@given(TEXTS)
def test_a_path_is_plain_ascii(value: str) -> None:
    path = keys.path((value,))
    assert path.isascii()
    assert path.isprintable()
    assert not set(path) & set("/?# ")


ENCODED = {
    "plain": ("abc-1_2.3~", "abc-1_2.3~"),
    "slash": ("a/b", "a%2Fb"),
    "space and percent": ("a %", "a%20%25"),
    "umlaut": ("ü", "%C3%BC"),
    "integer": (-5, "-5"),
    "integral float": (5.0, "5"),
    "float": (1.5e-7, "1.5e-07"),
    "boolean": (True, "true"),
}


@pytest.mark.parametrize("case", ENCODED)
def test_encoding(case: str) -> None:
    value, expected = ENCODED[case]
    assert keys.encode(value) == expected


REFUSED = {
    "an empty text": ("", "string"),
    "a control character": ("a\x1f", "string"),
    "a C1 control character": ("a\x85", "string"),
    "NUL": ("a\x00", "string"),
    "a lone surrogate": ("a\ud800", "string"),
    "a dot segment": ("..", "string"),
    "256 bytes": ("x" * 256, "string"),
    "256 bytes in fewer characters": ("ü" * 128, "string"),
    "a plus sign": ("+5", "integer"),
    "a leading zero": ("05", "integer"),
    "minus zero": ("-0", "integer"),
    "a fraction": ("5.0", "integer"),
    "65 bits": (str(2**63), "integer"),
    "digits of another script": ("\u0665", "integer"),
    "white space": (" 5", "integer"),
    "an underscore": ("1_0", "integer"),
    "infinity": ("inf", "number"),
    "not a number": ("nan", "number"),
    "an overflow": ("1e999", "number"),
    "a number too large for an integer": ("1e300", "number"),
    "a number without digits": ("-", "number"),
    "a capital": ("True", "boolean"),
    "one": ("1", "boolean"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_a_key(case: str) -> None:
    text, kind = REFUSED[case]
    with pytest.raises(InvalidKey) as refused:
        keys.PARSERS[kind](text)
    assert len(text) < 2 or text not in str(refused.value), "the message must not repeat the value"


ACCEPTED = {
    "255 bytes": ("x" * 255, "string", "x" * 255),
    "the smallest integer": (str(-(2**63)), "integer", -(2**63)),
    "the largest integer": (str(2**63 - 1), "integer", 2**63 - 1),
    "an integral number": ("5.0", "number", 5),
    "minus zero as a number": ("-0", "number", 0),
    "an exponent": ("1e2", "number", 100),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_can_be_a_key(case: str) -> None:
    text, kind, value = ACCEPTED[case]
    found = keys.PARSERS[kind](text)
    assert (found, type(found)) == (value, type(value))


def test_a_date_time_key_is_read_in_its_stored_form() -> None:
    parse = keys.parser({"type": "string", "format": "date-time"})
    assert parse("2026-01-31T10:05:00+01:00") == "2026-01-31T09:05:00.000000Z"
    with pytest.raises(InvalidKey, match="date-time"):
        parse("yesterday")


MOMENTS = {
    "date": (["2026-01-31", "2024-02-29"], ["20260131", "2026-W05-6", "2026-031", "2026-1-31", "2026-02-30", "now"]),
    "time": (["09:05:00Z", "09:05:00.5+01:00"], ["09:05Z", "0905Z", "09:05:00", "24:00:00Z"]),
}


@pytest.mark.parametrize(
    ("format_", "text", "taken"),
    [(name, text, taken) for name, texts in MOMENTS.items() for taken in (True, False) for text in texts[not taken]],
)
def test_dates_and_times_are_read_as_documents_have_them(format_: str, text: str, taken: bool) -> None:
    schema = {"type": "string", "format": format_}
    parse = keys.parser(schema)
    assert compile_schema(schema).is_valid(text) is taken
    if taken:
        assert parse(text) == text
    else:
        with pytest.raises(InvalidKey, match=f"this key is a {format_}, such as"):
            parse(text)


FITS = [
    ("a", "string", True),
    (1, "string", False),
    (True, "boolean", True),
    (True, "integer", False),
    (1, "integer", True),
    (2**63, "integer", False),
    (1, "number", True),
    (1.5, "number", True),
    (1.5, "integer", False),
    (float("inf"), "number", False),
    (None, "string", False),
    ([], "string", False),
]


@pytest.mark.parametrize(("value", "kind", "expected"), FITS)
def test_fits(value: object, kind: str, expected: bool) -> None:
    assert keys.fits(value, kind) is expected
