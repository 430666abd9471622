"""A fault proxy between operators and the API server: it records every request, and rules decide what is done with it.

Each operator has an endpoint of its own, a loopback port without TLS, so the record names replicas. What no rule takes
is passed on untouched, watches chunk by chunk. A rule's action gets the exchange and may do anything with it; the
usual faults are in `actions`.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from ..waiting import connections_closed
from .actions import Action, reset, untouched
from .exchange import Exchange, Request, Server

T = TypeVar("T")


@dataclass
class Rule:
    """Acts on its matches from the one numbered `after` (counted from 0) on, `count` times (None: for ever).

    Every rule counts all its matches as `seen`; of those that would act the first one made does. `hits` are those it
    acted on.
    """

    match: Callable[[Request], bool]
    action: Action
    after: int = 0
    count: int | None = 1
    seen: int = 0
    hits: list[Request] = field(default_factory=list)
    ended: bool = False

    def end(self) -> None:
        """Act no more, and count no more."""
        self.ended = True

    def takes(self, request: Request) -> bool:
        """Count the request; whether it is one to act on."""
        if self.ended or not self.match(request):
            return False
        self.seen += 1
        return self.seen > self.after and (self.count is None or len(self.hits) < self.count)


class FaultProxy:
    """Runs in a thread of its own within its context. `requests` are all there were, in the order they came."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runners: list[web.AppRunner] = []
        self._open: dict[Exchange, asyncio.Task[None]] = {}
        self._rules: list[Rule] = []
        self.requests: list[Request] = []

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        self._server = self._call(self._connect())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def endpoint(self, replica: str) -> str:
        """The URL of a new listening port; what comes in there is recorded as this replica's."""
        return self._call(self._listen(replica))

    def rule(self, match: Callable[[Request], bool], action: Action, *, after: int = 0, count: int | None = 1) -> Rule:
        """Add a rule; see Rule. `match` is called in the proxy's thread and must be quick."""
        rule = Rule(match, action, after, count)
        self._rules.append(rule)
        return rule

    def forbidden(self, replica: str) -> list[Request]:
        """What this replica asked for without a right to it: the server itself said so, no rule."""
        return [each for each in list(self.requests) if each.replica == replica and each.landed == 403]

    def cut(self, match: Callable[[Request], bool] = lambda request: True) -> None:
        """Reset the connections of those requests that are under way now, open watches included."""
        self._call(self._cut(match))

    @contextmanager
    def outage(self, match: Callable[[Request], bool] = lambda request: True) -> Iterator[Rule]:
        """Nothing that matches gets through while the block runs, and what is under way is reset."""
        rule = self.rule(match, reset, count=None)
        self.cut(match)
        try:
            yield rule
        finally:
            rule.end()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _connect(self) -> Server:
        return Server(self._kubeconfig)

    async def _listen(self, replica: str) -> str:
        async def handle(given: web.Request) -> web.StreamResponse:
            return await self._handle(replica, given)

        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def _handle(self, replica: str, given: web.Request) -> web.StreamResponse:
        request = Request.read(replica, given)
        self.requests.append(request)
        # All rules count, in order; the list is walked to its end.
        taking = [rule for rule in self._rules if rule.takes(request)]
        if taking:
            taking[0].hits.append(request)
        exchange = Exchange(request, await given.read(), given, self._server)
        task = asyncio.create_task(self._act(exchange, taking[0].action if taking else untouched))
        self._open[exchange] = task
        try:
            # A sender that goes away ends its watch; anything else is on the wire and goes on.
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if request.method == "WATCH":
                task.cancel()
            raise
        return exchange.end()

    async def _act(self, exchange: Exchange, action: Action) -> None:
        try:
            await action(exchange)
        except (aiohttp.ClientError, ConnectionError):
            exchange.drop()
        finally:
            exchange.end()
            exchange.request.over = time.monotonic()
            del self._open[exchange]

    async def _cut(self, match: Callable[[Request], bool]) -> None:
        for exchange in list(self._open):
            if match(exchange.request):
                exchange.drop()

    async def _close(self) -> None:
        await self._server.close()
        tasks = list(self._open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for runner in self._runners:
            await runner.cleanup()
        await connections_closed()
