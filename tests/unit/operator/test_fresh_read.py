"""Nothing is written because of a list alone."""

import pytest
from aiohttp import web

from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.records import CachedChild, CachedResource
from fairlead_operator.drift.desired import DesiredChild
from fairlead_operator.errors import Outdated
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client
from fairlead_operator.reconcile.applier import Applied, Applier

from .server import fault, serving

OWNER = ("shop", "orders")
MANIFEST = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "orders", "namespace": "shop", "labels": {"fairlead.dev/apisvc": "orders"}},
    "data": {"generation": "1"},
}


def resource(version: int) -> dict[str, object]:
    metadata = {"name": "orders", "namespace": "shop", "uid": "u", "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {}, "status": {"conditions": []}}


def listed(version: int, *, acted_on: bool = True) -> ClusterCache:
    """A world that knows the resource from a list, with a status or without."""
    cache, reported = ClusterCache(), resource(version)
    if not acted_on:
        reported["status"] = {"observedGeneration": -1}
    cache.services.replace([(OWNER, CachedResource.read(reported))], version=version)
    return cache


def written(body: dict[str, object]) -> web.Response:
    owners = [{"kind": "ApiService", "apiVersion": "fairlead.dev/v1alpha1", "uid": "u", "controller": True}]
    metadata = MANIFEST["metadata"] | {"uid": "c", "resourceVersion": "20", "ownerReferences": owners}  # type: ignore[operator]
    return web.json_response(body | {"metadata": metadata})


class Server:
    """Has the resource at one version, or not at all, and takes every write."""

    def __init__(self, version: int | None) -> None:
        self.version = version
        self.requested: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requested.append(f"{request.method} {request.path.rpartition('/namespaces/')[2]}")
        if request.method == "GET":
            return fault(404) if self.version is None else web.json_response(resource(self.version))
        return written(await request.json())


READ, WRITTEN = "GET shop/apisvcs/orders", "PATCH shop/configmaps/orders"


async def apply(client: Client, cache: ClusterCache) -> None:
    await Applier(client, cache).apply(OWNER, "u", [DesiredChild.of(MANIFEST)], applied=Applied())


async def test_what_a_list_has_shown_is_read_once_before_the_first_write() -> None:
    server, cache = Server(5), listed(5)
    async with serving(server.answer) as client:
        await apply(client, cache)
        await apply(client, ClusterCache(services=cache.services))
    assert server.requested == [READ, WRITTEN, WRITTEN]


@pytest.mark.parametrize(
    ("version", "known"),
    [pytest.param(9, 9, id="it is another by now"), pytest.param(None, 5, id="it is gone")],
)
async def test_what_is_not_as_it_was_listed_is_not_carried_out(version: int | None, known: int) -> None:
    server, cache = Server(version), listed(5)
    async with serving(server.answer) as client:
        with pytest.raises(Outdated):
            await apply(client, cache)
        child = CachedChild("c", 1, OWNER, "u", False, "")
        if version is None:
            with pytest.raises(Outdated):
                await Applier(client, cache).delete(OWNER, DesiredChild.of(MANIFEST).ref, child)
    assert set(server.requested) == {READ}
    record = cache.services.get(OWNER)
    assert record is not None
    assert record.version == known


async def test_children_of_one_without_a_status_are_made_without_a_read() -> None:
    server, cache = Server(5), listed(5, acted_on=False)
    async with serving(server.answer) as client:
        await apply(client, cache)
    assert server.requested == [WRITTEN]


async def test_nothing_that_is_there_is_changed_because_of_a_list_of_before_the_status() -> None:
    """Neither list contained the child, and the create finds it there."""
    requested: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        requested.append(f"{request.method} {request.path.rpartition('/namespaces/')[2]}")
        if request.method == "PATCH":
            return fault(409)
        return web.json_response(resource(9)) if "apisvcs" in request.path else written({})

    async with serving(answer) as client:
        with pytest.raises(Outdated):
            await apply(client, listed(5, acted_on=False))
    assert requested == [WRITTEN, WRITTEN.replace("PATCH", "GET"), READ]


async def test_where_there_is_nothing_to_write_nothing_is_read() -> None:
    server, cache = Server(5), listed(5)
    desired = DesiredChild.of(MANIFEST)
    cache.children[kinds.CONFIG_MAP].put(OWNER, CachedChild("c", 1, OWNER, "u", False, desired.digest))
    async with serving(server.answer) as client:
        await apply(client, cache)
    assert server.requested == []


async def test_what_a_watch_has_shown_needs_no_confirmation() -> None:
    server, cache = Server(6), listed(5)
    cache.services.put(OWNER, CachedResource.read(resource(6)))
    async with serving(server.answer) as client:
        await apply(client, cache)
    assert server.requested == [WRITTEN]
