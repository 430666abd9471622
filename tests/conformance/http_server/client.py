"""A client that writes raw bytes, and what it expects of the next request."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable

import pytest
from tests.conformance.http_server.servers import PATIENCE_SECONDS

from fairlead_workload.api.servers.base import Server


class Client:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def response(self, *, head: bool = False) -> tuple[int, dict[str, str], bytes] | None:
        """The next response, or None when the connection is closed before one."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                raw = await self.reader.readuntil(b"\r\n\r\n")
                status, headers = parse_head(raw)
                body = b"" if head or status == 100 else await self.body(headers)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                pytest.fail("a response was cut off")
            return None
        except ConnectionError:
            return None
        return status, headers, body

    async def response_to_next(self) -> tuple[int, dict[str, str], bytes] | None:
        """The response to one request more, or None when the server closes instead."""
        with contextlib.suppress(ConnectionError):
            await self.send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        return await self.response()

    async def body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            whole = await self.reader.readuntil(b"0\r\n\r\n")
            return whole.split(b"\r\n")[1]
        return await self.reader.readexactly(int(headers.get("content-length", "0")))

    async def ended(self) -> bool:
        """Whether the server closes, whatever it says before."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await self.reader.read(65_536):
                    pass
        return True

    async def closed(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self.reader.read() == b""
        except ConnectionError:
            return True


def parse_head(raw: bytes) -> tuple[int, dict[str, str]]:
    lines = raw.decode("latin-1").split("\r\n")
    match = re.fullmatch(r"HTTP/1\.[01] ([0-9]{3}) ?.*", lines[0])
    assert match, lines[0]
    pairs = [line.split(":", 1) for line in lines[1:] if line]
    return int(match[1]), {name.lower(): value.strip() for name, value in pairs}


Connect = Callable[[], Awaitable[Client]]


async def check_next_request(connect: Connect) -> None:
    client = await connect()
    await client.send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
    response = await client.response()
    assert response is not None
    assert (response[0], response[2]) == (200, b"GET ")


async def check_next_request_of(server: Server) -> None:
    """Somebody new is served, once the server has noticed that others have left."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        response = None
        while response is None:
            client = Client(*await asyncio.open_connection(*server.address))
            with contextlib.suppress(ConnectionError):
                await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                response = await client.response()
            client.writer.transport.abort()
