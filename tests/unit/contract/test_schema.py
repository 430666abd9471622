"""The generator says what a structural schema can say, and refuses the rest."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import Field

from fairlead_contract.crd.definitions import KINDS, Kind, custom_resource_definition, object_schema
from fairlead_contract.crd.structural_schema import NotRepresentable, structural
from fairlead_contract.spec.model import Model, Rule, map_list

ROOT = Path(__file__).parents[3]
YAML_BOOLEANS = {"y", "n", "yes", "no", "on", "off", "true", "false"}
FORBIDDEN = {"$ref", "$defs", "anyOf", "allOf", "oneOf", "not", "title", "const", "examples", "uniqueItems", "nullable",
             "exclusiveMinimum", "exclusiveMaximum", "patternProperties", "propertyNames"}  # fmt: skip
Text = Annotated[str, Field(max_length=9)]

kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema within `schema`, by its path."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from nodes(schema[keyword], f"{path}[]")


def below_root(kind: Kind) -> list[tuple[str, dict[str, Any]]]:
    envelope = {"", ".apiVersion", ".kind", ".metadata"}
    return [(path, node) for path, node in nodes(object_schema(kind)) if path not in envelope]


@kinds
def test_only_keywords_of_a_structural_schema_appear(kind: Kind) -> None:
    for path, node in nodes(object_schema(kind)):
        assert not FORBIDDEN & node.keys(), path
        assert node["type"] in {"object", "array", "string", "integer", "boolean"}, path
        assert node.get("additionalProperties") is not False, path
        assert node.get("required") != [], path  # an API server drops it, so appliers would never settle


@kinds
def test_every_field_is_described(kind: Kind) -> None:
    for path, node in nodes(object_schema(kind)):
        if not path.endswith("[]") and path != ".metadata":  # which the API server knows and describes itself
            assert node["description"].strip(), path


@kinds
def test_every_text_list_and_map_is_bounded(kind: Kind) -> None:
    for path, node in below_root(kind):
        if node["type"] == "string":
            assert "maxLength" in node or "enum" in node, path
        if node["type"] == "array":
            assert "maxItems" in node, path
        if "additionalProperties" in node:
            assert "maxProperties" in node, path


@kinds
def test_no_name_and_no_value_is_a_yaml_boolean(kind: Kind) -> None:
    for path, node in nodes(object_schema(kind)):
        names = list(node.get("properties", {}))
        if not path.endswith("conditions[].status"):  # True and False are Kubernetes' own values there
            names += [str(value) for value in node.get("enum", [])]
        assert not [name for name in names if name.lower() in YAML_BOOLEANS], path


@kinds
def test_no_default_stands_below_a_list_or_the_status(kind: Kind) -> None:
    for path, node in nodes(object_schema(kind)):
        if "[]" in path or path.startswith(".status"):
            assert "default" not in node, path


@kinds
def test_a_list_of_named_things_is_a_map(kind: Kind) -> None:
    for path, node in nodes(object_schema(kind)):
        if node["type"] == "array" and "name" in node["items"].get("required", ()) and "children" not in path:
            keyed = node.get("x-kubernetes-list-type") == "map"
            assert keyed or path.endswith("parentRefs"), path  # a Gateway is known by name and optional namespace


def test_the_user_schema_is_typed_half_way() -> None:
    resources = object_schema(KINDS[0])["properties"]["spec"]["properties"]["api"]["properties"]["resources"]
    schema = resources["items"]["properties"]["schema"]
    assert schema["x-kubernetes-preserve-unknown-fields"] is True
    assert schema["required"] == ["type", "properties"]
    properties = schema["properties"]["properties"]
    assert properties["maxProperties"] == 200
    assert properties["additionalProperties"] == {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def test_the_datastore_has_its_whole_default() -> None:
    spec = object_schema(KINDS[0])["properties"]["spec"]["properties"]
    assert spec["datastore"]["default"] == {"type": "DynamoDB", "provision": "Managed"}
    assert "default" not in spec["queue"]


def test_a_default_below_a_list_is_stated_in_the_description() -> None:
    resources = object_schema(KINDS[0])["properties"]["spec"]["properties"]["api"]["properties"]["resources"]
    assert resources["items"]["properties"]["reads"]["description"].endswith("Default: Eventual.")


def test_the_plural_is_not_the_one_that_kubectl_resolves_to_the_built_in_kind() -> None:
    definition = custom_resource_definition(KINDS[0])
    names = definition["spec"]["names"]
    assert definition["metadata"]["name"] == "apisvcs.fairlead.dev"
    assert (names["plural"], names["singular"], names["shortNames"]) == ("apisvcs", "apisvc", ["apisvc"])
    assert names["categories"] == ["fairlead"]
    assert definition["spec"]["versions"][0]["subresources"] == {"status": {}}


@pytest.mark.parametrize(
    ("annotation", "field", "said"),
    [
        (str, Field(description="x"), "no upper bound for this string"),
        (tuple[Text, ...], Field(description="x"), "no upper bound for this array"),
        (dict[str, Text], Field(description="x"), "no upper bound for this object"),
        (Text, Field(), "no description"),
        (float, Field(description="x"), "type number"),
        (Any, Field(description="x"), "type None"),
        (int | Text, Field(description="x"), "anyOf"),
        (Text | None, Field(description="x"), "nullable without the default null"),
        (Text | None, Field(default="a", description="x"), "nullable without the default null"),
        (int, Field(gt=0, description="x"), "exclusiveMinimum"),
        (int, Field(lt=0, description="x"), "exclusiveMaximum"),
        (Literal[1], Field(description="x"), "const"),
        (Text, Field(examples=["a"], description="x"), "examples"),
        (Text, Field(json_schema_extra={"pattern": "^(?=a)"}, description="x"), "look-around"),
        (frozenset[Text], Field(max_length=3, description="x"), "uniqueItems"),
        (tuple[Text, Text], Field(max_length=2, description="x"), "prefixItems"),
        (dict[str, Text], Field(json_schema_extra={"additionalProperties": False}, description="x"),
         "additionalProperties false"),
        (dict[Text, Text], Field(max_length=3, description="x"), "propertyNames"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused(annotation: Any, field: Any, said: str) -> None:
    model = type("Thing", (Model,), {"__annotations__": {"thing": annotation}, "thing": field, "__module__": __name__})
    with pytest.raises(NotRepresentable, match=said):
        structural(model)


class Loop(Model):
    inner: "Loop | None" = Field(default=None, description="x")


class Frozen(Model):
    RULES = (Rule("self == oldSelf", "cannot change; leave it"),)
    name: Text = Field(description="x")


class LooseList(Model):
    items: tuple[Frozen, ...] = Field(max_length=3, description="x")


class MapList(Model):
    items: tuple[Frozen, ...] = Field(max_length=3, description="x", json_schema_extra=map_list())


class UnkeyedMapList(Model):
    items: tuple[Frozen, ...] = Field(max_length=3, description="x", json_schema_extra=map_list("id"))


class Lost(Model):
    RULES = (Rule("true", "never; never", ".nowhere"),)
    name: Text = Field(description="x")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Loop, "contains itself"),
        (LooseList, "a transition rule below a list that is no map"),
        (UnkeyedMapList, "the key of a map list must be required"),
        (Lost, "no field .nowhere for a rule"),
    ],
)
def test_a_model_that_an_api_server_would_refuse_is_refused(model: type[Model], said: str) -> None:
    with pytest.raises(NotRepresentable, match=said):
        structural(model)


def test_a_transition_rule_may_stand_below_a_map_list() -> None:
    items = structural(MapList)["properties"]["items"]["items"]
    assert items["x-kubernetes-validations"] == [{"rule": "self == oldSelf", "message": "cannot change; leave it"}]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    spec = importlib.util.spec_from_file_location("manifests", ROOT / "scripts" / "manifests.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_on_disk_are_fresh(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["--check"]) == 0
    assert "fresh" in capsys.readouterr().out


def test_a_stale_file_is_reported_with_a_diff(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "FOLDER", tmp_path / "crds")
    (tmp_path / "crds").mkdir()
    assert script.main([]) == 0
    stale = tmp_path / "crds" / "fairlead.dev_apisvcs.yaml"
    stale.write_text(stale.read_text().replace("name: apisvcs.fairlead.dev", "name: apisvcs.old.dev"))
    assert script.main(["--check"]) == 1
    assert "-  name: apisvcs.old.dev" in capsys.readouterr().out


@kinds
def test_the_generated_yaml_reads_back_as_the_definition(script: ModuleType, kind: Kind) -> None:
    text = script.manifests()[ROOT / "crds" / f"fairlead.dev_{kind.plural}.yaml"]
    assert text.startswith("# Generated by `make manifests`")
    assert yaml.safe_load(text) == custom_resource_definition(kind)
