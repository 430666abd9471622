"""The stop of a service in this process: what it has begun ends with it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from tests.integration.workload.documents import runtime
from tests.wrapped import WrappedCache

from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.bindings import CacheType
from fairlead_workload import adapters
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.service import Service, Workload

T = TypeVar("T")


class Hanging:
    """A cache that does not answer reads; it counts those that wait for it."""

    def __init__(self) -> None:
        self.waiting = 0
        self.asked = asyncio.Event()

    async def around(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        if name != "get":
            return await call()
        self.waiting += 1
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.waiting -= 1
        return await call()


async def test_a_read_that_waits_for_the_cache_ends_with_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = Hanging()

    async def open_cache(opening: adapters.Opening) -> WrappedCache:
        return WrappedCache(MemoryCache(10), hanging.around)

    monkeypatch.setattr(adapters, "CACHES", {CacheType.MEMORY: open_cache})
    document = RuntimeDocument.model_validate(runtime())
    service = Service(Workload(document, adapters.Surroundings(tmp_path), port=0, admin_port=0))
    await service.start()
    async with httpx.AsyncClient(base_url=service.url) as client:
        reading = asyncio.create_task(client.get("/v1/products/p1"))
        await hanging.asked.wait()
        await service.stop(grace_seconds=0)
        assert hanging.waiting == 0
        await asyncio.gather(reading, return_exceptions=True)
