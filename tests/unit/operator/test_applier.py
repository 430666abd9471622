"""How many children are written at a time, which are not looked at, and what becomes of one that is refused."""

import asyncio

import pytest
from aiohttp import web

from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.drift.desired import DesiredChild
from fairlead_operator.kube.client import Client
from fairlead_operator.reconcile.applier import AT_ONCE, Applied, Applier

from .server import fault, serving

OWNER = ("shop", "orders")
OWNERS = [{"kind": "ApiService", "apiVersion": "fairlead.dev/v1alpha1", "uid": "u", "controller": True}]


def config_map(number: int) -> dict[str, object]:
    labels = {"fairlead.dev/apisvc": "orders"}
    metadata = {"name": f"orders-{number}", "namespace": "shop", "labels": labels, "ownerReferences": OWNERS}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}}


class Server:
    """Takes every write, and holds each answer back until nothing more comes."""

    def __init__(self, *, refused: str = "", code: int = 0) -> None:
        self.refused, self.code = refused, code
        self.names: list[str] = []
        self.most = self._under_way = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["metadata"]["name"] == self.refused:
            return fault(self.code)
        self.names.append(body["metadata"]["name"])
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        await asyncio.sleep(0.02)
        self._under_way -= 1
        held: dict[str, object] = {
            "f:metadata": {"f:labels": {"f:fairlead.dev/apisvc": {}}, "f:ownerReferences": {}},
            "f:data": {},
        }
        entry = {"manager": "fairlead", "operation": "Apply", "fieldsV1": held}
        more = {"uid": body["metadata"]["name"], "resourceVersion": str(len(self.names)), "managedFields": [entry]}
        return web.json_response(body | {"metadata": body["metadata"] | more})


async def apply(client: Client, cache: ClusterCache, applier: Applier) -> Applied:
    applied = Applied()
    desired = [DesiredChild.of(config_map(number)) for number in range(10)]
    await applier.apply(OWNER, "u", desired, applied=applied)
    return applied


async def test_children_are_written_a_few_at_a_time_in_their_order() -> None:
    server, cache = Server(), ClusterCache()
    async with serving(server.answer) as client:
        applied = await apply(client, cache, Applier(client, cache))
    assert server.most == AT_ONCE
    assert set(server.names[:AT_ONCE]) == {f"orders-{number}" for number in range(AT_ONCE)}
    assert len(applied.written) == 10


async def test_children_that_are_as_they_should_be_are_not_written_again() -> None:
    server, cache = Server(), ClusterCache()
    async with serving(server.answer) as client:
        applier = Applier(client, cache)
        await apply(client, cache, applier)
        again = await apply(client, cache, applier)
    assert len(server.names) == 10
    assert again.complete
    assert again.written == []


@pytest.mark.parametrize("code", [400, 403, 422])
async def test_a_child_that_is_refused_is_reported_and_the_others_are_written(code: int) -> None:
    server, cache = Server(refused="orders-3", code=code), ClusterCache()
    async with serving(server.answer) as client:
        applied = await apply(client, cache, Applier(client, cache))
    assert len(applied.written) == 9
    assert not applied.complete
    assert applied.stalled is not None
    assert applied.stalled.reason == "Refused"
    assert "ConfigMap orders-3: said so" in applied.stalled.message
    assert applied.is_final == (code != 403)


async def test_a_child_that_the_server_fails_to_write_is_an_error_to_try_again() -> None:
    server, cache = Server(refused="orders-3", code=500), ClusterCache()
    async with serving(server.answer) as client:
        applied = await apply(client, cache, Applier(client, cache))
    assert len(applied.written) == 9
    assert not applied.complete
    assert applied.stalled is None
    assert [error.message for error in applied.errors] == ["said so"]
