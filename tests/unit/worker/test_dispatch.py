"""Deliveries distinguished without any I/O; calls and their answers; steps that need no service."""

import msgspec
import pytest

from fairlead_contract.spec.api import Resource as ResourceSpec
from fairlead_contract.spec.worker import ServiceTarget, Worker
from fairlead_workload.errors import Misconfigured
from fairlead_workload.model.resource import Resource
from fairlead_workload.queues.base import Delivery, Message
from fairlead_workload.stores.base import Record
from fairlead_workload.worker.calls.client import ServiceMap
from fairlead_workload.worker.dispatch import CommandItem, Dispatch, FactItem, RejectedDelivery, UnhandledItem
from fairlead_workload.worker.handlers import steps
from fairlead_workload.worker.handlers.plans import build_plans

ORDERS = Resource(
    ResourceSpec.model_validate(
        {
            "name": "orders",
            "key": {"partition": "id", "sort": "line"},
            "timestamps": {"updated": "changedAt"},
            "schema": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "line": {"type": "integer"},
                    "total": {"type": "integer"},
                    "changedAt": {"type": "string", "format": "date-time", "readOnly": True},
                },
            },
        }
    )
)
RESOURCES = {"orders": ORDERS}
HANDLERS = Worker.model_validate(
    {
        "handlers": [
            {
                "event": "orders.created",
                "steps": [
                    {"name": "add", "set": {"total": "document.total + 1"}},
                    {"name": "notify", "publish": {"type": "orders.counted"}},
                    {"name": "ask", "when": "false", "publish": {"type": "stock.asked"}},
                    {"name": "never", "when": "document.total > 100", "set": {"total": "0"}},
                ],
            }
        ]
    }
)
PLANS = build_plans(HANDLERS, RESOURCES)
DISPATCH = Dispatch("/lab/shop", RESOURCES, PLANS)


def delivery(**attributes):
    event = {"id": "e", "source": "/lab/shop", "specversion": "1.0", "time": "2027-01-15T08:00:00Z", **attributes}
    return Delivery(Message("e", "k", msgspec.json.encode(event)), None, 1, 1000.0)


COMMAND = {"key": ["a", 1], "at": 1.0, "body": {}}
DELIVERIES = {
    "a command": ({"type": "orders.create", "data": COMMAND}, CommandItem),
    "a command with half a key": ({"type": "orders.create", "data": {**COMMAND, "key": ["a"]}}, RejectedDelivery),
    "a deletion with a body": ({"type": "orders.delete", "data": COMMAND}, RejectedDelivery),
    "an unknown condition": ({"type": "orders.create", "data": {**COMMAND, "expect": "maybe"}}, RejectedDelivery),
    "an event with a handler": ({"type": "orders.created", "subject": "orders/a%20b/1"}, FactItem),
    "a fact without a handler": ({"type": "orders.deleted", "subject": "orders/a/1"}, UnhandledItem),
    "a published event without a handler": ({"type": "orders.counted", "subject": "orders/a/1"}, UnhandledItem),
    "a published event at the end of a chain": (
        {"type": "orders.counted", "subject": "orders/a/1", "hops": 9},
        UnhandledItem,
    ),
    "a published event of another name": ({"type": "stock.asked", "subject": "orders/a/1"}, UnhandledItem),
    "an unknown type": ({"type": "orders.eaten"}, RejectedDelivery),
    "the wrong subject": ({"type": "orders.created", "subject": "parcels/a/1"}, RejectedDelivery),
    "a subject with a bad key": ({"type": "orders.created", "subject": "orders/a/x"}, RejectedDelivery),
    "too many hops": ({"type": "orders.created", "subject": "orders/a/1", "hops": 9}, RejectedDelivery),
    "just enough hops": ({"type": "orders.created", "subject": "orders/a/1", "hops": 8}, FactItem),
    "another specversion": ({"type": "orders.created", "specversion": "0.3"}, RejectedDelivery),
}


@pytest.mark.parametrize("case", DELIVERIES)
def test_deliveries_are_distinguished(case):
    attributes, kind = DELIVERIES[case]
    assert type(DISPATCH.read(delivery(**attributes))) is kind


def test_the_subject_is_the_documents_key():
    found = DISPATCH.read(delivery(type="orders.created", subject="orders/a%20b/7"))
    assert isinstance(found, FactItem)
    assert found.key == ("a b", 7)


def test_records_of_foreign_events_do_not_meet_ours():
    ours = DISPATCH.read(delivery(type="orders.created", subject="orders/a/1"))
    foreign = DISPATCH.read(delivery(type="orders.created", subject="orders/a/1", source="/elsewhere"))
    assert isinstance(ours, FactItem)
    assert isinstance(foreign, FactItem)
    assert ours.id != foreign.id


def fact():
    found = DISPATCH.read(delivery(type="orders.created", subject="orders/a/1"))
    assert isinstance(found, FactItem)
    return found


def test_steps_without_a_call_make_one_change_at_the_time_of_the_event():
    record = Record(("a", 1), {"id": "a", "line": 1, "total": 4}, 17)
    result = steps.draft(PLANS["orders.created"].steps, fact(), record, {})
    assert result.document == {"id": "a", "line": 1, "total": 5, "changedAt": "2027-01-15T08:00:00.000000Z"}
    assert (result.done, result.skipped) == (["add", "notify"], ["ask", "never"])
    (mutation,) = steps.mutations(fact(), record, result)
    assert mutation.expect == 17


SAME = {
    "the same text": ("'x'", "x", False),
    "another text": ("'y'", "x", True),
    "the same number": ("1", 1, False),
    "a decimal for an integer": ("1.5", 1, True),
    "true for one": ("true", 1, True),
    "one for true": ("1", True, True),
    "the same list": ("[1, 2]", [1, 2], False),
    "another order": ("[2, 1]", [1, 2], True),
    "true for one in a list": ("[true]", [1], True),
    "the same object in another order": ("{'b': 1, 'a': 2}", {"a": 2, "b": 1}, False),
    "true for one in an object": ("{'a': true}", {"a": 1}, True),
    "null for null": ("null", None, False),
    "null for a value": ("null", "x", True),
    "null for nothing": ("null", ..., True),
    "the same instant, otherwise spelled": ("'2027-01-15T09:00:00+01:00'", "2027-01-15T08:00:00.000000Z", False),
}
ANY = Resource(
    ResourceSpec.model_validate(
        {
            "name": "notes",
            "key": {"partition": "id"},
            "timestamps": {"updated": "changedAt"},
            "schema": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "value": {},
                    "moment": {"type": ["string", "null"], "format": "date-time"},
                    "changedAt": {"type": "string", "format": "date-time", "readOnly": True},
                },
            },
        }
    )
)


@pytest.mark.parametrize("case", SAME)
def test_a_set_changes_something_or_nothing(case):
    text, stored, changed = SAME[case]
    name = "moment" if "instant" in case else "value"
    handler = {"event": "notes.created", "steps": [{"name": "put", "set": {name: text}}]}
    plans = build_plans(Worker.model_validate({"handlers": [handler]}), {"notes": ANY})
    found = Dispatch("/lab/shop", {"notes": ANY}, plans).read(delivery(type="notes.created", subject="notes/a"))
    assert isinstance(found, FactItem)
    document = {"id": "a", "changedAt": "2027-01-01T00:00:00.000000Z"} | ({} if stored is ... else {name: stored})
    result = steps.draft(found.plan.steps, found, Record(("a",), document, 17), {})
    assert result.changed is changed
    assert changed or result.document == document
    assert bool(steps.mutations(found, Record(("a",), document, 17), result)) is changed


def test_a_repetition_gives_the_same_events():
    record = Record(("a", 1), {"id": "a", "line": 1, "total": 4}, 17)

    def events(run):
        result = steps.draft(PLANS["orders.created"].steps, fact(), record, {})
        return steps.outbox(fact(), record, result, handled_event_types={"orders.updated"}, source="/lab/shop", run=run)

    assert events(1) == events(1)
    assert len(events(1)) == 2
    assert not {event.id for event in events(1)} & {event.id for event in events(2)}


def test_services_are_found_by_name_or_in_the_namespace():
    services = ServiceMap("shop", {"payments": "http://127.0.0.1:9000/"})
    assert services.url(ServiceTarget(name="payments", port=8080, path="/charge")) == "http://127.0.0.1:9000/charge"
    assert services.url(ServiceTarget(name="stock", port=8080, path="/x")) == "http://stock.shop.svc:8080/x"


def test_an_expression_that_does_not_compile_is_named():
    broken = Worker.model_validate(
        {"handlers": [{"event": "orders.created", "steps": [{"name": "a", "set": {"x": "1 +"}}]}]}
    )
    with pytest.raises(Misconfigured) as error:
        build_plans(broken, RESOURCES)
    assert error.value.path == "worker.handlers[orders.created].steps[a].set.x"
