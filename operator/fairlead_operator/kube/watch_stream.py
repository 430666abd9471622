"""Read the lines of an answer that goes on: at once, or gathered.

Each read of a TLS stream has a fixed cost, a turn of the event loop and of every layer above it, whether it brings one
line or a hundred. Where a short delay is acceptable, data stays in the kernel for a moment and is read in one go.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial

import aiohttp


async def lines(answer: aiohttp.ClientResponse, *, gather_seconds: float = 0.0) -> AsyncIterator[bytes]:
    """Lines of any length: one can be larger than the reader's own limit. Empty ones are left out.

    After a whole line, when there is no part of the next one yet, nothing is read for `gather_seconds`.
    """
    pending: list[bytes] = []
    async for chunk in answer.content.iter_any():
        head, *rest = chunk.split(b"\n")
        pending.append(head)
        for following in rest:
            line = b"".join(pending)
            pending = [following]
            if line:
                yield line
        connection = answer.connection
        if gather_seconds and not any(pending) and connection is not None and connection.transport is not None:
            with _unread(connection.transport):
                await asyncio.sleep(gather_seconds)


@contextmanager
def _unread(transport: asyncio.Transport) -> Iterator[None]:
    """Leave what comes to the kernel. Pausing a TLS transport would not do: it goes on to receive, record by record."""
    limit = getattr(transport, "set_read_buffer_limits", None)
    hold, go_on = (partial(limit, high=0), limit) if limit else (transport.pause_reading, transport.resume_reading)
    hold()
    try:
        yield
    finally:
        if not transport.is_closing():
            go_on()
