"""What a provision Job says is taken only as far as the status can hold it: its image may be anybody's."""

import json
from typing import Any

import pytest
from aiohttp import web

from fairlead_operator.apply import Applied, Applier
from fairlead_operator.cluster.store import Child
from fairlead_operator.cluster.world import World
from fairlead_operator.facts import JobEnd
from fairlead_operator.intent import Wanted
from fairlead_operator.provisioning import MOST_BINDINGS, Provisioner, Provisioning, parse

from .server import page, serving

BINDING = {"role": "datastore", "type": "PostgreSQL", "name": "shop", "state": "Ready"}


def said(*bindings: Any) -> str:
    return json.dumps({"version": 1, "hash": "abc", "bindings": list(bindings)})


def test_bindings_are_taken_as_they_are() -> None:
    queue = BINDING | {"role": "queue", "reason": "Created", "message": "made", "more": 1}
    assert parse(said(BINDING, queue), expected="abc") == [
        BINDING,
        {key: value for key, value in queue.items() if key != "more"},
    ]


@pytest.mark.parametrize(
    "message",
    [
        said(BINDING | {"state": "Fine"}),
        said(BINDING | {"type": ""}),
        said({"role": "queue", "state": "Ready"}),
        said("datastore"),
        said(None),
        json.dumps({"version": 1, "hash": "abc", "bindings": "Ready"}),
        json.dumps({"version": 1, "hash": "abc", "bindings": {"a": 1}}),
        json.dumps({"version": 1, "hash": "other", "bindings": []}),
        json.dumps([]),
        "[" * 4096,
        "",
    ],
)
def test_what_is_not_ours_is_no_result(message: str) -> None:
    assert parse(message, expected="abc") is None


def test_one_binding_of_each_role_and_no_more_than_the_status_holds() -> None:
    many = [BINDING | {"role": f"r{number}"} for number in range(40)]
    assert len(parse(said(*many), expected="abc") or ()) == MOST_BINDINGS
    assert parse(said(BINDING, BINDING | {"state": "Failed"}), expected="abc") == [BINDING | {"state": "Failed"}]


def test_a_credential_in_a_message_does_not_get_through() -> None:
    bad = BINDING | {"state": "Failed", "message": "no route to postgresql://shop:hunter2@db/shop"}
    [found] = parse(said(bad), expected="abc") or ()
    assert found["message"] == "no route to postgresql://***@db/shop"


OWNER = ("shop", "orders")
JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "orders-provision-abc", "namespace": "shop"}}
POD = {"status": {"containerStatuses": [{"state": {"terminated": {"finishedAt": "1", "message": said(BINDING)}}}]}}


async def test_the_pods_of_a_job_that_succeeded_are_read_once_though_the_status_is_not_written_yet() -> None:
    world, reads = World(), 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal reads
        assert request.path.endswith("/pods")
        reads += 1
        return page(POD)

    async with serving(answer) as client:
        provisioner = Provisioner(client, Applier(client, world))

        async def advance(
            uid: str = "u", status: dict[str, Any] | None = None, *, is_there: bool = True
        ) -> Provisioning:
            job = Child(f"job-of-{uid}", 1, OWNER, uid, deleting=False, digest="", facts=JobEnd("Succeeded"))
            wanted = Wanted.of(JOB)
            return await provisioner.advance(
                OWNER,
                uid,
                wanted,
                expected="abc",
                bindings=(),
                previous=status or {},
                live={wanted.ref: job} if is_there else {},
                applied=Applied(),
                again=False,
            )

        first = await advance()
        assert first == Provisioning({"hash": "abc", "state": "Succeeded"}, [BINDING])
        assert await advance() == first
        assert await advance(is_there=False) == first, "somebody deletes the Job before the status tells of it"
        assert reads == 1
        assert await advance(status={"provision": first.status, "bindings": first.bindings}) == first
        await advance("another of that name")
        assert reads == 2


async def test_a_result_that_was_replaced_before_the_status_told_of_it_is_no_result_any_more() -> None:
    made: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/pods"):
            return page(POD)
        made.append((await request.json())["metadata"]["name"])
        metadata = {"namespace": "shop", "name": made[-1], "uid": "job", "resourceVersion": "7"}
        return web.json_response({"metadata": metadata, "spec": {}})

    async with serving(answer) as client:
        provisioner = Provisioner(client, Applier(client, World()))

        async def advance(expected: str, *, is_there: bool) -> Provisioning:
            job = Child("job", 1, OWNER, "u", deleting=False, digest="", facts=JobEnd("Succeeded"))
            name = f"orders-provision-{expected}"
            wanted = Wanted.of(JOB | {"metadata": {"name": name, "namespace": "shop"}})
            return await provisioner.advance(
                OWNER,
                "u",
                wanted,
                expected=expected,
                bindings=(),
                previous={},
                live={wanted.ref: job} if is_there else {},
                applied=Applied(),
                again=False,
            )

        assert (await advance("abc", is_there=True)).done
        assert not (await advance("def", is_there=False)).done
        assert not (await advance("abc", is_there=False)).done
        assert made == ["orders-provision-def", "orders-provision-abc"]
