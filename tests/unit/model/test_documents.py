"""One document has one JSON form, and one key, however they are written."""

import pytest

from fairlead_contract.spec.api import Resource as ResourceSpec
from fairlead_workload.model.resource import Resource
from fairlead_workload.stores.base import Document

READINGS = Resource(
    ResourceSpec.model_validate(
        {
            "name": "readings",
            "key": {"partition": "at"},
            "schema": {
                "type": "object",
                "properties": {
                    "at": {"type": "string", "format": "date-time"},
                    "value": {"type": "number"},
                    "status": {"type": "string", "readOnly": True},
                },
            },
        }
    )
)


@pytest.mark.parametrize(
    ("document", "encoded"),
    [
        ({"value": 5.0, "at": "x"}, b'{"at":"x","value":5}'),
        ({"value": 5, "at": "x"}, b'{"at":"x","value":5}'),
        ({"value": 5.5}, b'{"value":5.5}'),
        ({"value": 1e300}, b'{"value":1e300}'),
        ({"value": None}, b'{"value":null}'),
        (
            {"z": {"b": 1, "a": [{"d": 1, "c": 2}]}, "y": 1, "at": "x"},
            b'{"at":"x","y":1,"z":{"a":[{"c":2,"d":1}],"b":1}}',
        ),
    ],
)
def test_the_order_and_spelling_of_a_stored_document_do_not_matter(document: Document, encoded: bytes) -> None:
    assert READINGS.encode(document) == encoded


def test_a_key_that_is_an_instant_is_compared_as_one() -> None:
    key = READINGS.parse_key(("2026-01-01T01:00:00+01:00",))
    assert key == ("2026-01-01T00:00:00.000000Z",)
    READINGS.check_new({"at": "2026-01-01T00:00:00Z"}, from_path=key)
