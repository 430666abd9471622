"""One server of each kind, and connections to it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.conformance.http_server.client import Client, Connect
from tests.conformance.http_server.servers import LIMITS, SERVERS, Application

from fairlead_workload.api.servers.base import Server, bind


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture(params=SERVERS)
async def server(request: pytest.FixtureRequest, application: Application) -> AsyncIterator[Server]:
    server = SERVERS[request.param](application, bind("127.0.0.1", 0), limits=LIMITS)
    await server.start()
    yield server
    application.gate.set()
    await server.stop(2.0)


@pytest.fixture
async def connect(server: Server) -> AsyncIterator[Connect]:
    opened: list[Client] = []

    async def open_() -> Client:
        client = Client(*await asyncio.open_connection(*server.address))
        opened.append(client)
        return client

    yield open_
    for client in opened:
        client.writer.transport.abort()
