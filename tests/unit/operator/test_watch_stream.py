"""Lines that go on are read whole, and gathered where the reader can wait."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
import uvloop
from aiohttp import web
from tests.cluster.certificates import Authority

from fairlead_operator.kube import watch_stream as lines_module
from fairlead_operator.kube.watch_stream import lines

SENT = [b"line %d" % number for number in range(50)]
TRANSPORT = web.ResponseKey("transport", asyncio.Transport)
Runner = Callable[[Coroutine[Any, Any, None]], None]


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for a server on loopback and for its client."""
    authority = Authority("lines")
    for_server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    for_server.load_cert_chain(*authority.issue("server", addresses=["127.0.0.1"]).write(folder, "server"))
    return for_server, ssl.create_default_context(cadata=authority.certificate.decode())


@asynccontextmanager
async def answering(
    write: Callable[[web.StreamResponse], Coroutine[Any, Any, None]], folder: Path, *, tls: bool
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer of a server that writes so."""

    async def handle(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        assert request.transport is not None
        answer[TRANSPORT] = request.transport
        await answer.prepare(request)
        await write(answer)
        return answer

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    for_server, for_client = contexts(folder) if tls else (None, None)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=for_server).start()
    url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        async with aiohttp.ClientSession() as session, session.get(url, ssl=for_client or False) as answer:
            yield answer
    finally:
        await runner.cleanup()


def waiting(monkeypatch: pytest.MonkeyPatch, wait: Callable[[float], Coroutine[Any, Any, None]]) -> None:
    """Have `lines` wait so, and nobody else."""
    monkeypatch.setattr(lines_module, "asyncio", SimpleNamespace(sleep=wait))


async def read_into(found: list[bytes], source: AsyncIterator[bytes]) -> None:
    """Each line is in `found` as soon as it is read."""
    async for line in source:
        found.append(line)  # noqa: PERF401  # an extension would come at the end


everywhere = pytest.mark.parametrize(
    ("run", "tls"),
    [(asyncio.run, True), (asyncio.run, False), (uvloop.run, True), (uvloop.run, False)],
    ids=["asyncio-tls", "asyncio-plain", "uvloop-tls", "uvloop-plain"],
)


@everywhere
def test_what_comes_while_the_reader_waits_stays_with_the_kernel_and_is_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Runner, tls: bool
) -> None:
    found: list[bytes] = []
    waits: list[int] = []

    async def scenario() -> None:
        begun, written, read = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def write(answer: web.StreamResponse) -> None:
            first, *more = SENT
            await answer.write(first + b"\n")
            await begun.wait()
            for line in more:
                await answer.write(line + b"\n")
                await asyncio.sleep(0.001)
            written.set()
            await read.wait()

        async def wait(seconds: float) -> None:
            assert seconds == 7.0
            waits.append(len(found))
            received = answer.content.total_bytes
            begun.set()
            await written.wait()
            assert answer.content.total_bytes == received
            if len(found) == len(SENT):
                read.set()

        waiting(monkeypatch, wait)
        async with answering(write, tmp_path, tls=tls) as answer:
            await read_into(found, lines(answer, gather_seconds=7.0))

    run(scenario())
    assert found == SENT
    assert (waits[0], waits[-1]) == (1, len(SENT))
    assert len(waits) <= 3  # the kernel may hand over what it has in two pieces


@everywhere
def test_no_waiting_in_the_middle_of_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Runner, tls: bool
) -> None:
    found: list[bytes] = []
    large = b"x" * 3_000_000

    async def scenario() -> None:
        async def write(answer: web.StreamResponse) -> None:
            await answer.write(b"begun")
            await asyncio.sleep(0.05)
            await answer.write(b" and ended\n" + large + b"\n")

        async def wait(_: float) -> None:
            assert found
            assert found[-1] in {b"begun and ended", large}

        waiting(monkeypatch, wait)
        async with answering(write, tmp_path, tls=tls) as answer:
            await read_into(found, lines(answer, gather_seconds=7.0))

    run(scenario())
    assert found == [b"begun and ended", large]


@everywhere
def test_a_connection_that_breaks_meanwhile_is_reported_afterwards(tmp_path: Path, run: Runner, tls: bool) -> None:
    found: list[bytes] = []

    async def scenario() -> None:
        async def write(answer: web.StreamResponse) -> None:
            await answer.write(b"one\n")
            await asyncio.sleep(0.05)
            answer[TRANSPORT].abort()

        async with answering(write, tmp_path, tls=tls) as answer:
            await read_into(found, lines(answer, gather_seconds=0.2))

    with pytest.raises(aiohttp.ClientError):
        run(scenario())
    assert found == [b"one"]


@everywhere
def test_who_waits_can_be_cancelled(tmp_path: Path, run: Runner, tls: bool) -> None:
    async def scenario() -> None:
        gone = asyncio.Event()

        async def write(answer: web.StreamResponse) -> None:
            await answer.write(b"one\n")
            await gone.wait()

        async def read() -> None:
            async with answering(write, tmp_path, tls=tls) as answer:
                async for _ in lines(answer, gather_seconds=3600.0):
                    got.set()

        got = asyncio.Event()
        reading = asyncio.create_task(read())
        await got.wait()
        await asyncio.sleep(0.05)
        reading.cancel()
        gone.set()
        await asyncio.wait_for(asyncio.gather(reading, return_exceptions=True), timeout=10.0)
        assert reading.cancelled()

    run(scenario())
