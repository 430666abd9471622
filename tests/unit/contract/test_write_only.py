"""A writeOnly property: where lint refuses it, and where the OpenAPI document has it."""

from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from fairlead_contract.openapi.document import openapi
from fairlead_contract.runtime import derive
from fairlead_contract.validation.rules import check

NESTED = {"type": "object", "properties": {"password": {"type": "string", "writeOnly": True}}}
PROPERTIES: dict[str, Any] = {
    "id": {"type": "string"},
    "name": {"type": "string"},
    "password": {"type": "string", "writeOnly": True, "minLength": 8},
}


def service(schema: Any = None, properties: Any = None, **resource: Any) -> dict[str, Any]:
    written = {"type": "object", "required": ["id", "password"], "properties": PROPERTIES | (properties or {})}
    users = {"name": "users", "key": {"partition": "id"}, "schema": written | (schema or {})} | resource
    spec = {"api": {"resources": [users]}, "datastore": {"type": "SQLite"}, "queue": {"type": "SQLite", "order": "Key"}}
    return {
        "apiVersion": "fairlead.dev/v1alpha1",
        "kind": "ApiService",
        "metadata": {"name": "users"},
        "spec": spec | {"cache": {"type": "Memory"}},
    }


PLACE = "spec.api.resources[0]"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a key": (service(key={"partition": "password"}), "key.partition"),
    "a sort key": (service(key={"partition": "id", "sort": "password"}), "key.sort"),
    "an index": (service(indexes=[{"name": "a", "partition": "password"}]), "indexes[0].partition"),
    "the order of an index": (
        service(indexes=[{"name": "a", "partition": "name", "sort": "password"}]),
        "indexes[0].sort",
    ),
    "a reference": (service(references=[{"field": "password", "resource": "users"}]), "references[0].field"),
    "readOnly too": (
        service(properties={"token": {"type": "string", "readOnly": True, "writeOnly": True}}),
        "schema.properties.token",
    ),
    "written back": (service(cache={"strategy": "WriteBack"}), "cache.strategy"),
    "in an object": (service(properties={"login": NESTED}), "schema.properties.login"),
    "in a list": (service(properties={"logins": {"type": "array", "items": NESTED}}), "schema.properties.logins"),
    "in a choice": (service(properties={"login": {"anyOf": [NESTED, {"type": "null"}]}}), "schema.properties.login"),
    "where it is referred to": (
        service({"$defs": {"login": NESTED}}, {"login": {"$ref": "#/$defs/login"}}),
        "schema.properties.login",
    ),
    "in a recursion": (service(properties={"friend": {"$ref": "#"}}), "schema.properties.friend"),
    "beside the properties": (service({"allOf": [NESTED]}), "schema"),
    "in any other property": (service({"additionalProperties": {"writeOnly": True}}), "schema"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_where_it_would_be_shown_it_is_refused(case: str) -> None:
    document, place = REFUSED[case]
    found = [finding for finding in check(document).errors if "writeOnly" in finding.message]
    assert [finding.path for finding in found] == [f"{PLACE}.{place}"]


SOUND: dict[str, dict[str, Any]] = {
    "a property": service(),
    "an object as a whole": service(properties={"login": NESTED | {"writeOnly": True}}),
    "a definition": service(
        {"$defs": {"secret": {"type": "string", "writeOnly": True}}}, {"token": {"$ref": "#/$defs/secret"}}
    ),
    "not writeOnly": service(properties={"name": {"type": "string", "writeOnly": False}}),
}


@pytest.mark.parametrize("case", SOUND)
def test_a_property_of_the_document_may_be(case: str) -> None:
    assert check(SOUND[case]).errors == ()


def components(document: dict[str, Any]) -> dict[str, Any]:
    checked = check(document).resource
    found: dict[str, Any] = openapi(derive(checked))["components"]  # type: ignore[arg-type]
    return found


def fits(found: dict[str, Any], name: str, value: Any) -> bool:
    whole = {"$ref": f"#/components/schemas/{name}", "components": found}
    return Draft202012Validator(whole, offline=True).is_valid(value)


def test_requests_may_hold_it_and_answers_have_none() -> None:
    found = components(service({"additionalProperties": False, "anyOf": [{"required": ["password"]}]}))
    assert "password" not in found["schemas"]["Users"]["properties"]
    for form in ("Create", "Replace", "Patch"):
        assert "writeOnly" in str(found["schemas"][f"Users{form}"])
    plain, whole = {"id": "1", "name": "Ada"}, {"id": "1", "name": "Ada", "password": "hunter22"}
    assert fits(found, "Users", plain)
    assert not fits(found, "Users", whole)
    assert fits(found, "UsersCreate", whole)
    assert not fits(found, "UsersCreate", plain)
    assert fits(found, "UsersReplace", plain)
    assert fits(found, "UsersReplace", whole)
    assert not fits(found, "UsersReplace", whole | {"password": "short"})
    assert fits(found, "UsersPatch", {"password": "hunter22"})
    assert not fits(found, "UsersPatch", {"password": None})


def test_an_open_answer_has_none_either() -> None:
    assert not fits(components(service()), "Users", {"id": "1", "password": "hunter22"})
