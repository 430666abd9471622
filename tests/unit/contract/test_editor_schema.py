"""The editors' schema takes the examples and every resource of the tests, and refuses what has no such shape."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from fairlead_contract.crd.definitions import KINDS
from fairlead_contract.crd.editor_schema import editor_schema
from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.validation.structure import parse

from .test_schema import nodes

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
INVALID = {path.stem: path for path in sorted((ROOT / "examples" / "invalid").glob("*.yaml"))}
CASES = sorted((ROOT / "tests" / "golden" / "plan").glob("*/resource.yaml"))
CLASSES = sorted((ROOT / "tests" / "golden" / "plan").glob("*/class.yaml"))
LINE = "# yaml-language-server: $schema=../schema/fairlead.json"

NOT_JSON = {"truncated", "boolean-property-name"}  # as YAML is read here

SCHEMA = editor_schema()
VALIDATOR = jsonschema_rs.Draft7Validator(SCHEMA)
BREAKS_THE_SHAPE = {
    "bad-duration",
    "bad-name",
    "boolean-schema",
    "unknown-field",
    "unknown-kind",
    "unknown-value",
}


def faults(document: Any) -> list[str]:
    """Every place at which the schema refuses `document`."""
    return ["/".join(map(str, error.instance_path)) + f": {error.message}" for error in VALIDATOR.iter_errors(document)]


def test_the_schema_is_one_of_draft_07() -> None:
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert jsonschema_rs.meta.is_valid(SCHEMA)
    assert "x-kubernetes" not in json.dumps(SCHEMA)


def test_the_file_in_the_repository_is_what_is_generated() -> None:
    assert json.loads((ROOT / "schema" / "fairlead.json").read_text()) == SCHEMA


@pytest.mark.parametrize("path", [*EXAMPLES, *CASES, *CLASSES], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_sound_resource_is_taken(path: Path) -> None:
    assert faults(yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_leads_editors_to_the_schema(path: Path) -> None:
    first = path.read_text().partition("\n")[0]
    assert first == LINE
    assert (path.parent / first.partition("$schema=")[2]).resolve() == ROOT / "schema" / "fairlead.json"


@pytest.mark.parametrize("name", sorted(INVALID.keys() - NOT_JSON))
def test_an_invalid_example_is_refused_where_its_shape_is_the_fault(name: str) -> None:
    document = yaml.safe_load(INVALID[name].read_text())
    assert bool(faults(document)) is (name in BREAKS_THE_SHAPE)
    if document["kind"] == "ApiService" and parse(document, ApiService, {})[1]:
        assert name in BREAKS_THE_SHAPE


ORDERS = yaml.safe_load((ROOT / "examples" / "orders.yaml").read_text())


def leaf(document: Any, *place: str | int) -> Any:
    for part in place:
        document = document[part]
    return document


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ((), "specs", {}),
        (("metadata",), "lables", {}),
        (("spec",), "dataStore", {}),
        (("spec", "api", "resources", 0), "caches", {}),
        (("spec", "api", "resources", 0, "cache", "local"), "tll", "1s"),
        (("spec", "datastore", "postgresql"), "hostname", "x"),
        (("spec", "worker", "handlers", 0, "steps", 0, "call", "service"), "url", "x"),
        (("spec", "queue"), "type", "Rabbit"),
        (("spec", "queue", "retry"), "maxAttempts", 0),
        (("spec", "queue", "retry"), "maxAge", "1 day"),
        (("spec", "scaling", "api"), "min", "2"),
        (("spec", "api", "resources", 1), "operations", ["Get", "Get"]),
        (("spec",), "worker", None),
        (("metadata",), "name", "Orders"),
    ],
)
def test_what_an_editor_is_to_mark_is_refused_at_its_place(place: tuple[str | int, ...], name: str, value: Any) -> None:
    document = copy.deepcopy(ORDERS)
    leaf(document, *place)[name] = value
    [fault] = faults(document)
    assert fault.startswith("/".join(map(str, place)))


def test_a_user_schema_is_open() -> None:
    document = copy.deepcopy(ORDERS)
    schema = leaf(document, "spec", "api", "resources", 1, "schema")
    schema |= {"$defs": {"money": {"type": "number"}}, "anyOf": [{"required": ["quantity"]}]}
    schema["properties"]["price"] = {"$ref": "#/$defs/money", "x-unit": "EUR"}
    assert faults(document) == []


def test_an_object_as_the_api_server_gives_it_is_taken() -> None:
    document = copy.deepcopy(ORDERS)
    document["metadata"] |= {
        "uid": "u",
        "generation": 2,
        "managedFields": [{"manager": "kubectl"}],
        "finalizers": ["f"],
    }
    document["status"] = {"observedGeneration": 2, "conditions": []}
    assert faults(document) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_schema_of_one_kind_takes_no_other(kind: Any) -> None:
    validator = jsonschema_rs.Draft7Validator(editor_schema([kind]))
    assert validator.is_valid(ORDERS) is (kind.name == "ApiService")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_is_described_and_every_object_closed_or_a_map(kind: Any) -> None:
    for path, node in nodes(editor_schema([kind])):
        if ".metadata" in path:
            continue
        assert path.endswith("[]") or node["description"].strip(), path
        if node.get("type") == "object" and "resources[].schema" not in path:
            assert "additionalProperties" in node, path


def test_a_default_below_a_list_stands_where_editors_look_for_it() -> None:
    resources = SCHEMA["definitions"]["ApiService"]["properties"]["spec"]["properties"]["api"]["properties"][
        "resources"
    ]
    reads = resources["items"]["properties"]["reads"]
    assert reads["default"] == "Eventual"
    assert "Default:" not in reads["description"]
