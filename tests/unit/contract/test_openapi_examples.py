"""The examples of the OpenAPI document: shown when they fit, and plain only where a validator agrees."""

from itertools import combinations
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from fairlead_contract.openapi.examples import example, plainly_fits
from fairlead_contract.openapi.schemas import INT64, KEY_TEXT, UUID_V7

UUID = "01985a5e-7a2b-7c3d-8e4f-5a6b7c8d9e0f"
KEYWORDS: list[tuple[str, Any]] = [
    *[("type", each) for each in ("string", "integer", "number", "boolean", "object", ["string", "null"], "text")],
    *[("description", each) for each in ("ä", 5)],
    *[("readOnly", each) for each in (True, "yes")],
    *[("default", each) for each in (None, {"a": 1})],
    *[("minLength", each) for each in (1, 5, -1, "1", 10**30)],
    *[("maxLength", each) for each in (4, 0, 4.0, True, 10**30)],
    *[("minimum", each) for each in (-3, 5, 0.5, "0", -(10**30), INT64["minimum"])],
    *[("maximum", each) for each in (4, 10**30, INT64["maximum"])],
    *[("enum", each) for each in (["note", "x"], ["note", "note"], [], "note")],
    *[("format", each) for each in ("uuid", "date-time", "email", "unheard-of", 7)],
    *[("pattern", each) for each in (KEY_TEXT["pattern"], UUID_V7["pattern"], "^n", "(", 1)],
    *[("properties", each) for each in ({}, {"a": {"type": "integer"}}, {"a": {}, "b": {}}, {"a": False}, 5)],
    *[("required", each) for each in ([], ["a"], ["a", "a"], ["b"], "a")],
    *[("additionalProperties", each) for each in (True, False, {"type": "string"}, 0)],
    *[
        ("anyOf", each)
        for each in ([{"type": "string"}, {"type": "null"}], [{"type": "null"}], [], [True, {"type": "null"}])
    ],
    ("multipleOf", 2),
    ("maxProperties", 0),
]
VALUES: list[Any] = [
    "note",
    "",
    ".",
    "ñ\U0001f600",
    UUID,
    5,
    -3,
    0,
    2**63,
    True,
    0.5,
    None,
    {},
    {"a": 1},
    {"b": 1},
    ["a"],
]


def test_what_is_plain_fits_for_a_validator_too() -> None:
    schemas = [dict(chosen) for count in (1, 2, 3) for chosen in combinations(KEYWORDS, count)]
    plain = [(value, schema) for schema in schemas for value in VALUES if plainly_fits(value, schema)]
    wrong = [(value, schema) for value, schema in plain if not fits(value, schema)]
    assert wrong == []
    assert {keyword for _, schema in plain for keyword in schema} == {keyword for keyword, _ in KEYWORDS[:-2]}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    try:
        return Draft202012Validator(schema, validate_formats=True, offline=True).is_valid(value)
    except ValueError:  # the schema is none
        return False


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"properties": {"note": {"type": "string"}}, "required": ["note"]}, {"note": "note"}),
        ({"properties": {"note": {"type": "string", "minLength": 6}}}, {"note": "notexx"}),
        ({"properties": {"note": {"type": "string", "pattern": "^n"}}}, {"note": "note"}),
        ({"properties": {"note": {"type": "string", "pattern": "^x"}}}, None),
        ({"properties": {"note": {"type": "string"}}, "required": ["note", "other"]}, None),
        ({"properties": {"note": {"type": "string"}}, "minProperties": 2}, None),
        ({"properties": {"note": {"$ref": "#/components/schemas/A"}, "b": {"type": "boolean"}}}, {"b": True}),
        ({"properties": {"count": {"type": "integer", "minimum": 3, "multipleOf": 2}}}, None),
        ({"properties": {"count": {"type": "integer", "minimum": 4, "multipleOf": 2}}}, {"count": 4}),
        ({"properties": {"to": {"type": "object", "properties": {"zip": {"type": "string"}}}}}, {"to": {"zip": "zip"}}),
        ({"properties": {"to": {"type": "object", "additionalProperties": False, "default": {"a": 1}}}}, None),
        ({"properties": {"all": {"type": "array", "items": {"type": "string"}}}}, {"all": ["all"]}),
        ({"properties": {}}, None),
    ],
)
def test_an_example_is_shown_when_it_fits(schema: dict[str, Any], shown: dict[str, Any] | None) -> None:
    assert example(schema, {"A": {"type": "string"}}) == shown
