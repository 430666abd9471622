"""References inside a schema: every legal way to write one is served, checked and described alike."""

from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from fairlead_contract.json_schema.compilation import schema_findings
from fairlead_contract.openapi.document import openapi
from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.api import Resource as Spec
from fairlead_workload.errors import Problem
from fairlead_workload.model.resource import Resource

CITY = {"type": "string", "pattern": "^[A-Z]"}
ADDRESS = {"type": "object", "required": ["city"], "properties": {"city": CITY, "zip": {"type": "string"}}}
TREE = {"type": "object", "properties": {"city": CITY, "near": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}

# What stands in the property `place`, what else the schema has, a value that fits and one that does not.
GOOD, BAD = {"city": "Rome"}, {"city": "rome"}
FORMS: dict[str, tuple[Any, Any, Any, Any]] = {
    "$defs": ({"$ref": "#/$defs/addr"}, {"$defs": {"addr": ADDRESS}}, GOOD, BAD),
    "definitions": ({"$ref": "#/definitions/addr"}, {"definitions": {"addr": ADDRESS}}, GOOD, BAD),
    "another property": ({"$ref": "#/properties/home"}, {"properties": {"home": ADDRESS}}, GOOD, BAD),
    "deep in another property": (
        {"$ref": "#/properties/homes/items"},
        {"properties": {"homes": {"type": "array", "items": ADDRESS}}},
        GOOD,
        BAD,
    ),
    "a definition in a definition": (
        {"$ref": "#/$defs/addr/properties/city"},
        {"$defs": {"addr": ADDRESS}},
        "Rome",
        "rome",
    ),
    "an item of a list": ({"$ref": "#/anyOf/1"}, {"anyOf": [True, ADDRESS]}, GOOD, BAD),
    "$anchor": ({"$ref": "#addr"}, {"$defs": {"x": ADDRESS | {"$anchor": "addr"}}}, GOOD, BAD),
    "an anchor on a property": (
        {"$ref": "#addr"},
        {"properties": {"home": ADDRESS | {"$anchor": "addr"}}},
        GOOD,
        BAD,
    ),
    "$dynamicRef": ({"$dynamicRef": "#addr"}, {"$defs": {"x": ADDRESS | {"$dynamicAnchor": "addr"}}}, GOOD, BAD),
    "both keywords": (
        {"$ref": "#/$defs/addr", "$dynamicRef": "#/$defs/object"},
        {"$defs": {"addr": ADDRESS, "object": {"type": "object"}}},
        GOOD,
        BAD,
    ),
    "a relative $id": ({"$ref": "addr.json"}, {"$defs": {"x": ADDRESS | {"$id": "addr.json"}}}, GOOD, BAD),
    "an absolute $id": (
        {"$ref": "https://example.com/addr.json"},
        {"$id": "https://example.com/order.json", "$defs": {"x": ADDRESS | {"$id": "/addr.json"}}},
        GOOD,
        BAD,
    ),
    "the schema's own $id": (
        {"$ref": "order.json#/$defs/addr"},
        {"$id": "https://example.com/order.json", "$defs": {"addr": ADDRESS}},
        GOOD,
        BAD,
    ),
    "a URN": (
        {"$ref": "urn:example:order#/$defs/addr"},
        {"$id": "urn:example:order", "$defs": {"addr": ADDRESS}},
        GOOD,
        BAD,
    ),
    "a pointer relative to an $id": (
        {"$ref": "addr.json"},
        {
            "$defs": {
                "x": {
                    "$id": "addr.json",
                    "type": "object",
                    "properties": {"city": {"$ref": "#/$defs/city"}},
                    "$defs": {"city": CITY},
                }
            }
        },
        GOOD,
        BAD,
    ),
    "an anchor of an $id": (
        {"$ref": "addr.json#city"},
        {"$defs": {"x": {"$id": "addr.json", "$defs": {"city": CITY | {"$anchor": "city"}}}}},
        "Rome",
        "rome",
    ),
    "a pointer through an $id": (
        {"$ref": "#/$defs/x/$defs/addr"},
        {"$defs": {"x": {"$id": "x.json", "$defs": {"addr": {"$ref": "#/$defs/real"}, "real": ADDRESS}}}},
        GOOD,
        BAD,
    ),
    "escapes": ({"$ref": "#/$defs/a~1b%25c~0d%20e"}, {"$defs": {"a/b%c~d e": ADDRESS}}, GOOD, BAD),
    "a name beyond ASCII": ({"$ref": "#/$defs/stra%C3%9Fe"}, {"$defs": {"straße": ADDRESS}}, GOOD, BAD),
    "names alike but for case": (
        {"$ref": "#/$defs/addr"},
        {"$defs": {"addr": ADDRESS, "Addr": {"type": "string"}}, "properties": {"other": {"$ref": "#/$defs/Addr"}}},
        GOOD,
        BAD,
    ),
    "an unknown keyword": ({"$ref": "#/x-shared/addr"}, {"x-shared": {"addr": ADDRESS}}, GOOD, BAD),
    "a boolean": ({"$ref": "#/$defs/never"}, {"$defs": {"never": False}}, None, "anything"),
    "a reference to a reference": (
        {"$ref": "#/$defs/a"},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": ADDRESS}},
        GOOD,
        BAD,
    ),
    "more beside it": ({"$ref": "#/$defs/addr", "minProperties": 2}, {"$defs": {"addr": ADDRESS}}, None, GOOD),
    "a scalar, narrowed": ({"$ref": "#/$defs/c", "maxLength": 4}, {"$defs": {"c": CITY}}, "Rome", "Romes"),
    "a scalar, narrowed twice": (
        {"$ref": "#/$defs/c", "pattern": "e$"},
        {"$defs": {"c": CITY}},
        "Rome",
        "rome",
    ),
    "a scalar or null": (
        {"$ref": "#/$defs/c"},
        {"$defs": {"c": {"type": ["string", "null"], "pattern": "^[A-Z]"}}},
        "Rome",
        "rome",
    ),
    "a scalar of two types, narrowed": (
        {"$ref": "#/$defs/c", "maxLength": 4},
        {"$defs": {"c": {"type": ["string", "integer"]}}},
        "Rome",
        "Romes",
    ),
    "of no declared type": ({"$ref": "#/$defs/c"}, {"$defs": {"c": {"enum": ["Rome", 7]}}}, 7, "rome"),
    "recursion in a definition": (
        {"$ref": "#/$defs/tree"},
        {"$defs": {"tree": TREE}},
        {"near": [{"near": [GOOD]}]},
        {"near": [{"near": [BAD]}]},
    ),
    "recursion to the whole schema": (
        {"type": "array", "items": {"$ref": "#"}},
        {"properties": {"city": CITY}},
        [{"id": "a", "place": [{"id": "b", **GOOD}]}],
        [{"id": "a", "place": [{"id": "b", **BAD}]}],
    ),
    "what the whole schema requires": ({"$ref": "#"}, {"properties": {"city": CITY}}, {"id": "a"}, {"city": "Rome"}),
    "recursion between two": (
        {"$ref": "#/$defs/a"},
        {
            "$defs": {
                "a": {"type": "object", "properties": {"b": {"$ref": "#/$defs/b"}}},
                "b": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}, "city": CITY}},
            }
        },
        {"b": {"a": {"b": GOOD}}},
        {"b": {"a": {"b": BAD}}},
    ),
    "data that looks like one": (
        {"enum": [{"$ref": "#/nowhere"}]},
        {"$defs": {"addr": ADDRESS}},
        {"$ref": "#/nowhere"},
        {"$ref": "#/$defs/addr"},
    ),
    "a property called $ref": (
        {"$ref": "#/$defs/o"},
        {"$defs": {"o": {"type": "object", "properties": {"$ref": CITY}}}},
        {"$ref": "Rome"},
        {"$ref": "rome"},
    ),
}


def schema(place: Any, more: dict[str, Any]) -> dict[str, Any]:
    properties = {"id": {"type": "string"}, "place": place} | more.get("properties", {})
    return {"type": "object", "required": ["id"]} | more | {"properties": properties}


def spec(written: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"name": "orders", "key": {"partition": "id"}, "schema": written} | changes


def is_taken(resource: Resource, body: dict[str, Any]) -> bool:
    try:
        resource.check_new(body)
    except Problem:
        return False
    resource.check_patch(body)
    return True


def described(written: dict[str, Any]) -> dict[str, Any]:
    """The components of the OpenAPI document."""
    service = {
        "version": 1,
        "name": "shop",
        "namespace": "default",
        "datastore": {"type": "SQLite"},
        "cache": {"type": "Memory"},
    }
    document = RuntimeDocument.model_validate(service | {"api": {"resources": [spec(written)]}})
    found: dict[str, Any] = openapi(document)["components"]
    return found


def fits(components: dict[str, Any], name: str, value: Any) -> bool:
    whole = {"$ref": f"#/components/schemas/{name}", "components": components}
    return Draft202012Validator(whole, validate_formats=True, offline=True).is_valid(value)


@pytest.mark.parametrize("case", FORMS)
def test_every_way_to_refer_is_served_as_it_is_described(case: str) -> None:
    place, more, good, bad = FORMS[case]
    written = schema(place, more)
    assert schema_findings(written, ()) == [] or case == "an unknown keyword"
    resource, components = Resource(Spec.model_validate(spec(written))), described(written)
    original = Draft202012Validator(written, validate_formats=True, offline=True)
    for value, expected in ((good, True), (bad, False)):
        if value is None:  # nothing fits
            continue
        body = {"id": "1", "place": value}
        assert original.is_valid(body) is expected
        assert is_taken(resource, body) is expected
        assert fits(components, "OrdersCreate", body) is expected
        assert fits(components, "Orders", body) is expected


@pytest.mark.parametrize("case", FORMS)
def test_components_refer_to_components_only(case: str) -> None:
    place, more, _, _ = FORMS[case]
    components = described(schema(place, more))
    assert all("$defs" not in component for component in components["schemas"].values())
    for name in components["schemas"]:
        fits(components, name, {})  # raises for a reference that leads nowhere
    folded = [name.lower() for name in components["schemas"]]
    assert len(folded) == len(set(folded))


def test_a_patch_may_hold_a_part_of_what_is_referred_to() -> None:
    written = schema({"$ref": "#/$defs/tree"}, {"$defs": {"tree": TREE | {"required": ["city"]}}})
    components = described(written)
    for patch, expected in (
        ({"place": {"near": []}}, True),
        ({"place": None}, True),
        ({"place": {"near": None}}, True),
        ({"place": {"city": None}}, False),
        ({"place": {"near": [{"near": []}]}}, False),  # a list replaces a list, so its items are whole
    ):
        assert fits(components, "OrdersPatch", patch) is expected


REFUSED = {
    "a pointer to nothing": ({"$ref": "#/$defs/nope"}, {}),
    "an anchor that nobody has": ({"$ref": "#nope"}, {}),
    "a place outside": ({"$ref": "https://example.com/addr.json"}, {}),
    "a schema that everybody knows": ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, {}),
    "no schema": ({"$ref": "#/required"}, {}),
    "one of several anchors": (
        {"$dynamicRef": "#n"},
        {
            "$dynamicAnchor": "n",
            "$defs": {"x": {"$id": "x.json", "$dynamicAnchor": "n", "type": "object"}},
        },
    ),
    "itself": ({"$ref": "#/$defs/a"}, {"$defs": {"a": {"$ref": "#/$defs/a"}}}),
    "itself, round about": (
        {"$ref": "#/$defs/a"},
        {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}},
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_reference_that_leads_nowhere_is_refused_by_name(case: str) -> None:
    found = schema_findings(schema(*REFUSED[case]), ("spec",))
    messages = " ".join(finding.message for finding in found)
    assert any(text in messages for text in ("a reference cannot", "refers to itself", "no valid JSON Schema"))


def test_what_a_property_refers_to_says_what_it_is() -> None:
    """A key, an index, a default, a time and what is read-only may all stand in a definition."""
    definitions = {
        "key": {"type": "integer"},
        "state": {"type": "string", "default": "NEW", "readOnly": True},
        "time": {"type": "string", "format": "date-time"},
        "home": {"type": "object", "readOnly": True},
    }
    properties = {name: {"$ref": f"#/$defs/{name}"} for name in definitions} | {
        "away": {"allOf": [{"$ref": "#/$defs/home"}]}
    }
    written = {"type": "object", "properties": properties, "$defs": definitions}
    resource = Resource(Spec.model_validate(spec(written, key={"partition": "key"})))
    assert resource.parse_key(("7",)) == (7,)
    assert resource.read_only == {"state", "home", "away"}
    created = resource.created({"time": "2026-01-31T10:00:00+01:00"}, (7,), at=0)
    assert created == {"key": 7, "state": "NEW", "time": "2026-01-31T09:00:00.000000Z"}


@pytest.mark.parametrize(
    ("format_", "limited"), [("date-time", False), ("date", False), ("time", False), ("uuid", True)]
)
def test_a_key_that_is_a_moment_has_no_limits_of_text(format_: str, limited: bool) -> None:
    """Programs that make clients take it for a time, which has no length."""
    written = {"type": "object", "properties": {"id": {"type": "string", "format": format_}}}
    found = described(written)["parameters"]["Orders.id"]["schema"]
    assert found["format"] == format_
    assert ("maxLength" in found) is limited
