"""An informer whose time and server are given."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, cast

from fairlead_operator.cache.informer import Informer
from fairlead_operator.cache.liveness import ServerReachability, WatchLiveness
from fairlead_operator.cache.records import CachedChild, Name
from fairlead_operator.cache.store import Store
from fairlead_operator.errors import OperatorError, Unreachable
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client
from fairlead_operator.kube.kinds import Kind
from fairlead_operator.kube.transport import GRACE_SECONDS

GATHER_SECONDS = 0.01


class Times:
    """A clock that only sleeping moves, and the pauses that were slept."""

    def __init__(self, rounds: int) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.rounds = rounds
        self.over = asyncio.Event()

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        if len(self.pauses) >= self.rounds:
            self.over.set()
            await asyncio.Event().wait()


def informer(
    client: Client,
    store: Store[CachedChild],
    times: Times,
    *,
    read: Callable[[dict[str, Any]], CachedChild] = CachedChild.read,
) -> Informer[CachedChild]:
    """One that follows ConfigMaps."""
    return Informer(
        client,
        kinds.CONFIG_MAP,
        store,
        read=read,
        gather_seconds=GATHER_SECONDS,
        liveness=WatchLiveness(ServerReachability(clock=times.clock)),
        clock=times.clock,
        sleep=times.sleep,
    )


async def go(following: Informer[CachedChild], times: Times) -> None:
    """Let it run until the rounds are over."""
    task = asyncio.create_task(following.run())
    over = asyncio.create_task(times.over.wait())
    await asyncio.wait([task, over], return_when=asyncio.FIRST_COMPLETED)
    assert not task.done(), "the informer ended"
    for each in (task, over):
        each.cancel()
        with suppress(asyncio.CancelledError):
            await each


SILENCE = Unreachable("nothing came")
AT_ONCE: list[tuple[str, dict[str, Any]]] = []
NOTHING: list[tuple[str, dict[str, Any]]] = []


class Scripted:
    """A client whose windows are given: events, or the error they end with. SILENCE and NOTHING take their time."""

    def __init__(self, windows: list[list[tuple[str, dict[str, Any]]] | OperatorError]) -> None:
        self.windows = windows
        self.requested: list[str] = []
        self.seconds: list[int] = []
        self.gathered: list[float] = []
        self.times = Times(len(windows))

    async def read_all(self, kind: Kind, _: object, **__: str) -> tuple[list[tuple[Name, CachedChild]], str]:
        self.requested.append("list")
        return [], "10"

    async def watch(
        self, kind: Kind, *, since: str, seconds: int, gather_seconds: float, **_: Any
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        window = self.windows[len(self.seconds)]
        self.requested.append(since)
        self.seconds.append(seconds)
        self.gathered.append(gather_seconds)
        if isinstance(window, OperatorError):
            self.times.now += seconds + GRACE_SECONDS if window is SILENCE else 0.0
            raise window
        self.times.now += seconds if window is NOTHING else 0.0
        for each in window:
            yield each


async def follow(server: Scripted) -> Times:
    """Let an informer go through all windows of the script."""
    times, store = server.times, Store[CachedChild]()
    client = cast("Client", server)
    await go(informer(client, store, times), times)
    return times
