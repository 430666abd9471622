"""Many clients that write one document at the same time all succeed."""

import asyncio
from pathlib import Path

import httpx
import pytest

from .server import running

FILE = Path(__file__).parents[2] / "data" / "notes.yaml"


@pytest.mark.parametrize("count", [16, 64])
async def test_many_clients_write_one_document(tmp_path: Path, count: int) -> None:
    with running(FILE, tmp_path / "data") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            puts = await asyncio.gather(*(client.put("/v1/notes/a", json={"n": n}) for n in range(count)))
            assert sorted(answer.status_code for answer in puts) == [200] * (count - 1) + [201]
            patches = await asyncio.gather(*(client.patch("/v1/notes/a", json={f"field{n}": n}) for n in range(count)))
            assert {answer.status_code for answer in patches} == {200}
            assert len({answer.headers["etag"] for answer in patches}) == count
            found = (await client.get("/v1/notes/a")).json()
            assert {f"field{n}": n for n in range(count)}.items() <= found.items()
