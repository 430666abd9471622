"""Pods of one ApiService, each with a store and a cache of its own, on one database and one queue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.registry import CollectorRegistry
from tests.integration.postgresql.conftest import until
from tests.integration.workload.documents import PRODUCTS, runtime
from tests.postgresql import open_several
from tests.servers.postgresql import GROUP, PostgreSQL

from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.bindings import Order
from fairlead_workload import adapters
from fairlead_workload.adapters import Adapters
from fairlead_workload.api.app import application
from fairlead_workload.api.health import Health, checks
from fairlead_workload.api.kernel import Kernel
from fairlead_workload.bindings import Bindings
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.sqlite import Database
from fairlead_workload.telemetry.access import AccessLog
from fairlead_workload.telemetry.http import HttpTelemetry
from fairlead_workload.worker.loop import Worker

pytestmark = pytest.mark.xdist_group(GROUP)

DOCUMENT = RuntimeDocument.model_validate(runtime())
PRODUCT = {"id": "p1", "price": 2.5}
WRITERS = 60


@dataclass
class Pod:
    """One of them; `client` sends it requests."""

    bindings: Bindings
    client: httpx.AsyncClient

    async def get(self, path: str) -> Any:
        return (await self.client.get(path)).json()


@asynccontextmanager
async def pods(
    server: PostgreSQL, folder: Path, count: int, document: RuntimeDocument = DOCUMENT
) -> AsyncIterator[list[Pod]]:
    """They start at the same time."""
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(open_several(server, document.api.resources, count))
        database = Database.open(folder)
        stack.push_async_callback(database.close)
        queue = SqliteQueue(database, order=Order.NONE)
        stack.push_async_callback(queue.close)
        bound_queue = queue if document.queue is not None else None
        opened = [Adapters(store, bound_queue, MemoryCache(100), None) for store in stores]
        bound = await asyncio.gather(*(adapters.bind(document, each) for each in opened))
        yield [await _pod(stack, each) for each in bound]


async def _pod(stack: AsyncExitStack, bindings: Bindings) -> Pod:
    telemetry = HttpTelemetry(CollectorRegistry(), AccessLog(lambda _: None))
    app = application(bindings.document, Kernel(bindings, http=telemetry), Health(checks(bindings)), telemetry)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # its types are of another dictionary
    client = httpx.AsyncClient(transport=transport, base_url="http://pod")
    return Pod(bindings, await stack.enter_async_context(client))


async def test_the_secret_of_operation_ids_is_made_once(postgresql: PostgreSQL, tmp_path: Path) -> None:
    async with pods(postgresql, tmp_path, 8) as several:
        minted = {each.bindings.operations.mint(bytes(16), principal="", path="products/p1") for each in several}
        assert len(minted) == 1


async def test_an_operation_is_answered_alike_by_every_pod(postgresql: PostgreSQL, tmp_path: Path) -> None:
    async with pods(postgresql, tmp_path, 2) as (one, two):
        accepted = await one.client.post("/v1/products", json=PRODUCT)
        assert accepted.status_code == 202
        path = accepted.headers["location"]
        assert await two.get(path) == accepted.json()

        worker = Worker(two.bindings)
        running = asyncio.create_task(worker.run())
        try:
            states: list[Any] = []
            while not states or states[-1]["status"] == "Pending":
                states.append(await one.get(path))
            assert states[-1] == await two.get(path)
            assert (states[-1]["status"], await one.get("/v1/products/p1")) == ("Succeeded", PRODUCT)
        finally:
            await worker.drain(5)
            await running


async def test_a_repetition_of_an_accepted_write_is_answered_by_another_pod(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    async with pods(postgresql, tmp_path, 2) as (one, two):
        key = {"idempotency-key": "k1"}
        first = await one.client.post("/v1/products", json=PRODUCT, headers=key)
        again = await two.client.post("/v1/products", json=PRODUCT, headers=key)
        other = await two.client.post("/v1/products", json=PRODUCT | {"price": 3}, headers=key)
        assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())
        assert other.status_code == 422
        depth = await one.bindings.queue.depth()  # type: ignore[union-attr]
        assert depth.ready == 1, "it was queued once"


async def test_the_relay_of_a_pod_without_a_worker_publishes_what_another_committed(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    from fairlead_workload.stores.base import Mutation, OutboxEvent, Unit
    from fairlead_workload.worker.relay import relay_of

    async with pods(postgresql, tmp_path, 2) as (one, two):
        relay = relay_of(two.bindings)
        assert relay is not None
        running = asyncio.create_task(relay.run())
        try:
            event = OutboxEvent("e1", "products/p1", b"{}")
            await one.bindings.store.commit(Unit((Mutation("products", ("p1",), PRODUCT),), outbox=(event,)))
            await until(lambda: relay.stats.published)
            await relay.drain()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert await one.bindings.store.unpublished(10) == []  # type: ignore[attr-defined]


async def test_a_value_that_the_store_cannot_hold_is_an_invalid_document(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    indexed = PRODUCTS | {"writes": "Sync", "indexes": [{"name": "byName", "partition": "name"}]}
    indexed["schema"] = indexed["schema"] | {"properties": {"id": {"type": "string"}, "name": {"type": "string"}}}
    indexed["schema"]["required"] = ["id"]
    document = RuntimeDocument.model_validate(runtime(api={"resources": [indexed]}, queue=None, worker=None))
    async with pods(postgresql, tmp_path, 1, document) as (pod,):
        answer = await pod.client.post("/v1/products", json={"id": "p1", "name": "ab" * 2000})
        assert answer.status_code == 422
        detail = "It has 4000 bytes, and an index takes 2600 at most."
        assert answer.json()["errors"] == [{"pointer": "/name", "detail": detail}]


async def test_writers_of_one_document_in_two_pods_all_get_on(postgresql: PostgreSQL, tmp_path: Path) -> None:
    """Each pod's writers leave the document to each other; none of the other pod's are left behind by that."""
    document = RuntimeDocument.model_validate(
        runtime(api={"resources": [PRODUCTS | {"writes": "Sync"}]}, queue=None, worker=None)
    )
    async with pods(postgresql, tmp_path, 2, document) as several:
        assert (await several[0].client.post("/v1/products", json=PRODUCT)).status_code == 201
        patch = {"content-type": "application/merge-patch+json"}

        async def write(number: int) -> httpx.Response:
            client = several[number % 2].client
            return await client.patch("/v1/products/p1", json={f"n{number}": number}, headers=patch)

        answers = await asyncio.gather(*map(write, range(WRITERS)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.headers["etag"] for answer in answers}) == WRITERS
        found = await several[1].get("/v1/products/p1")
        assert found == PRODUCT | {f"n{number}": number for number in range(WRITERS)}
