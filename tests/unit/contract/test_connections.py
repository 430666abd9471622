"""How many connections an ApiService may open to PostgreSQL, and when `fairlead lint` warns of it."""

from typing import Any

import pytest

from fairlead_contract.findings import Severity
from fairlead_contract.spec.apiservice import ApiServiceSpec
from fairlead_contract.validation.connections import connection_findings, demand

QUEUE = {"type": "SQS", "sqs": {"queueName": "orders"}}
SQLITE = {"type": "SQLite"}


def spec(*, server: dict[str, Any] | None = None, **members: Any) -> ApiServiceSpec:
    bound = {"host": "db", "database": "shop", "credentialsSecret": {"name": "db"}} | (server or {})
    schema = {"type": "object", "properties": {"id": {"type": "string"}}}
    api = {"resources": [{"name": "orders", "key": {"partition": "id"}, "schema": schema}]}
    datastore = {"type": "PostgreSQL", "postgresql": bound}
    return ApiServiceSpec.model_validate({"api": api, "datastore": datastore} | members)


@pytest.mark.parametrize(
    ("members", "connections"),
    [
        ({}, 13 * 11),
        ({"queue": QUEUE}, (13 + 13) * 11),
        ({"queue": QUEUE, "scaling": {"api": {"max": 5}, "worker": {"min": 0, "max": 1}}}, (7 + 2) * 11),
        ({"server": {"pool": {"max": 3}}, "scaling": {"api": {"max": 4}}}, 5 * 4),
        ({"scaling": {"backend": "None"}}, 2 * 11),
        ({"server": {"readReplica": {"host": "ro"}}}, 13 * 11),
    ],
)
def test_pods_times_pool_and_one_to_listen(members: dict[str, Any], connections: int) -> None:
    found = demand(spec(**members))
    assert found is not None
    assert found.connections == connections


@pytest.mark.parametrize("members", [{"datastore": SQLITE}, {"server": {"pooler": {}}}], ids=["embedded", "pooler"])
def test_what_opens_none_to_the_server(members: dict[str, Any]) -> None:
    assert demand(spec(**members)) is None
    assert connection_findings(spec(**members)) == []


def test_more_than_the_default_of_postgresql_is_a_warning_with_the_arithmetic() -> None:
    [finding] = connection_findings(spec(queue=QUEUE))
    assert finding.severity is Severity.WARNING
    assert finding.path == "spec.datastore.postgresql.pool.max"
    assert finding.message == (
        "up to 286 connections: 13 pods of the API and 13 of workers, with those of a rollout, times 10 of the pool"
        " and 1 to listen; PostgreSQL's default has 97"
    )
    assert "a pooler" in finding.remedy


@pytest.mark.parametrize(("pool", "is_warned"), [(47, False), (48, True)])
def test_as_many_as_there_are_is_no_warning(pool: int, is_warned: bool) -> None:
    found = spec(server={"pool": {"max": pool}}, scaling={"backend": "None"})  # two pods during a rollout: 96 or 98
    assert bool(connection_findings(found)) is is_warned
