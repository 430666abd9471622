"""The OpenAPI document of a service: valid, complete, and strict about what clients may send."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta
from schemathesis.specs.openapi.definitions import OPENAPI_31

from fairlead_contract import problems
from fairlead_contract.openapi.document import openapi
from fairlead_contract.runtime import RuntimeDocument

PROPERTIES: dict[str, Any] = {
    "id": {"type": "string"},
    "owner": {"type": "string", "maxLength": 64},
    "count": {"type": "integer", "minimum": 1},
    "note": {"type": "string"},
    "address": {
        "type": "object",
        "required": ["city"],
        "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
    },
    "parent": {"$ref": "#/$defs/parent"},
    "state": {"type": "string", "enum": ["NEW", "DONE"], "default": "NEW", "readOnly": True},
    "secret": {"type": "string", "readOnly": True},
    "createdAt": {"type": "string", "format": "date-time", "readOnly": True},
}
SCHEMA = {
    "type": "object",
    "required": ["owner", "count", "state", "secret"],
    "additionalProperties": False,
    "properties": PROPERTIES,
    "$defs": {"parent": {"type": "string", "pattern": "^p"}},
}


def service(*, queue: bool = True, **changes: Any) -> RuntimeDocument:
    """A service with one resource, `line-items`."""
    resource = {
        "name": "line-items",
        "key": {"partition": "id", "generate": "UUIDv7"},
        "schema": SCHEMA,
        "timestamps": {"created": "createdAt"},
        "indexes": [{"name": "byOwner", "partition": "owner", "sort": "createdAt"}],
    } | changes
    return RuntimeDocument.model_validate(
        {
            "version": 1,
            "name": "shop",
            "namespace": "default",
            "api": {"resources": [resource]},
            "datastore": {"type": "SQLite"},
            "cache": {"type": "Memory"},
            "queue": {"type": "SQLite"} if queue else None,
        }
    )


def resources(*names: str, **changes: Any) -> RuntimeDocument:
    """A service with resources of these names."""
    document = service(**changes)
    found = [document.api.resources[0].model_copy(update={"name": name}) for name in names]
    return document.model_copy(update={"api": document.api.model_copy(update={"resources": tuple(found)})})


SERVICES = {
    "a generated key, synchronous": service(),
    "without a queue": service(queue=False),
    "accepted writes": service(writes="Accepted"),
    "read only": service(operations=["Get"]),
    "collection only": service(operations=["List", "Create"]),
    "two keys": service(key={"partition": "owner", "sort": "count"}, indexes=[]),
    "a boolean key": service(
        key={"partition": "flag"},
        schema={"type": "object", "properties": {"flag": {"type": "boolean"}}},
        indexes=[],
        timestamps={},
    ),
    "written back": service(cache={"strategy": "WriteBack"}),
    "names of our own": resources("problem", "operation", "problems"),
    "names that meet": resources("orders", "orders-create", "orders-page", "orders-parent", "ab", "a-b", "a--b"),
    "recursion": service(
        schema=SCHEMA
        | {"properties": PROPERTIES | {"parts": {"type": "array", "items": {"$ref": "#"}}}, "$ref": "#/$defs/base"}
        | {"$defs": SCHEMA["$defs"] | {"base": {"type": "object", "properties": {"note": {"maxLength": 9}}}}},
    ),
    "a reference": service(references=[{"field": "note", "resource": "line-items"}]),
}


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in `value`."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Operations by method and path."""
    return {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }


def accepts(document: dict[str, Any], component: str, value: Any) -> bool:
    schema = {"$ref": f"#/components/schemas/{component}", "components": document["components"]}
    return Draft202012Validator(schema, validate_formats=True, offline=True).is_valid(value)


@pytest.mark.parametrize("case", SERVICES)
def test_is_valid_openapi(case: str) -> None:
    document = openapi(SERVICES[case])
    errors = [
        f"{error.instance_path}: {error.message}" for error in Draft202012Validator(OPENAPI_31).iter_errors(document)
    ]
    assert errors == []
    for schema in document["components"]["schemas"].values():
        assert meta.is_valid(schema)


@pytest.mark.parametrize("case", SERVICES)
def test_every_reference_leads_somewhere(case: str) -> None:
    document = openapi(SERVICES[case])
    for reference in (value["$ref"] for value in walk(document) if isinstance(value.get("$ref"), str)):
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        assert target


@pytest.mark.parametrize("case", SERVICES)
def test_operation_ids_are_unique_and_links_name_them(case: str) -> None:
    document = openapi(SERVICES[case])
    found = [operation["operationId"] for operation in operations(document).values()]
    assert len(found) == len(set(found))
    linked = {
        link["operationId"]
        for operation in operations(document).values()
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    }
    assert linked <= set(found)


@pytest.mark.parametrize("case", SERVICES)
def test_every_media_example_fits_its_schema(case: str) -> None:
    document = openapi(SERVICES[case])
    found = [value for value in walk(document) if "example" in value and "$ref" in value.get("schema", {})]
    assert found
    for media in found:
        assert accepts(document, media["schema"]["$ref"].rsplit("/", 1)[-1], media["example"])


@pytest.mark.parametrize("case", SERVICES)
def test_names_of_components_differ_by_more_than_case(case: str) -> None:
    names = [name.lower() for name in openapi(SERVICES[case])["components"]["schemas"]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("case", ["names of our own", "names that meet"])
def test_every_resource_is_described_by_its_own_components(case: str) -> None:
    document = openapi(SERVICES[case])
    seen = set()
    for resource in SERVICES[case].api.resources:
        single = document["paths"][f"/v1/{resource.name}/{{id}}"]
        answer = single["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        body = single["put"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        name = answer.rsplit("/", 1)[-1]
        assert body == f"{answer}Replace"
        assert accepts(document, name, KEYED | {"state": "NEW"})
        seen.add(name)
    assert len(seen) == len(SERVICES[case].api.resources)
    assert document["components"]["schemas"]["Problem"]["required"] == ["type", "title", "status"]
    assert accepts(document, "Operation", {"id": "1", "status": "Pending", "resource": "", "createdAt": STAMP})


def test_a_resource_more_renames_nothing() -> None:
    one = openapi(resources("orders"))["components"]["schemas"]
    two = openapi(resources("orders", "orders-create"))["components"]["schemas"]
    assert {name: two[name] for name in one} == one


def test_paths_and_methods_follow_the_operations() -> None:
    served = {
        "read only": {("get", "/v1/line-items/{id}"), ("head", "/v1/line-items/{id}")},
        "collection only": {("get", "/v1/line-items"), ("head", "/v1/line-items"), ("post", "/v1/line-items")},
    }
    for case, expected in served.items():
        found = {pair for pair in operations(openapi(SERVICES[case])) if "operations" not in pair[1]}
        assert found == expected
    assert ("put", "/v1/line-items/{owner}/{count}") in operations(openapi(SERVICES["two keys"]))


WRITES = {
    "a generated key, synchronous": {"post": {"201", "202"}, "put": {"200", "201", "202"}, "delete": {"202", "204"}},
    "without a queue": {"post": {"201"}, "put": {"200", "201"}, "delete": {"204"}},
    "accepted writes": {"post": {"202"}, "put": {"202"}, "delete": {"202"}},
}


@pytest.mark.parametrize("case", WRITES)
def test_successes_of_writes(case: str) -> None:
    found = operations(openapi(SERVICES[case]))
    for method, statuses in WRITES[case].items():
        path = "/v1/line-items" if method == "post" else "/v1/line-items/{id}"
        assert {status for status in found[method, path]["responses"] if status < "300"} == statuses


def test_every_error_is_a_problem_document() -> None:
    document = openapi(SERVICES["accepted writes"])
    for operation in operations(document).values():
        for status, answer in operation["responses"].items():
            if status >= "400" and "$ref" in answer:
                name = answer["$ref"].rsplit("/", 1)[-1]
                assert name.startswith(status)
                assert list(document["components"]["responses"][name]["content"]) == ["application/problem+json"]
            elif status >= "400":
                assert "content" not in answer, "only an answer to HEAD comes without its document"


def problem_examples(response: dict[str, Any]) -> list[dict[str, Any]]:
    return list(response["content"]["application/problem+json"]["examples"].values())


def test_every_problem_of_an_operation_is_in_the_table() -> None:
    documents = [openapi(document) for document in SERVICES.values()]
    shown = {
        uri
        for document in documents
        for response in document["components"]["responses"].values()
        for uri in {example["value"]["type"] for example in problem_examples(response)}
    }
    elsewhere = {
        "method-not-allowed",  # of methods that the document does not have
        "not-applied",  # in operations only
    }
    assert shown == {problem.uri for problem in problems.PROBLEMS if problem.slug not in elsewhere}


STAMP = "2026-01-31T09:05:00.000000Z"
GOOD = {"owner": "ada", "count": 2}
KEYED = GOOD | {"id": "01985a5e-7a2b-7c3d-8e4f-5a6b7c8d9e0f"}
BODIES = {
    ("Create", "the least"): (GOOD, True),
    ("Create", "a key that the server makes"): (KEYED, False),
    ("Create", "a read-only property"): (GOOD | {"state": "NEW"}, False),
    ("Create", "a required property missing"): ({"owner": "ada"}, False),
    ("Create", "an unknown property"): (GOOD | {"colour": "red"}, False),
    ("Create", "a reference that fits"): (GOOD | {"parent": "p1"}, True),
    ("Create", "a reference that does not fit"): (GOOD | {"parent": "q1"}, False),
    ("Replace", "without the key"): (GOOD, True),
    ("Replace", "as it was read"): (KEYED | {"state": "NEW", "createdAt": STAMP}, True),
    ("Replace", "a required property missing"): ({"count": 2}, False),
    ("Patch", "nothing"): ({}, True),
    ("Patch", "one property"): ({"count": 3}, True),
    ("Patch", "an optional property removed"): ({"note": None}, True),
    ("Patch", "a required property removed"): ({"owner": None}, False),
    ("Patch", "inside an object"): ({"address": {"zip": None}}, True),
    ("Patch", "a required inner property removed"): ({"address": {"city": None}}, False),
    ("Patch", "a wrong type"): ({"count": "3"}, False),
    ("", "as it is stored"): (KEYED | {"state": "NEW", "createdAt": STAMP}, True),
    ("", "without a timestamp that is not required"): (KEYED | {"state": "NEW"}, True),
    ("", "without its default"): (KEYED, False),
    ("", "without its key"): (GOOD | {"state": "NEW"}, False),
}


@pytest.mark.parametrize(("kind", "case"), BODIES)
def test_bodies(kind: str, case: str) -> None:
    value, expected = BODIES[kind, case]
    assert accepts(openapi(service()), f"LineItems{kind}", value) is expected


def test_numbers_have_as_many_bits_as_the_server_takes() -> None:
    properties = PROPERTIES | {"price": {"type": "number"}, "sizes": {"type": "array", "items": {"type": "integer"}}}
    properties |= {"rank": {"type": ["integer", "null"]}}
    schemas = openapi(service(schema=SCHEMA | {"properties": properties}))["components"]["schemas"]
    declared = schemas["LineItems"]["properties"]
    formats = [declared["count"]["format"], declared["price"]["format"], declared["sizes"]["items"]["format"]]
    assert [*formats, declared["rank"]["format"]] == ["int64", "double", "int64", "int64"]


@pytest.mark.parametrize("form", ["Replace", "Patch"])
def test_a_client_that_fills_in_defaults_sets_nothing_read_only(form: str) -> None:
    for schema in openapi(service())["components"]["schemas"][f"LineItems{form}"]["properties"].values():
        assert not (schema.get("readOnly") and "default" in schema)


def test_an_open_schema_refuses_what_only_the_server_sets() -> None:
    document = openapi(service(schema=SCHEMA | {"additionalProperties": True}))
    assert accepts(document, "LineItemsCreate", GOOD | {"colour": "red"})
    assert not accepts(document, "LineItemsCreate", GOOD | {"state": "NEW"})


def test_a_key_that_clients_choose_is_required_and_bounded() -> None:
    document = openapi(service(key={"partition": "id"}))
    assert not accepts(document, "LineItemsCreate", GOOD)
    assert accepts(document, "LineItemsCreate", GOOD | {"id": "a/b c"})
    for bad in ("", ".", "..", "a\x00b", "a\u0085", "x" * 256):
        assert not accepts(document, "LineItemsCreate", GOOD | {"id": bad})


def test_filters_are_those_of_the_indexes() -> None:
    listed = operations(openapi(service()))["get", "/v1/line-items"]["parameters"]
    names = [parameter["name"] for parameter in listed if "name" in parameter]
    assert names == [
        "id",
        "owner",
        "createdAt",
        "createdAt.gt",
        "createdAt.gte",
        "createdAt.lt",
        "createdAt.lte",
    ]


def test_prefer_is_there_only_where_it_does_something() -> None:
    def prefers(document: RuntimeDocument) -> bool:
        parameters = operations(openapi(document))["post", "/v1/line-items"]["parameters"]
        return {"$ref": "#/components/parameters/Prefer"} in parameters

    assert prefers(service())
    assert not prefers(service(queue=False))
    assert not prefers(service(cache={"strategy": "WriteBack"}))


def test_a_document_stays_what_it_is_while_others_are_made() -> None:
    documents = {case: openapi(document) for case, document in SERVICES.items()}
    texts = {case: json.dumps(document) for case, document in documents.items()}
    assert {case: json.dumps(openapi(SERVICES[case])) for case in reversed(SERVICES)} == texts
    assert {case: json.dumps(document) for case, document in documents.items()} == texts


@pytest.mark.parametrize(("sort", "said"), [("note", True), ("count", False), ("state", False), ("createdAt", False)])
def test_a_list_says_which_documents_are_not_in_it(sort: str, said: bool) -> None:
    document = openapi(service(indexes=[{"name": "byOwner", "partition": "owner", "sort": sort}]))
    description = document["paths"]["/v1/line-items"]["get"]["description"]
    assert ("Documents without `note` are not in a list by `owner` and `note`." in description) is said


@pytest.mark.parametrize("format_", ["date", "date-time", "time", "uuid"])
def test_a_filter_by_dates_or_times_has_their_format(format_: str) -> None:
    properties = PROPERTIES | {"note": {"type": "string", "format": format_}}
    index = {"name": "byNote", "partition": "owner", "sort": "note"}
    document = openapi(service(schema=SCHEMA | {"properties": properties}, indexes=[index]))
    parameters = {
        one["name"]: one["schema"] for one in document["paths"]["/v1/line-items"]["get"]["parameters"] if "name" in one
    }
    kept = {} if format_ == "uuid" else {"format": format_}
    assert parameters["note"] == parameters["note.gte"] == {"type": "string"} | kept
