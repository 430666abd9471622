"""kill -9 at any moment loses no acknowledged write and applies none twice.

Clients post entries with an Idempotency-Key and repeat each until it is acknowledged; the server is killed again and
again meanwhile. In the end every acknowledged entry is there exactly once, every other at most once, and the handler
has counted exactly once.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
from tests.thorough import Share

from .server import Running, free_port, start

FILE = Path(__file__).parents[2] / "data" / "kill.yaml"
KILLS = 15
CLIENTS = 8
SETTLE_SECONDS = 60.0


class Clients:
    """Clients that post entries until they are stopped. An unacknowledged entry is posted again under the same key."""

    def __init__(self) -> None:
        self.accepted: dict[str, str] = {}  # marker -> URL path of the operation
        self.sent = 0
        self._open: list[str] = []

    async def post_one(self, client: httpx.AsyncClient) -> None:
        marker = self._open.pop() if self._open else self._next()
        try:
            answer = await client.post(
                "/v1/entries", json={"marker": marker}, headers={"Idempotency-Key": f'"{marker}"'}, timeout=10
            )
        except httpx.TransportError:
            self._open.append(marker)
            await asyncio.sleep(0.01)
            return
        if answer.status_code == 202:
            self.accepted[marker] = answer.headers["location"]
        else:  # starting or stopping; what a killed server had reserved is taken over at once
            assert answer.status_code == 503, answer.text
            self._open.append(marker)
            await asyncio.sleep(0.05)

    def _next(self) -> str:
        self.sent += 1
        return f"m{self.sent}"

    @asynccontextmanager
    async def posting(self, url: str) -> AsyncIterator[None]:
        async with httpx.AsyncClient(base_url=url, limits=httpx.Limits(max_connections=CLIENTS)) as client:

            async def loop() -> None:
                while True:
                    await self.post_one(client)

            tasks = [asyncio.create_task(loop()) for _ in range(CLIENTS)]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                for task in tasks:
                    with suppress(asyncio.CancelledError):
                        await task

    def unacknowledged(self) -> set[str]:
        """Entries that were never acknowledged."""
        return {f"m{number}" for number in range(1, self.sent + 1)} - self.accepted.keys()


async def _finish(server: Running, clients: Clients) -> None:
    """Wait until every acknowledged entry's operation has succeeded."""
    async with httpx.AsyncClient(base_url=server.url, timeout=10) as client:
        waiting = set(clients.accepted.values())
        deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while waiting:
            for path in list(waiting):
                operation = (await client.get(path)).json()
                assert operation["status"] != "Failed", operation
                if operation["status"] == "Succeeded":
                    waiting.discard(path)
            assert asyncio.get_running_loop().time() < deadline, f"{len(waiting)} operations are still pending"


async def _settled(client: httpx.AsyncClient, marker: str) -> list[dict[str, object]]:
    """The documents of `marker` once the handler has run."""
    deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
    while True:
        items: list[dict[str, object]] = (await client.get("/v1/entries", params={"marker": marker})).json()["items"]
        if all(item["handled"] for item in items) or asyncio.get_running_loop().time() > deadline:
            return items
        await asyncio.sleep(0.05)


async def test_kills_lose_no_accepted_write_and_apply_none_twice(tmp_path: Path, share: Share) -> None:
    moments = share.pick([random.Random(number).uniform(0.02, 0.6) for number in range(KILLS)])
    clients = Clients()
    port = free_port()
    for seconds in moments:
        server = start(FILE, tmp_path / "data", port=port)
        try:
            server.wait_ready()
            async with clients.posting(server.url):
                await asyncio.sleep(seconds)
                server.kill()
        finally:
            if server.process.poll() is None:
                server.kill()
    server = start(FILE, tmp_path / "data", port=port)
    try:
        server.wait_ready()
        await _finish(server, clients)
        async with httpx.AsyncClient(base_url=server.url, timeout=10) as client:
            found = {marker: await _settled(client, marker) for marker in clients.accepted}
            unacknowledged = {marker: await _settled(client, marker) for marker in clients.unacknowledged()}
    finally:
        server.kill()
    assert len(clients.accepted) > len(moments), "the clients hardly got through"
    lost = [marker for marker, items in found.items() if not items]
    doubled = [marker for marker, items in (found | unacknowledged).items() if len(items) > 1]
    handled = {item["handled"] for items in found.values() for item in items}
    print(f"kills {len(moments)}, accepted {len(found)}, applied {len(found) - len(lost)}, duplicates {len(doubled)}")
    assert (lost, doubled, handled) == ([], [], {1})
