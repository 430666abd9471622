"""Findings state the exact place, the fault as text, and what to do; check() takes anything without raising."""

import copy
import datetime
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fairlead_contract.crd.definitions import KINDS, object_schema
from fairlead_contract.findings import nearest, path
from fairlead_contract.validation import undeclared_names as unknown_names
from fairlead_contract.validation.rules import Severity, check, is_ours

ORDERS = yaml.safe_load((Path(__file__).parents[3] / "examples" / "orders.yaml").read_text())
DELETE = object()


def edited(*edits: tuple[str, Any]) -> dict[str, Any]:
    """The orders example with the value at each dotted place replaced, or removed."""
    document = copy.deepcopy(ORDERS)
    for place, value in edits:
        *way, last = [int(part) if part.isdigit() else part for part in place.split(".")]
        node: Any = document
        for part in way:
            node = node[part]
        if value is DELETE:
            del node[last]
        else:
            node[last] = value
    return document


def errors(document: Any) -> list[tuple[str, str]]:
    return [(finding.path, finding.message) for finding in check(document).errors]


def warnings(document: Any) -> list[tuple[str, str]]:
    return [(finding.path, finding.message) for finding in check(document).warnings]


R0, R1 = "spec.api.resources.0", "spec.api.resources.1"
P0, P1 = "spec.api.resources[0]", "spec.api.resources[1]"
STEP = "spec.worker.handlers.0.steps.1"
STEP_PATH = "spec.worker.handlers[0].steps[1]"


@pytest.mark.parametrize(
    ("place", "value", "where", "said"),
    [
        ("spec.dataStore", {}, "spec.dataStore", "unknown field `dataStore`; did you mean `datastore`?"),
        ("spec.class_name", "a", "spec.class_name", "unknown field `class_name`; did you mean `className`?"),
        (f"{R1}.key.partiton", "id", f"{P1}.key.partiton", "unknown field `partiton`; did you mean `partition`?"),
        ("spec.zzz", 1, "spec.zzz", "unknown field `zzz`"),
        ("spec.sla", 1, "spec.sla", "unknown field `sla`; did you mean `slo`?"),
        ("stauts", {}, "stauts", "unknown field `stauts`; did you mean `status`?"),
        ("kind", "ApiSrvice", "kind", "unknown kind `ApiSrvice`; did you mean `ApiService`?"),
        ("kind", DELETE, "kind", "required field `kind` is missing"),
        ("kind", ["x"], "kind", "unknown kind `['x']`"),
        ("apiVersion", "fairlead.dev/v1", "apiVersion", "`fairlead.dev/v1` is not fairlead.dev/v1alpha1"),
        ("metadata.name", DELETE, "metadata.name", "required field `name` is missing"),
        ("metadata.namespace", "Shop_A", "metadata.namespace", "`Shop_A` is not a namespace"),
        ("metadata.namespace", "../../etc", "metadata.namespace", "`../../etc` is not a namespace"),
        ("metadata.labels", {"a.b/c": 1}, 'metadata.labels["a.b/c"]', "must be text, not 1"),
        (f"{R1}.key.partition", DELETE, f"{P1}.key.partition", "required field `partition` is missing"),
        (f"{R1}.key.partition", "a-b", f"{P1}.key.partition", "`a-b` is not a property name"),
        (f"{R1}.name", "Orders", f"{P1}.name", "`Orders` is not a resource name"),
        (f"{R1}.writes", "Acepted", f"{P1}.writes", "`Acepted` is none of Sync, Accepted; did you mean `Accepted`?"),
        (f"{R1}.operations", ["Fetch"], f"{P1}.operations[0]",
         "`Fetch` is none of Create, Get, List, Update, Patch, Delete; did you mean `Patch`?"),
        (f"{R1}.operations", [], f"{P1}.operations", "must have at least 1 item, not 0"),
        (f"{R1}.operations", ["Get", "Get"], f"{P1}.operations[1]", "duplicate `Get`"),
        (f"{R1}.cache.ttl", 60, f"{P1}.cache.ttl", "must be text, not 60"),
        (f"{R1}.cache.ttl", "1d", f"{P1}.cache.ttl", "`1d` is not a duration"),
        (f"{R1}.schema", DELETE, f"{P1}.schema", "required field `schema` is missing"),
        (f"{R1}.schema.type", "array", f"{P1}.schema.type", "`array` is none of object"),
        ("spec.worker.concurrency", "10", "spec.worker.concurrency", "must be a whole number, not 10"),
        ("spec.worker.concurrency", 1.5, "spec.worker.concurrency", "must be a whole number, not 1.5"),
        ("spec.worker.concurrency", 0, "spec.worker.concurrency", "must be greater than or equal to 1"),
        ("spec.queue.sqs.fifo", "no", "spec.queue.sqs.fifo", "must be true or false, not no"),
        ("spec.queue", None, "spec.queue", "is null"),
        ("spec.datastore.provision", None, "spec.datastore.provision", "is null"),
        ("spec.api.resources", {}, "spec.api.resources", "must be a list, not {}"),
        ("spec", [], "spec", "must be an object, not []"),
        ("spec.cache.redis.address", "redis", "spec.cache.redis.address", "`redis` is not host:port"),
        ("spec.slo.availability", datetime.date(2026, 1, 1), "spec.slo.availability",
         "is a date, which JSON cannot say"),
        ("spec.scaling.api.min", float("nan"), "spec.scaling.api.min", "is nan, which JSON cannot say"),
        ("spec.api.title", "\ud800", "spec.api.title", "is not valid Unicode"),
        ("spec.api.title", "a\0b", "spec.api.title", "holds U+0000, which the rules of a cluster cannot read"),
        (f"{R1}.schema.properties", {"a\0b": {}}, f"{P1}.schema.properties", "has a name that holds U+0000"),
        ("spec.api.title", b"x", "spec.api.title", "is a bytes, which JSON cannot say"),
    ],
)  # fmt: skip
def test_a_fault_of_shape_is_reported_at_its_place(place: str, value: Any, where: str, said: str) -> None:
    assert (where, said) in errors(edited((place, value)))


PRODUCT = {"field": "productId", "resource": "products"}
REFERENCE = "a reference must name a resource of this ApiService"
FIELD = "the field of a reference must be a property of the schema"
INDEX = "the partition and sort of an index must be properties of the schema"
EVENT = "the event of a handler must start with the name of a resource"


@pytest.mark.parametrize(
    ("place", "value", "where", "said"),
    [
        (f"{R1}.references.0.resource", "produkts", f"{P1}.references[0].resource",
         f"{REFERENCE}, and `produkts` is none; did you mean `products`?"),
        (f"{R1}.references.0.resource", "zzz", f"{P1}.references[0].resource", f"{REFERENCE}, and `zzz` is none"),
        (f"{R1}.references", [PRODUCT, {"field": "customerId", "resource": "customers"}, PRODUCT | {"field": "id"}],
         f"{P1}.references[1].resource", f"{REFERENCE}, and `customers` is none"),
        (f"{R1}.references.0.field", "productID", f"{P1}.references[0].field",
         f"{FIELD}, and `productID` is none; did you mean `productId`?"),
        (f"{R1}.indexes.0.partition", "custmer", f"{P1}.indexes[0].partition",
         f"{INDEX}, and `custmer` is none; did you mean `customerId`?"),
        (f"{R1}.indexes.0.sort", "created", f"{P1}.indexes[0].sort",
         f"{INDEX}, and `created` is none; did you mean `createdAt`?"),
        (f"{R1}.key", {"partition": "ids"}, f"{P1}.key.partition",
         "the partition key must be a property of the schema, and `ids` is none; did you mean `id`?"),
        (f"{R0}.key.sort", "nam", f"{P0}.key.sort",
         "the sort key must be a property of the schema, and `nam` is none; did you mean `name`?"),
        ("spec.worker.handlers.0.event", "order.created", "spec.worker.handlers[0].event",
         f"{EVENT}, and `order` is none; did you mean `orders`?"),
    ],
)  # fmt: skip
def test_a_name_that_leads_nowhere_is_reported_once_at_its_place(place: str, value: Any, where: str, said: str) -> None:
    assert (where, said) in errors(edited((place, value)))
    assert sum("must be" in message or "must name" in message for _, message in errors(edited((place, value)))) <= 1


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("spec.chache", {}),
        ("spec.scaling.api.min", "1"),
        (f"{R0}.schema", []),
        (f"{R0}.name", 5),
        (R0, "products"),
        ("spec.worker.handlers", {}),
    ],
)
def test_a_name_that_leads_nowhere_is_reported_beside_faults_of_shape(place: str, value: Any) -> None:
    found = errors(edited((place, value), (f"{R1}.indexes.0.sort", "created")))
    assert (f"{P1}.indexes[0].sort", f"{INDEX}, and `created` is none; did you mean `createdAt`?") in found
    assert (f"{P1}.indexes", INDEX) not in found


def test_a_resource_that_is_not_there_is_reported_beside_faults_of_shape() -> None:
    found = errors(edited(("spec.chache", {}), (f"{R1}.references.0.resource", "produkts")))
    said = f"{REFERENCE}, and `produkts` is none; did you mean `products`?"
    assert (f"{P1}.references[0].resource", said) in found


def test_what_is_reported_by_name_is_a_rule_of_the_definition() -> None:
    written = json.dumps(object_schema(next(kind for kind in KINDS if kind.name == "ApiService")))
    assert all(f'"message": "{rule}; ' in written for rule in unknown_names.RULES)


def test_one_wrong_item_is_one_finding() -> None:
    assert errors(edited((f"{R1}.key.partition", "$"))) == [(f"{P1}.key.partition", "`$` is not a property name")]


def test_all_faults_are_reported_at_once() -> None:
    document = edited(("spec.dataStore", {}), (f"{R0}.reads", "Weak"), ("spec.queue.order", "Any"))
    assert [where for where, _ in errors(document)] == [f"{P0}.reads", "spec.queue.order", "spec.dataStore"]


@pytest.mark.parametrize(
    ("place", "value", "where", "said"),
    [
        (f"{R1}.schema.properties.quantity.minimum", "1", f"{P1}.schema.properties.quantity.minimum",
         'is no valid JSON Schema: "1" is not of type "number"'),
        (f"{R1}.schema.properties.quantity.type", "int", f"{P1}.schema.properties.quantity.type",
         "`int` is no JSON Schema type; did you mean `integer`?"),
        (f"{R1}.schema.properties.customerId", {"$ref": "https://example.com/c.json"}, f"{P1}.schema",
         "a reference cannot be resolved: Resource 'https://example.com/c.json' is not in the schema"),
        (f"{R1}.schema.properties.customerId", {"$ref": "#/$defs/c"}, f"{P1}.schema",
         "a reference cannot be resolved: Pointer '/$defs/c' does not exist"),
        (f"{R1}.schema.properties.customerId.pattern", "(a)\\1", f"{P1}.schema.properties.customerId.pattern",
         "`(a)\\1` is no regular expression that matches in linear time"),
        (f"{R1}.schema.$schema", "http://json-schema.org/draft-07/schema#", f"{P1}.schema.$schema",
         "only JSON Schema 2020-12 is supported"),
        (f"{R1}.schema.properties.customerId.const", None, f"{P1}.schema.properties.customerId.const",
         "is null, which client-side `kubectl apply` drops"),
        (f"{R1}.schema.required", None, f"{P1}.schema.required", "is null, which client-side `kubectl apply` drops"),
        (f"{R1}.schema.properties.customerId", False, f"{P1}.schema.properties.customerId",
         "boolean schemas are not supported as properties"),
        (f"{R1}.schema.properties.status.default", "NEW", f"{P1}.schema.properties.status.default",
         "the default does not match its own schema"),
        (f"{R1}.schema.required", ["custmerId"], f"{P1}.schema.required[0]",
         "required property `custmerId` is not declared; did you mean `customerId`?"),
        (f"{R1}.schema.properties.id.type", ["string", "null"], f"{P1}.key.partition",
         "`id` must be a property of one scalar type: string, integer, number or boolean"),
        (f"{R1}.schema.properties.id.type", "integer", f"{P1}.key.generate", "UUIDv7 needs `id` to be a string"),
        (f"{R1}.key.sort", "id", f"{P1}.key.sort", "is the same property as partition"),
        (f"{R0}.schema.properties.id.readOnly", True, f"{P0}.schema.properties.id",
         "the key property `id` is readOnly"),
        (f"{R1}.schema.properties.quantity.readOnly", True, f"{P1}.schema.properties.quantity",
         "`quantity` is required and readOnly, so no client can create a document"),
        (f"{R1}.indexes.0.sort", "customerId", f"{P1}.indexes[0].sort", "is the same property as partition"),
        (f"{R1}.schema.properties.customerId", {"type": "object"}, f"{P1}.indexes[0].partition",
         "`customerId` must be a property of one scalar type: string, integer, number or boolean"),
        (f"{R1}.timestamps.updated", "changedAt", f"{P1}.timestamps.updated",
         "`changedAt` is no property of the schema; did you mean `createdAt`?"),
        (f"{R1}.timestamps.updated", "createdAt", f"{P1}.timestamps.updated", "is the same property as created"),
        (f"{R1}.schema.properties.createdAt.readOnly", False, f"{P1}.timestamps.created",
         "`createdAt` must be a readOnly date-time string"),
        (f"{R1}.schema.properties.productId.type", "integer", f"{P1}.references[0].field",
         "`productId` is integer, but the key of `products` is string"),
        (f"{R0}.key.sort", "name", f"{P1}.references[0].resource",
         "`products` has a sort key; only resources with a single key can be referred to"),
        ("spec.security.authorization", [{"resources": ["order"]}], "spec.security.authorization[0].resources[0]",
         "unknown resource `order`; did you mean `orders`?"),
        ("spec.worker.handlers.0.event", "orders.made", "spec.worker.handlers[0].event",
         "no event has the type `orders.made`; did you mean `orders.updated`?"),
        (f"{STEP}.when", "document.status ==", f"{STEP_PATH}.when",
         "bad CEL: mismatched input '<EOF>' (line 1, column 19)"),
        (f"{STEP}.when", "'yes'", f"{STEP_PATH}.when", "is string, not a condition"),
        (f"{STEP}.set", {"id": "'x'"}, f"{STEP_PATH}.set.id", "`id` belongs to the key, which cannot change"),
        (f"{STEP}.set", {"createdAt": "'x'"}, f"{STEP_PATH}.set.createdAt",
         "`createdAt` is a timestamp that the server sets"),
        (f"{STEP}.set", {"statsu": "'x'"}, f"{STEP_PATH}.set.statsu",
         "`statsu` is no property of `orders`; did you mean `status`?"),
        (f"{STEP}.name", "charge", STEP_PATH, "duplicate name `charge`"),
        (f"{R0}", {"name": "products", "key": {"partition": "id"},
                   "indexes": [{"name": "byOrder", "partition": "order"}],
                   "schema": {"type": "object", "properties": {"id": {"type": "string"}, "order": {"type": "string"}}}},
         f"{P0}.indexes[0].partition", "`order` is a parameter of every list, so nobody can use this index"),
        ("spec.worker.handlers.0.onFailure.0.name", "charge", "spec.worker.handlers[0].onFailure[0].name",
         "duplicate name `charge`"),
        ("spec.worker.handlers.0.steps.2.publish.type", "orders.created",
         "spec.worker.handlers[0].steps[2].publish.type", "`orders.created` is a type of the service's own events"),
        ("spec.worker.handlers.0.steps.0.call.body", "{'a': event.}", "spec.worker.handlers[0].steps[0].call.body",
         "bad CEL: no viable alternative at input '.}' (line 1, column 13)"),
        ("spec.worker.handlers.0.event", "orders.deleted", f"{STEP_PATH}.set.status",
         "the document of a deleted event is gone"),
    ],
)  # fmt: skip
def test_a_fault_of_meaning_is_reported_at_its_place(place: str, value: Any, where: str, said: str) -> None:
    assert (where, said) in errors(edited((place, value)))


@pytest.mark.parametrize(
    ("place", "value", "where", "said"),
    [
        ("spec.security", DELETE, "spec.security.authentication", "is absent: the API is anonymous"),
        (f"{R1}.schema.properties.customerId.maxlength", 5, f"{P1}.schema.properties.customerId.maxlength",
         "unknown keyword `maxlength` has no effect; did you mean `maxLength`?"),
        (f"{R1}.schema.properties.customerId.format", "int32", f"{P1}.schema.properties.customerId.format",
         "format `int32` is not checked"),
        (f"{R1}.schema.properties.on", {"type": "string"}, "", ""),
        (f"{R1}.schema.properties.paid", {"type": "string", "enum": [True, False]}, f"{P1}.schema.properties.paid.enum",
         "the enum of a string holds a boolean: YAML 1.1 reads unquoted yes, no, on and off so"),
        (f"{R1}.indexes", [{"name": "a", "partition": "id"}], f"{P1}.indexes[0]", "`a` repeats the primary key"),
        (f"{STEP}.when", "results.chrage.status == 200", f"{STEP_PATH}.when",
         "no earlier step is named `chrage`; did you mean `charge`?"),
        ("spec.worker.timeout", "5s", "spec.worker.handlers[0].steps[0].call.timeout",
         "worker.timeout (5s) ends the event before this call's 5s are over"),
        ("spec.worker.timeout", "4s", "spec.worker.handlers[0].steps[0].compensate.call.timeout",
         "worker.timeout (4s) ends the event before this call's 5s are over"),
        ("spec.worker.timeout", "6s", "", ""),
        ("spec.worker.handlers.0.concurrency", 11, "spec.worker.handlers[0].concurrency",
         "worker.concurrency (10) is less, and holds for all handlers together"),
        ("spec.worker.handlers.0.concurrency", 10, "", ""),
        (f"{R0}.schema.additionalProperties", True, "", ""),
        (f"{R0}", {"name": "products", "key": {"partition": "order"},
                   "schema": {"type": "object", "properties": {"order": {"type": "string"}}}},
         f"{P0}.key.partition", "`order` is a parameter of every list, so nobody can list by this key"),
    ],
)  # fmt: skip
def test_a_doubtful_thing_is_a_warning(place: str, value: Any, where: str, said: str) -> None:
    document = edited((place, value))
    assert errors(document) == []
    assert ((where, said) in warnings(document)) == bool(said)


@pytest.mark.parametrize(("concurrency", "is_reported"), [(1, True), (2, False), (10, False)])
def test_fewer_slots_than_handlers_that_make_calls_is_a_warning(concurrency: int, is_reported: bool) -> None:
    call = {"call": {"service": {"name": "payments"}}}
    document = edited(("spec.worker.concurrency", concurrency))
    document["spec"]["worker"]["handlers"] += [
        {"event": "orders.updated", "steps": [{"name": "call", **call}]},
        {"event": "orders.deleted", "steps": [{"name": "notify", "publish": {"type": "orders.gone"}}]},
    ]
    assert errors(document) == []
    said = "is less than the 2 handlers that make calls: slow calls of some keep the others waiting"
    assert (("spec.worker.concurrency", said) in warnings(document)) == is_reported


DUE = {"type": "string", "format": "date-time"}
ABSENT = "documents without `due` are in no list by this index, even one by `customerId` alone"


@pytest.mark.parametrize(
    ("changes", "is_reported"),
    [
        ([], True),
        ([(f"{R1}.schema.required", ["customerId", "due"])], False),
        ([(f"{R1}.schema.properties.due.default", "2026-01-31T09:05:00Z")], False),
        ([(f"{R1}.schema.properties.due", {"$ref": "#/$defs/due"}), (f"{R1}.schema.$defs", {"due": DUE})], True),
        (
            [
                (f"{R1}.schema.properties.due", {"$ref": "#/$defs/due"}),
                (f"{R1}.schema.$defs", {"due": DUE | {"default": "2026-01-31T09:05:00Z"}}),
            ],
            False,
        ),
        ([(f"{R1}.schema.properties.due.readOnly", True), (f"{R1}.timestamps", {"updated": "due"})], False),
        ([(f"{R1}.key", {"partition": "id", "sort": "due"})], False),
        ([(f"{R1}.indexes.0", {"name": "a", "partition": "customerId"})], False),
    ],
)
def test_an_index_that_leaves_documents_out_is_a_warning(changes: list[tuple[str, Any]], is_reported: bool) -> None:
    index = {"name": "byDue", "partition": "customerId", "sort": "due"}
    document = edited((f"{R1}.schema.properties.due", dict(DUE)), (f"{R1}.indexes", [index]), *changes)
    assert errors(document) == []
    found = [finding for finding in check(document).warnings if finding.path == f"{P1}.indexes[0].sort"]
    assert [finding.message for finding in found] == ([ABSENT] if is_reported else [])
    assert all("`required`" in finding.remedy and "without sort" in finding.remedy for finding in found)


@pytest.mark.parametrize("default", [1e19, -1e19, 1.5])
def test_a_default_beyond_the_range_of_integers_is_reported(default: float) -> None:
    document = edited((f"{R1}.schema.properties.count", {"type": ["integer", "null"], "default": default}))
    place = f"{P1}.schema.properties.count.default"
    assert (place, "the default does not match its own schema") in errors(document)


def test_a_request_above_its_limit_is_reported_at_the_request() -> None:
    amounts = {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "512Mi"}}
    assert errors(edited(("spec.compute", {"worker": amounts}))) == [
        (f"spec.compute.worker.requests.{name}", f"requests.{name} must not be above limits.{name}")
        for name in ("cpu", "memory")
    ]


SQLITE = {"datastore": {"type": "SQLite"}, "queue": {"type": "SQLite"}}
ONE_POD = ("spec.scaling", "has no effect: with datastore SQLite there is one pod")
NO_WORKER = ("spec.scaling.worker", "has no effect: without a queue there is no worker")


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (SQLITE | {"scaling": {"api": {"min": 3}}}, [ONE_POD]),
        (SQLITE | {"scaling": {"backend": "HPA"}}, [ONE_POD]),
        (SQLITE, []),
        ({"scaling": {"worker": {"max": 3}}}, [NO_WORKER]),
        ({"scaling": {"api": {"max": 3}}}, []),
    ],
)
def test_scaling_that_nothing_carries_out_is_a_warning(spec: dict[str, Any], found: list[tuple[str, str]]) -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}}}
    resource = {"name": "orders", "key": {"partition": "id"}, "schema": schema}
    document = ORDERS | {"spec": {"api": {"resources": [resource]}} | spec}
    assert errors(document) == []
    assert [each for each in warnings(document) if "scaling" in each[0]] == found


def test_nulls_that_survive_are_not_reported() -> None:
    document = edited((f"{R1}.schema.properties.note", {"enum": ["a", None]}), ("metadata.creationTimestamp", None))
    assert errors(document) == []


def test_strong_reads_of_an_index_are_refused_for_dynamodb() -> None:
    document = edited((f"{R1}.reads", "Strong"), ("spec.datastore", {"type": "DynamoDB"}))
    assert (f"{P1}.reads", "DynamoDB cannot list an index with strong reads") in errors(document)


def test_a_document_that_is_too_large_is_refused() -> None:
    document = edited(("metadata.annotations", {"a": "x" * 950_000}))
    assert [(where, said.split(",")[1]) for where, said in errors(document)] == [("", " more than 921600")]


def test_a_document_that_is_too_deep_is_refused() -> None:
    node: dict[str, Any] = {}
    for _ in range(2000):
        node = {"a": node}
    assert "nested deeper" in errors(node)[0][1]


@pytest.mark.parametrize("document", [None, "text", 3, [], [{}]])
def test_what_is_no_object_is_refused(document: Any) -> None:
    assert errors(document) == [("", "is not an object")]


def test_a_boolean_name_is_reported_as_yaml_reads_it() -> None:
    document = edited((f"{R1}.schema.properties", {True: {}, "id": {"type": "string"}}))
    where, said = errors(document)[0]
    assert where == f"{P1}.schema.properties"
    assert "has a name that is the boolean true" in said


def test_errors_come_before_warnings_and_every_error_has_a_remedy_or_a_suggestion() -> None:
    checked = check(edited(("spec.security", DELETE), ("spec.queue.order", "Sorted"), (f"{R1}.writes", "Acepted")))
    assert [finding.severity for finding in checked.findings][:2] == [Severity.ERROR, Severity.ERROR]
    assert all(finding.remedy or "did you mean" in finding.message for finding in checked.findings)


def test_a_change_of_the_key_is_reported_at_the_resource() -> None:
    checked = check(edited((f"{R1}.key.generate", DELETE)), old=ORDERS)
    assert [(f.path, f.message, f.remedy) for f in checked.errors] == [
        (f"{P1}.key", "the key of a resource cannot change", "give the new key to a new resource")
    ]


def test_the_checked_document_stays_as_it_was() -> None:
    document = copy.deepcopy(ORDERS)
    check(document, old=document)
    assert document == ORDERS


@pytest.mark.parametrize(
    ("document", "ours"),
    [
        ({"kind": "ApiService"}, True),
        ({"apiVersion": "fairlead.dev/v1alpha1", "kind": "ApiServce"}, True),
        ({"apiVersion": "apps/v1", "kind": "Deployment"}, False),
        (None, False),
    ],
)
def test_foreign_documents_are_known_as_such(document: Any, ours: bool) -> None:
    assert is_ours(document) is ours


def test_places_read_as_people_write_them() -> None:
    assert path(("spec", "api", "resources", 1, "key")) == "spec.api.resources[1].key"
    assert path(("metadata", "labels", "a.b/c")) == 'metadata.labels["a.b/c"]'


def test_a_far_name_is_not_suggested() -> None:
    assert nearest("zebra", ["datastore", "cache"]) is None
    assert nearest("dataStore", ["datastore", "cache"]) == "datastore"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.booleans() | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(ANYTHING, st.none() | ANYTHING)
def test_any_document_is_checked_without_raising(document: Any, old: Any) -> None:
    checked = check(document, old=old)
    assert checked.errors
    assert checked.resource is None


def places(node: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place] + [found for key, item in items for found in places(item, (*place, key))]


ODD = st.sampled_from(
    [None, True, 0, -1, 2**70, 1.5, "", "x", "orders", "'", "1 +", "a" * 300, "$", [], {}, [[]], {"": {}}]
)


@given(st.sampled_from(places(ORDERS)[1:]), ODD | ANYTHING, st.booleans())
def test_any_edit_of_a_real_document_is_checked_without_raising(
    place: tuple[str | int, ...], value: Any, as_old: bool
) -> None:
    document = edited((".".join(map(str, place)), value))
    checked = check(ORDERS, old=document) if as_old else check(document, old=ORDERS)
    assert (checked.resource is None) == bool(checked.errors)
