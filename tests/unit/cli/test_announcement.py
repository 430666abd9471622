"""The announcement shows each resource by requests that fit it."""

import json
import re
import shlex

import pytest
from tests.unit.cli.resources import QUEUE, resource, service

from fairlead_cli.run import embedded
from fairlead_cli.run.announcement import announce, requests
from fairlead_workload.model import identifiers

BASE = "http://127.0.0.1:8080/v1"


def lines(*resources: dict[str, object], **spec: object) -> list[str]:
    return list(requests(embedded.embed(service(*resources, **spec)), base=BASE))


def test_a_plain_resource_is_created_read_and_listed() -> None:
    assert lines(resource(list={"unfiltered": True})) == [
        "# things",
        f"curl -sS {BASE}/things -H 'content-type: application/json' -d '{{\"id\":\"id-1\"}}'",
        f"curl -sS {BASE}/things/id-1",
        f"curl -sS {BASE}/things",
    ]


def test_an_accepted_write_is_followed_by_its_operation() -> None:
    found = lines(resource(writes="Accepted", key={"partition": "id", "generate": "UUIDv7"}), queue=QUEUE)
    assert found[1].startswith(f"operation=$(curl -sS {BASE}/things ")
    assert found[2].startswith(f"curl -sS {BASE}/operations/$operation")


def test_the_operation_is_taken_from_the_answer() -> None:
    found = lines(resource(writes="Accepted"), queue=QUEUE)[1]
    script = re.search(r"sed '([^']*)'", found)
    assert script is not None
    pattern, replacement = script[1].removeprefix("s/").removesuffix("/").rsplit("/", 1)
    answer = '{"id":"abc","status":"Pending","resource":"/v1/things/1"}'
    assert re.sub(pattern.replace(r"\(", "(").replace(r"\)", ")"), replacement, answer) == "abc"


def test_referred_resources_come_first_and_their_key_is_used() -> None:
    schema = {"type": "object", "required": ["b"], "properties": {"id": {"type": "string"}, "b": {"type": "string"}}}
    found = lines(
        resource(name="as", schema=schema, references=[{"field": "b", "resource": "bs"}]),
        resource(name="bs"),
    )
    assert [line for line in found if line.startswith("#")] == ["# bs", "# as"]
    body = json.loads(shlex.split(found[found.index("# as") + 1])[-1])
    assert body == {"id": "id-1", "b": "id-1"}


def test_a_referred_resource_with_generated_keys_is_put_under_a_key_of_its_kind() -> None:
    schema = {"type": "object", "required": ["b"], "properties": {"id": {"type": "string"}, "b": {"type": "string"}}}
    found = lines(
        resource(name="as", schema=schema, references=[{"field": "b", "resource": "bs"}]),
        resource(name="bs", key={"partition": "id", "generate": "UUIDv7"}),
    )
    put = shlex.split(found[1])
    body = json.loads(shlex.split(found[found.index("# as") + 1])[-1])
    assert put[2:4] == ["-X", "PUT"]
    assert identifiers.is_uuid7(body["b"])
    assert put[4] == f"{BASE}/bs/{body['b']}"


def test_a_list_by_index_asks_for_the_sample() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "owner": {"type": "string"}}}
    found = lines(resource(schema=schema, indexes=[{"name": "byOwner", "partition": "owner"}]))
    assert found[-1] == f"curl -sS -G {BASE}/things --data-urlencode owner=owner-1"


@pytest.mark.parametrize("operation", ["Create", "Get", "List"])
def test_only_what_is_allowed_is_shown(operation: str) -> None:
    found = lines(resource(operations=[operation], list={"unfiltered": True}))
    assert len(found) == 2


def test_resources_that_refer_to_each_other_end() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "b": {"type": "string"}}}
    found = lines(
        resource(name="as", schema=schema, references=[{"field": "b", "resource": "bs"}]),
        resource(name="bs", schema=schema, references=[{"field": "b", "resource": "as"}]),
    )
    assert [line for line in found if line.startswith("#")] == ["# as", "# bs"]


def test_every_address_is_printed() -> None:
    text = announce(embedded.embed(service()), url="http://127.0.0.1:8080", admin_url="http://127.0.0.1:9090")
    for address in ("8080/v1", "8080/docs", "8080/openapi.json", "9090/health", "9090/ready", "9090/metrics"):
        assert f"http://127.0.0.1:{address}\n" in text
