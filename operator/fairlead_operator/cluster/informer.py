"""Keep a store true to the server: list, then watch, for ever.

A list is taken in as the difference to what is known, so a deletion that no watch told of is noticed. Connections are
made at most once a second, after failures more and more rarely, never more than five seconds apart; a kind that the
server does not serve is an empty list.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any, Generic

from fairlead_operator.cluster.client import Client
from fairlead_operator.cluster.store import Name, R, Store
from fairlead_operator.errors import ApiError, Forbidden, Gone, NotFound, OperatorError
from fairlead_operator.kinds import Kind

LOG = logging.getLogger(__name__)
MIN_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 5.0


class Informer(Generic[R]):
    """One kind. `read` makes the record of a live object; `beat_at` is when the server was last heard or tried."""

    def __init__(
        self,
        client: Client,
        kind: Kind,
        store: Store[R],
        *,
        read: Callable[[dict[str, Any]], R],
        selector: str = "",
        namespace: str = "",
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.kind = kind
        self.store = store
        self.synced = asyncio.Event()
        self.beat_at = clock()
        self._client = client
        self._read = read
        self._selector = selector
        self._namespace = namespace
        self._clock = clock
        self._sleep = sleep
        self._failures = 0

    async def run(self) -> None:
        """Run until cancelled. Nothing that the server does ends it."""
        since = ""
        while True:
            started = self._clock()
            try:
                since = since or await self._list()
                since = await self._watch(since)
            except OperatorError as error:
                self._failed(error)
                # Only the watch's own end is a place to go on from; after an error the list is the only truth.
                since = ""
            await self._sleep(self._pause_seconds(self._clock() - started))

    async def _list(self) -> str:
        self._beat()
        try:
            items, version = await self._client.list_all(self.kind, namespace=self._namespace, selector=self._selector)
        except NotFound:
            self.store.replace((), version=2**63)
            self.synced.set()
            raise
        except Forbidden:
            # One kind that may not be read must not keep the others waiting; a create over what is there is refused.
            self.synced.set()
            raise
        self.store.replace(((_name(item), self._read(item)) for item in items), version=int(version))
        self.synced.set()
        self._beat()
        return version

    async def _watch(self, since: str) -> str:
        events = self._client.watch(self.kind, since=since, namespace=self._namespace, selector=self._selector)
        async for event, live in events:
            self._beat()
            self._failures = 0
            since = live["metadata"]["resourceVersion"]
            if event == "BOOKMARK":
                continue
            if event == "DELETED":
                self.store.remove(_name(live), uid=live["metadata"]["uid"], version=int(since))
            else:
                self.store.put(_name(live), self._read(live))
        return since

    def _beat(self) -> None:
        self.beat_at = self._clock()

    def _failed(self, error: OperatorError) -> None:
        self._beat()
        self._failures += 1
        if isinstance(error, Gone) or (isinstance(error, ApiError) and error.code == 404):
            return
        LOG.warning("watching failed", extra={"kind": self.kind.name, "error": str(error)})

    def _pause_seconds(self, elapsed_seconds: float) -> float:
        wanted = min(MIN_PAUSE_SECONDS * 2 ** min(self._failures, 8), MAX_PAUSE_SECONDS) if self._failures else 0.0
        jittered = wanted * random.uniform(0.6, 1.0)  # noqa: S311  # no secret hangs on it
        return max(jittered, MIN_PAUSE_SECONDS - elapsed_seconds, 0.0)


def _name(live: dict[str, Any]) -> Name:
    return live["metadata"].get("namespace", ""), live["metadata"]["name"]
