"""The usual faults, as actions for the fault proxy's rules."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from .exchange import Answer, Exchange

Action = Callable[[Exchange], Awaitable[None]]


async def untouched(exchange: Exchange) -> None:
    """Pass everything on."""
    if exchange.request.method != "WATCH":
        await exchange.reply(await exchange.forward())
        return
    async for chunk in exchange.chunks():
        await exchange.send(chunk)


async def reset(exchange: Exchange) -> None:
    """Reset the connection; the server gets nothing."""
    exchange.drop()


async def lose_reply(exchange: Exchange) -> None:
    """The server carries the request out, and the sender gets no answer."""
    await exchange.forward()
    exchange.drop()


async def cut_body(exchange: Exchange) -> None:
    """The connection is reset in the middle of the answer's body."""
    answer = await exchange.forward()
    await exchange.begin(answer.code, dict(answer.headers) | {"Content-Length": str(len(answer.body))})
    await exchange.send(answer.body[: len(answer.body) // 2])
    exchange.drop()


def answer(code: int, *, reason: str = "", message: str = "a fault", retry_after: int | None = None) -> Action:
    """Answer with this status; the server gets nothing. `retry_after` in seconds."""
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    body = json.dumps(status | {"code": code, "reason": reason, "message": message}).encode()
    headers = {"Content-Type": "application/json"} | ({"Retry-After": str(retry_after)} if retry_after else {})

    async def act(exchange: Exchange) -> None:
        await exchange.reply(Answer(code, body, headers))

    return act


def hang(seconds: float, *, then: Action = untouched) -> Action:
    """Nothing happens for so long; `then` comes even when the sender has given up."""

    async def act(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await then(exchange)

    return act


def call_before(function: Callable[[], object], *, then: Action = reset) -> Action:
    """Call the function (quick: it runs in the proxy's thread) before the server gets anything."""

    async def act(exchange: Exchange) -> None:
        function()
        await then(exchange)

    return act


def call_after(function: Callable[[], object]) -> Action:
    """Call the function when the server has answered; the sender gets no answer."""

    async def act(exchange: Exchange) -> None:
        await exchange.forward()
        function()
        exchange.drop()

    return act
