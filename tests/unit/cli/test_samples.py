"""A sample meets its schema, or there is none."""

from typing import Any

import pytest

from fairlead_cli.run.samples import sample
from fairlead_contract.spec.api import Resource as ResourceSpec
from fairlead_workload.model.resource import Resource


def compiled(properties: dict[str, Any], **changes: Any) -> Resource:
    spec = {"name": "things", "key": {"partition": "id"}} | changes
    schema = {"type": "object", "properties": {"id": {"type": "string"}} | properties, "required": ["id", *properties]}
    return Resource(ResourceSpec.model_validate(spec | {"schema": schema}))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "x-1"),
        ({"type": "string", "minLength": 6}, "x-1xxx"),
        ({"type": "string", "maxLength": 2}, "x-"),
        ({"type": "string", "enum": ["A", "B"]}, "A"),
        ({"type": "string", "format": "date-time"}, "2026-01-31T09:00:00Z"),
        ({"type": "string", "format": "uuid"}, "01980000-0000-7000-8000-000000000000"),
        ({"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["ABC"]}, "ABC"),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 7}, 7),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "integer", "exclusiveMinimum": 4}, 5),
        ({"type": "integer", "minimum": 3, "multipleOf": 5}, 5),
        ({"type": "number", "maximum": 0.5}, 0.5),
        ({"type": "boolean"}, True),
        ({"type": ["null", "string"]}, None),
        ({"const": 42}, 42),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, 1),
        ({"type": "array", "minItems": 2, "items": {"type": "integer"}}, [1, 1]),
        ({"type": "object", "required": ["y"], "properties": {"y": {"type": "integer"}}}, {"y": 1}),
    ],
)
def test_a_property_gets_a_valid_value(schema: dict[str, Any], value: object) -> None:
    assert sample(compiled({"x": schema})) == {"id": "id-1", "x": value}


def test_a_schema_that_cannot_be_met_by_looking_has_no_sample() -> None:
    assert sample(compiled({"x": {"type": "string", "pattern": "^[A-Z]{3}$"}})) is None


def test_clients_send_neither_generated_keys_nor_what_the_server_sets() -> None:
    resource = compiled(
        {"at": {"type": "string", "format": "date-time"}, "state": {"type": "string", "readOnly": True}},
        key={"partition": "id", "generate": "UUIDv7"},
        timestamps={"created": "at"},
    )
    assert sample(resource) == {}


def test_what_an_index_needs_is_sent() -> None:
    spec = {
        "name": "things",
        "key": {"partition": "id"},
        "schema": {"type": "object", "properties": {"id": {"type": "string"}, "owner": {"type": "string"}, "note": {}}},
        "indexes": [{"name": "byOwner", "partition": "owner"}],
    }
    assert sample(Resource(ResourceSpec.model_validate(spec))) == {"id": "id-1", "owner": "owner-1"}
