"""An integer is one however it is written, and wherever the schema wants it: of 64 bits, never stored as a float."""

import json
from typing import Any

import pytest

from fairlead_workload.errors import Problem
from fairlead_workload.model.merge import merge

from .specs import resource

INTEGER = {"type": "integer"}
TREE = {
    "type": "object",
    "properties": {"n": INTEGER, "kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
}
SHAPES = {
    "oneOf": [
        {"properties": {"kind": {"const": "box"}, "n": INTEGER}, "required": ["kind"]},
        {"properties": {"kind": {"const": "ball"}, "n": {"type": "number"}}, "required": ["kind"]},
    ]
}
WANTED: dict[str, tuple[dict[str, Any], Any]] = {
    "at the top": (INTEGER, "?"),
    "or null": ({"type": ["integer", "null"]}, "?"),
    "or text": ({"type": ["string", "integer"]}, "?"),
    "with bounds of its own": (INTEGER | {"minimum": -1e30, "exclusiveMaximum": 10**30}, "?"),
    "in an object": ({"type": "object", "properties": {"q": INTEGER}}, {"q": "?"}),
    "in an array": ({"type": "array", "items": INTEGER}, [7, "?"]),
    "at a place of an array": ({"type": "array", "prefixItems": [{"type": "number"}, INTEGER]}, [7, "?"]),
    "under any name": ({"type": "object", "additionalProperties": INTEGER}, {"a/b ~ü%20": "?"}),
    "under a pattern": ({"type": "object", "patternProperties": {"^n": INTEGER}}, {"n": "?"}),
    "behind a reference": ({"$ref": "#/$defs/count"}, "?"),
    "below itself": ({"$ref": "#/$defs/tree"}, {"n": 1, "kids": [{"kids": [{"n": "?"}]}]}),
    "in one of two forms": ({"anyOf": [{"type": "string"}, INTEGER]}, "?"),
    "in the form that it took": (SHAPES, {"kind": "box", "n": "?"}),
    "by a part": ({"allOf": [{"type": "number"}, INTEGER]}, "?"),
}
NUMBERS: dict[str, tuple[dict[str, Any], Any]] = {
    "a number": ({"type": "number"}, "?"),
    "integer or number": ({"type": ["integer", "number"]}, "?"),
    "in an object": ({"type": "object", "properties": {"q": {"type": "number"}, "n": INTEGER}}, {"q": "?"}),
    "in the other form": (SHAPES, {"kind": "ball", "n": "?"}),
    "without a schema": ({}, "?"),
}


def orders(schema: dict[str, Any]) -> Any:
    properties = {"id": {"type": "string"}, "value": schema}
    definitions = {"count": INTEGER, "tree": TREE}
    return resource(schema={"type": "object", "properties": properties, "$defs": definitions}, timestamps={})


def filled(shape: Any, value: Any) -> Any:
    """`shape` with `value` at the question mark."""
    return json.loads(json.dumps(shape).replace('"?"', repr(value)))


def stored(schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """The text that is stored of the value: of a new document, of a replaced one and of a patched one."""
    compiled = orders(schema)
    compiled.check_new(document)
    former = {"id": "a"}
    ways = [
        compiled.created(document, ("a",), at=0.0),
        compiled.replaced(document, ("a",), former, at=0.0),
        compiled.patched(merge(former, document), at=0.0),
    ]
    return [json.dumps(way["value"]) for way in ways]


@pytest.mark.parametrize("case", WANTED)
@pytest.mark.parametrize(
    ("value", "integer"),
    [(1.0, 1), (-0.0, 0), (1e3, 1000), (9e18, 9 * 10**18), (2.0**53, 2**53), (-(2.0**63), -(2**63)), (7, 7)],
)
def test_a_whole_number_is_stored_as_an_integer_wherever_one_is_wanted(case: str, value: float, integer: int) -> None:
    schema, shape = WANTED[case]
    document = {"id": "a", "value": filled(shape, value)}
    before = json.dumps(document)
    assert stored(schema, document) == [json.dumps(filled(shape, integer))] * 3
    assert json.dumps(document) == before, "the client's own document is not changed"


@pytest.mark.parametrize("case", WANTED)
@pytest.mark.parametrize("value", [1e19, -1e19, 2.0**63, 1e300, 1.5])
def test_what_is_no_integer_of_64_bits_is_refused_wherever_one_is_wanted(case: str, value: float) -> None:
    schema, shape = WANTED[case]
    with pytest.raises(Problem) as caught:
        orders(schema).check_new({"id": "a", "value": filled(shape, value)})
    assert caught.value.type == "invalid-document"
    assert caught.value.errors[0]["pointer"].startswith("/value")


@pytest.mark.parametrize("case", NUMBERS)
@pytest.mark.parametrize("value", [1.0, 1e19, 1.5])
def test_a_number_stays_as_it_is_where_no_integer_is_wanted(case: str, value: float) -> None:
    schema, shape = NUMBERS[case]
    document = {"id": "a", "value": filled(shape, value)}
    assert stored(schema, document) == [json.dumps(document["value"])] * 3


def test_the_place_and_the_rule_are_reported() -> None:
    schema = {"type": "object", "properties": {"q": {"type": "array", "items": INTEGER}}}
    with pytest.raises(Problem) as caught:
        orders(schema).check_new({"id": "a", "value": {"q": [1, 1e19]}})
    assert caught.value.errors == ({"pointer": "/value/q/1", "detail": "an integer has at most 64 bits"},)


@pytest.mark.parametrize("patch", [{"value": 1e19}, {"value": -1e19}])
def test_a_patch_is_refused_before_it_is_merged(patch: dict[str, Any]) -> None:
    with pytest.raises(Problem):
        orders({"type": ["integer", "null"]}).check_patch(patch)
