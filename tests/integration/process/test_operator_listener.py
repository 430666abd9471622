"""The operator's own listener, against clients that say nothing or the wrong thing."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from fairlead_operator.cache.liveness import ServerReachability
from fairlead_operator.controller import health

PATIENCE_SECONDS = 20.0
Address = tuple[str, int]


@pytest.fixture
async def address() -> AsyncIterator[Address]:
    app = health.application(
        watches=dict, reachability=ServerReachability(clock=lambda: 0.0), unready=list, metrics=bytes
    )
    runner = health.runner(app, idle_seconds=0.3)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0]
    await runner.cleanup()


async def answer(address: Address, request: bytes) -> bytes:
    """All that the listener says until it closes."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await reader.read()
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("begun", [b"", b"GET /hea", b"PRI * HTT", b"GET /healthz HTTP/1.1\r\nHost: a\r\n"])
async def test_a_client_that_goes_silent_is_closed(address: Address, begun: bytes) -> None:
    assert await answer(address, begun) == b""


async def test_a_connection_is_closed_when_no_other_request_comes(address: Address) -> None:
    assert (await answer(address, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("host", [b"", b"Host: a\r\nHost: b\r\n"])
async def test_a_request_names_its_host_once(address: Address, host: bytes) -> None:
    assert b" 400 " in (await answer(address, b"GET /healthz HTTP/1.1\r\n%s\r\n" % host)).splitlines()[0]
