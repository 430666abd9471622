"""Keep a store true to the server: list once, then follow it through watch windows that overlap.

A window is a watch of a few seconds that starts where the window before it *began*, so each event is sent over two
connections: if one of them loses it, the next one has it, and a connection that has gone silent is closed at its
window's end. For an event that is known already, only versions are compared. While busy, each event is sent only once,
and all of them are repeated when it is calm again, or after some minutes: by a window that starts where the busy time
began, or by a list where that is cheaper.

After an error from the server, or two failed windows in a row, it lists again. A list is compared with the store, so
that a deletion which no watch has shown is found. Connections are made at most once a second,
after failures more and more rarely, never more than five seconds apart; a kind that the server does not serve is an
empty list.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol

from fairlead_operator.cache.liveness import WatchLiveness
from fairlead_operator.cache.records import Name, name_of
from fairlead_operator.cache.store import R, Store
from fairlead_operator.cache.watch_windows import WatchPosition
from fairlead_operator.errors import ApiError, Forbidden, Gone, NotFound, OperatorError, Unreachable
from fairlead_operator.kube.client import Client
from fairlead_operator.kube.decoding import event_header
from fairlead_operator.kube.kinds import Kind

LOG = logging.getLogger(__name__)
MIN_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 5.0
WATCH_SECONDS = 6.0
# A window without events that ends this much early did not work as a watch.
EARLY_SECONDS = 1.0
NO_NEWS = "NO NEWS"
# Where watches fail twice in a row they may always fail, such as behind a proxy that breaks them: list instead.
FAILURES = 2


class WaitForTurn(Protocol):
    """Waits until a list or a watch of a path may begin, for a kind that others follow, too."""

    def __call__(self, path: str, *, watch: bool) -> Awaitable[None]: ...


@dataclass(slots=True)
class _Window:
    """One window: when it began, how long it was to be, up to which version it came, and how many events were new."""

    started: float
    seconds: int
    reached: int = 0
    news: int = 0


class Informer(Generic[R]):
    """One kind. `read` makes the record of a live object; `liveness` records every answer.

    While much happens, an event may wait for others up to `gather_seconds`. With `metadata_only`, `read` gets nothing
    else of an object.
    """

    def __init__(
        self,
        client: Client,
        kind: Kind,
        store: Store[R],
        *,
        read: Callable[[dict[str, Any]], R],
        selector: str = "",
        namespace: str = "",
        watch_seconds: float = WATCH_SECONDS,
        gather_seconds: float = 0.0,
        metadata_only: bool = False,
        turn: WaitForTurn | None = None,
        liveness: WatchLiveness,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.kind = kind
        self.store = store
        self.synced = asyncio.Event()
        self.is_served = False
        self.liveness = liveness
        self._client = client
        self._read = read
        self._selector = selector
        self._namespace = namespace
        self._watch_seconds = watch_seconds
        self._gather_seconds = gather_seconds
        self._metadata_only = metadata_only
        self._turn = turn
        self._clock = clock
        self._sleep = sleep
        self._position: WatchPosition | None = None
        self._failures = 0

    async def run(self) -> None:
        """Run until cancelled. Nothing that the server does ends it."""
        while True:
            started = self._clock()
            try:
                position = self._position or await self._list()
                await self._window(position)
                self._failures = 0
            except OperatorError as error:
                self._failed(error)
            await self._sleep(self._pause_seconds(self._clock() - started))

    async def _list(self) -> WatchPosition:
        await self._wait_for_turn(watch=False)
        try:
            records, version = await self._client.read_all(
                self.kind,
                self._named,
                namespace=self._namespace,
                selector=self._selector,
                metadata_only=self._metadata_only,
            )
        except NotFound:
            self.is_served = False
            self.store.clear()
            self.synced.set()
            raise
        except Forbidden:
            # One kind that may not be read must not keep the others waiting; a create over what is there is refused.
            self.synced.set()
            raise
        self.store.replace(records, version=int(version))
        self.synced.set()
        self.is_served = True
        self.liveness.heard()
        return WatchPosition.of_list(int(version), now=self._clock())

    async def _wait_for_turn(self, *, watch: bool) -> None:
        if self._turn is not None:
            await self._turn(self.kind.path(namespace=self._namespace), watch=watch)

    def _named(self, item: dict[str, Any]) -> tuple[Name, R]:
        self.liveness.answered()
        name = name_of(item)
        known = self.store.get(name)
        return name, known if known is not None and known.version == _version(item) else self._read(item)

    async def _window(self, position: WatchPosition) -> None:
        """Follow one window. Unreachable also when it ended early and had no events."""
        await self._wait_for_turn(watch=True)
        window = _Window(self._clock(), position.window_seconds(self._watch_seconds))
        failure = await self._follow(position, window)
        ended = self._clock()
        elapsed, quiet = (
            ended - window.started,
            ended - max(self.liveness.heard_at, window.started) >= self._watch_seconds,
        )
        self._move_on(position, window, elapsed=elapsed, quiet=quiet)
        if failure is not None:
            raise failure
        if not window.reached and not quiet and elapsed < window.seconds - EARLY_SECONDS:
            raise Unreachable(f"the watch from {position.start} ended at once")

    async def _follow(self, position: WatchPosition, window: _Window) -> OperatorError | None:
        """Store what the window shows, until it ends; the error when it failed."""
        events = self._client.watch(
            self.kind,
            since=str(position.start),
            seconds=window.seconds,
            quiet_seconds=None if position.repeats else self._watch_seconds,
            gather_seconds=0.0 if position.repeats else self._gather_seconds,
            namespace=self._namespace,
            selector=self._selector,
            metadata_only=self._metadata_only,
            known=self._known,
            ended=self.liveness.heard,
        )
        try:
            async for event, live in events:
                self.liveness.heard()
                self._failures = 0
                self._take(event, live)
                version = _version(live)
                window.news += version > position.known and event != "BOOKMARK"
                window.reached = max(window.reached, version)
        except OperatorError as error:
            return error
        return None

    def _move_on(self, position: WatchPosition, window: _Window, *, elapsed: float, quiet: bool) -> None:
        """Decide where the next window starts, or that a list is due; also after a failure, for its events count."""
        windows = elapsed / self._watch_seconds
        is_calm = (quiet and not position.repeats) or position.is_calm(window.news, windows=windows)
        reached = max(window.reached, position.start)
        after = position.after(reached, news=window.news, is_calm=is_calm, now=self._clock())
        self.store.forget_deleted(before=after.settled)
        self._position = None if after.should_relist(len(self.store)) else after

    def _known(self, line: bytes) -> tuple[str, dict[str, Any]] | None:
        """Only the version, for an event of a version that the store has already, as most are."""
        seen = event_header(line)
        record = self.store.get((seen.namespace, seen.name)) if seen else None
        if seen is None or record is None or record.version != seen.version or record.uid.encode() not in line:
            return None
        return NO_NEWS, {"metadata": {"resourceVersion": str(seen.version)}}

    def _take(self, event: str, live: dict[str, Any]) -> None:
        if event in {"BOOKMARK", NO_NEWS}:
            return
        name, version = name_of(live), _version(live)
        if event == "DELETED":
            self.store.remove(name, version=version)
        elif not self.store.knows(name, version=version):
            self.store.put(name, self._read(live))

    def _failed(self, error: OperatorError) -> None:
        self.liveness.failed(error)
        self._failures += 1
        # Where no answer came, the old place is still a place to go on from.
        if isinstance(error, ApiError) or self._failures >= FAILURES:
            self._position = None
        if not isinstance(error, Gone | NotFound):
            LOG.warning("watching failed", extra={"kind": self.kind.name, "error": str(error)})

    def _pause_seconds(self, elapsed_seconds: float) -> float:
        """What is left of the time that lies between two connections."""
        pause = min(MIN_PAUSE_SECONDS * 2 ** min(self._failures, 8), MAX_PAUSE_SECONDS) if self._failures else 0.0
        jittered = pause * random.uniform(0.6, 1.0)  # noqa: S311  # no secret hangs on it
        return max(max(jittered, MIN_PAUSE_SECONDS) - elapsed_seconds, 0.0)


def _version(live: dict[str, Any]) -> int:
    return int(live["metadata"]["resourceVersion"])
