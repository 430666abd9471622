"""A pod of the API only publishes: workers read how full queue and outbox are, and they alone consume."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from tests.integration.workload.documents import runtime
from tests.wrapped import WrappedQueue

from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.bindings import QueueType
from fairlead_workload import adapters
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.service import EVERYTHING, Role, Service, Workload

T = TypeVar("T")


@pytest.mark.parametrize("roles", [{Role.API}, {Role.WORKER}, EVERYTHING], ids=lambda roles: "+".join(sorted(roles)))
async def test_only_a_worker_reads_sizes_and_consumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, roles: set[Role]
) -> None:
    asked = {"depth": asyncio.Event(), "receive": asyncio.Event()}

    async def around(name: str, call: Callable[[], Awaitable[T]]) -> T:
        if name in asked:
            asked[name].set()
        return await call()

    async def open_queue(opening: adapters.Opening) -> WrappedQueue:
        return WrappedQueue(SqliteQueue(await opening.embedded()), around)

    monkeypatch.setattr(adapters, "QUEUES", {QueueType.SQLITE: open_queue})
    document = RuntimeDocument.model_validate(runtime())
    workload = Workload(document, adapters.Surroundings(tmp_path), port=0, admin_port=0, roles=frozenset(roles))
    service = Service(workload)
    await service.start()
    async with httpx.AsyncClient(base_url=service.admin_url) as client:
        shown = (await client.get("/metrics")).text
        if Role.WORKER in roles:
            await asked["depth"].wait()
            await asked["receive"].wait()
            while "fairlead_queue_messages{" not in shown:
                shown = (await client.get("/metrics")).text
        else:
            assert not any(event.is_set() for event in asked.values())
            assert "fairlead_queue_messages" not in shown
            assert "fairlead_outbox_pending" not in shown
    await service.stop(grace_seconds=0)
