"""What a laptop runs instead of what the resource binds."""

from pathlib import Path

import pytest
from tests.unit.cli.resources import QUEUE, service

from fairlead_cli.run import embedded
from fairlead_contract.spec.bindings import CacheType, DatastoreType, QueueType

POSTGRESQL = {
    "type": "PostgreSQL",
    "postgresql": {"host": "db", "database": "shop", "credentialsSecret": {"name": "db"}},
}
REDIS = {"type": "Redis", "redis": {"address": "redis:6379"}}
SQS = {
    "type": "SQS",
    "sqs": {"queueName": "q"},
    "order": "Key",
    "retry": {"maxAttempts": 3},
    "deadLetter": {"retention": "1h"},
}


def test_every_binding_is_replaced_and_the_queue_keeps_its_rules() -> None:
    document = embedded.embed(service(datastore=POSTGRESQL, cache=REDIS, queue=SQS))
    assert (document.datastore.type, document.cache.type) == (DatastoreType.SQLITE, CacheType.MEMORY)
    assert document.datastore.postgresql is None
    assert document.queue is not None
    assert (document.queue.type, document.queue.sqs, document.queue.order) == (QueueType.SQLITE, None, "Key")
    assert (document.queue.retry.max_attempts, document.queue.dead_letter.retention) == (3, "1h")


def test_no_cache_stays_no_cache_and_no_queue_no_queue() -> None:
    document = embedded.embed(service())
    assert (document.cache.type, document.queue, document.worker) == (CacheType.NONE, None, None)


@pytest.mark.parametrize(
    ("bindings", "said"),
    [
        ({}, []),
        ({"queue": QUEUE, "cache": {"type": "Memory"}}, []),
        ({"datastore": {}}, ["datastore DynamoDB by SQLite"]),
        (
            {"datastore": POSTGRESQL, "cache": REDIS, "queue": SQS},
            ["datastore PostgreSQL by SQLite", "cache Redis by Memory", "queue SQS by SQLite"],
        ),
    ],
)
def test_what_is_replaced_is_said(bindings: dict[str, object], said: list[str]) -> None:
    assert embedded.replacements(service(**bindings)) == said


def test_every_called_service_without_an_address_is_named_once_with_its_place() -> None:
    def call(name: str) -> dict[str, object]:
        return {"call": {"service": {"name": name}}}

    handler = {
        "event": "things.created",
        "steps": [
            {"name": "a", **call("known")},
            {"name": "b", **call("stock"), "compensate": call("mail")},
            {"name": "c", **call("stock")},
        ],
        "onFailure": [{"name": "d", **call("audit")}],
    }
    found = embedded.unmapped(service(queue=QUEUE, worker={"handlers": [handler]}), frozenset({"known"}))
    assert [finding.path for finding in found] == [
        "spec.worker.handlers[0].steps[1].call.service.name",
        "spec.worker.handlers[0].steps[1].compensate.call.service.name",
        "spec.worker.handlers[0].onFailure[0].call.service.name",
    ]
    assert found[0].remedy == "add --service stock=http://HOST:PORT"


@pytest.mark.parametrize(
    ("chosen", "alone", "folder"),
    [
        (None, True, ".fairlead/shop/things"),
        (None, False, ".fairlead/shop/things"),
        (Path("data"), True, "data"),
        (Path("data"), False, "data/shop/things"),
    ],
)
def test_each_service_has_a_folder_of_its_own(chosen: Path | None, alone: bool, folder: str) -> None:
    assert embedded.data_dir(service(), chosen, alone=alone) == Path(folder)
