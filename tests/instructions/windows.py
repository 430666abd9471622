"""What is counted: windows of a fixed number of requests, by case.

Decided here: requests come in groups of a fixed size, each awaited, so that every run has the same transactions. The
orders that a window of POSTs accepted are applied before the next one; their events are what the window of events
handles.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from tests.instructions.calibration import Loop
from tests.instructions.exchange import Exchange
from tests.instructions.service import Counted

GROUP = 32  # requests under way at a time
SIZES = {"calibration": 400, "get": 256, "post": 64, "event": 64}  # turns, requests or events in a window

PRODUCT = {"id": "p1", "name": "A thing to order", "price": 12.5}
# About 1 KB: an encode of it is well above what the layout of memory adds to a request.
ORDER = {
    "customerId": "c1",
    "productId": "p1",
    "quantity": 2,
    "note": "Please ring twice, and leave it with the neighbours when nobody is in.",
    "address": {"name": "A. Customer", "street": "Harbour Street 12", "city": "Port Example", "country": "Nowhere"},
    "lines": [{"sku": f"sku-{n:04}", "name": f"Part number {n}", "price": n + 0.25} for n in range(12)],
}
STORED = {
    "id": "0190a0b0-0000-7000-8000-000000000000",
    **ORDER,
    "createdAt": "2027-01-15T08:00:00.000Z",
    "status": "PENDING",
}
_PRODUCT_PATH, _ORDERS_PATH = "/v1/products/p1", "/v1/orders"

Plant = Callable[[Any], object]
Mark = Callable[[str], None]


class Windows:
    """The windows of one service. `mark` is called as each begins, with "", and as it ends, with its name."""

    def __init__(self, service: Counted, mark: Mark) -> None:
        self._service = service
        self._mark = mark
        self._loop = Loop()

    async def prepare(self) -> None:
        """Store the product that is read and ordered, and have it cached."""
        await self._request("PUT", _PRODUCT_PATH, msgspec.json.encode(PRODUCT), 201)
        await self._request("GET", _PRODUCT_PATH, b"", 200)

    async def round(self, kind: str, plant: Plant | None = None) -> None:
        """One window of each case, called `KIND CASE`. Each request also does `plant` with its own small document."""
        self._begin()
        self._loop.run(SIZES["calibration"])
        self._end(f"{kind} calibration")
        self._begin()
        await self._gets(plant)
        self._end(f"{kind} get")
        self._begin()
        await self._posts(plant)
        self._end(f"{kind} post")
        await self._handle()  # the commands
        self._begin()
        await self._events(plant)
        self._end(f"{kind} event")

    def _begin(self) -> None:
        self._service.flush()
        self._mark("")

    def _end(self, name: str) -> None:
        self._service.flush()
        self._mark(name)

    async def _gets(self, plant: Plant | None) -> None:
        for _ in range(SIZES["get"]):
            if plant is not None:
                plant(PRODUCT)
            await self._request("GET", _PRODUCT_PATH, b"", 200)

    async def _posts(self, plant: Plant | None) -> None:
        body = msgspec.json.encode(ORDER)
        for _ in range(SIZES["post"] // GROUP):
            await asyncio.gather(*(self._post(body, plant) for _ in range(GROUP)))

    async def _post(self, body: bytes, plant: Plant | None) -> None:
        if plant is not None:
            plant(ORDER)
        await self._request("POST", _ORDERS_PATH, body, 202)

    async def _events(self, plant: Plant | None) -> None:
        if plant is not None:
            for _ in range(SIZES["event"]):
                plant(STORED)
        await self._handle()

    async def _handle(self) -> None:
        deliveries = await self._service.queue.receive(SIZES["event"], wait_seconds=0)
        if len(deliveries) != SIZES["event"]:
            raise RuntimeError(f"there are {len(deliveries)} events for the worker instead of {SIZES['event']}")
        await self._service.worker.handle(deliveries)
        await self._service.worker.publish_outbox()

    async def _request(self, method: str, path: str, body: bytes, status: int) -> None:
        found = await Exchange(body).run(self._service.app, method, path)
        if found != status:
            raise RuntimeError(f"{method} {path}: {found} instead of {status}")

    def close(self) -> None:
        """Release what the calibrated loop holds."""
        self._loop.close()
