"""Faults of watches and lists, as actions for the fault proxy's rules."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from .actions import Action
from .exchange import Answer, Exchange, Request

Change = Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]
CHUNK_BYTES = 2**18


def is_watch(resource: str, *, replica: str) -> Callable[[Request], bool]:
    """Whether a request is this replica's watch of these."""
    return lambda request: (request.replica, request.method, request.resource) == (replica, "WATCH", resource)


def is_list(resource: str, *, replica: str) -> Callable[[Request], bool]:
    """Whether a request is this replica's list of these, or one page of it."""
    return lambda request: (
        (request.replica, request.method, request.resource, request.name) == (replica, "GET", resource, "")
    )


def error(code: int) -> Action:
    """The watch is accepted, and its first event is an ERROR."""
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code}

    async def act(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.send(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")

    return act


async def closed_at_once(exchange: Exchange) -> None:
    """The watch is accepted and ended in good order, at once."""
    await exchange.begin()


async def hung(exchange: Exchange) -> None:
    """The connection stays; not even the head of an answer comes."""
    del exchange
    await asyncio.Event().wait()


async def silent(exchange: Exchange) -> None:
    """The watch is accepted; nothing more comes, nor its end."""
    await exchange.open()
    await asyncio.Event().wait()


async def torn(exchange: Exchange) -> None:
    """The connection is reset in the middle of the first event."""
    async for line in exchange.lines():
        await exchange.send(line[: len(line) // 2])
        break
    exchange.drop()


async def _without_events(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for line in lines:
        if is_bookmark(line):
            yield line


async def _twice(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for line in lines:
        yield line
        yield line


def is_bookmark(line: bytes) -> bool:
    """Whether it is no news but that there are none."""
    return bool(json.loads(line)["type"] == "BOOKMARK")


def changed(change: Change) -> Action:
    """The watch goes on, and its lines are what `change` makes of them."""

    async def act(exchange: Exchange) -> None:
        await exchange.open()
        async for line in change(exchange.lines()):
            await exchange.send(line)

    return act


lossy = changed(_without_events)
"""Every event is lost; bookmarks come."""

duplicated = changed(_twice)
"""Every event comes twice."""


def delayed(seconds: float) -> Action:
    """Everything comes so much later, in order; the head of the answer comes at once."""

    async def act(exchange: Exchange) -> None:
        loop = asyncio.get_running_loop()
        later: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue()

        async def read() -> None:
            async for line in exchange.lines():
                later.put_nowait((loop.time() + seconds, line))
            later.put_nowait((loop.time() + seconds, None))

        await exchange.open()
        reading = asyncio.create_task(read())
        try:
            while True:
                due, line = await later.get()
                await asyncio.sleep(due - loop.time())
                if line is None:
                    return
                await exchange.send(line)
        finally:
            reading.cancel()

    return act


def in_chunks(pause_seconds: float) -> Action:
    """The answer comes in pieces of 256 KiB, with a pause after each."""

    async def act(exchange: Exchange) -> None:
        answer = await exchange.forward()
        await exchange.begin(answer.code, answer.headers)
        for start in range(0, len(answer.body), CHUNK_BYTES):
            await exchange.send(answer.body[start : start + CHUNK_BYTES])
            await asyncio.sleep(pause_seconds)

    return act


class Frozen:
    """Lists are answered as they were, of objects or of metadata; watches stay silent; everything else goes through."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], Answer] = {}

    async def remember(self, exchange: Exchange) -> None:
        """Pass a list on, and keep it."""
        answer = await exchange.forward()
        self._answers[exchange.request.resource, exchange.request.accept] = answer
        await exchange.reply(answer)

    async def act(self, exchange: Exchange) -> None:
        """Answer from the past."""
        if exchange.request.method == "WATCH":
            await silent(exchange)
        else:
            await exchange.reply(self._answers[exchange.request.resource, exchange.request.accept])
