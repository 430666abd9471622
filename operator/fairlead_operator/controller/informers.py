"""Which kinds are followed: ours and the children's always, optional ones while the cluster serves them.

One informer for each kind of child keeps its store up to date; only those are read that carry our label. ApiServices
and their classes come by kopf (see `front`), and informers follow their metadata alone.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from fairlead_contract import names
from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.informer import Informer, WaitForTurn
from fairlead_operator.cache.liveness import ServerReachability, WatchLiveness
from fairlead_operator.cache.records import CachedChild, name_of
from fairlead_operator.cache.store import Store
from fairlead_operator.cache.workload_state import OF_KIND
from fairlead_operator.front.intake import Intake, Seen
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client
from fairlead_operator.kube.kinds import Kind
from fairlead_operator.plan import Capabilities

LOOK_SECONDS = 1.0
# While many children of a kind change, events are read once per interval: a short one for kinds with facts, which a
# pass may wait for, a longer one for others, where only an edit by hand matters.
GATHER_FACTS_SECONDS = 0.5
GATHER_SECONDS = 2.0
AnyInformer = Informer[CachedChild] | Informer[Seen]


class Informers:
    """The informers. An empty `namespace` means all of them; times are in seconds, by `clock`.

    Those of `intakes` share their `turn` with kopf.
    """

    def __init__(
        self,
        client: Client,
        cache: ClusterCache,
        intakes: Sequence[Intake],
        *,
        turn: WaitForTurn,
        namespace: str,
        watch_seconds: float,
        reachability: ServerReachability,
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._cache = cache
        self._intakes = {each.kind: each for each in intakes}
        self._turn = turn
        self._namespace = namespace
        self._watch_seconds = watch_seconds
        self._reachability = reachability
        self._clock = clock
        self._informers: dict[Kind, AnyInformer] = {}
        self._running: dict[Kind, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Follow what every cluster has."""
        for kind, intakes in self._intakes.items():
            self._follow(kind, intakes.seen, Seen.read, metadata_only=True)
        for kind in kinds.CHILDREN:
            if not kind.capability:
                self._follow_child(kind)

    def serve(self, capabilities: Capabilities) -> None:
        """Follow the optional kinds that are served, and forget what was known of the others."""
        for kind in kinds.CHILDREN:
            if not kind.capability:
                continue
            is_served = getattr(capabilities, kind.capability)
            if is_served and kind not in self._informers:
                self._follow_child(kind)
            elif not is_served and kind in self._informers:
                self._running.pop(kind).cancel()
                del self._informers[kind]
                self._cache.children[kind].clear()

    def is_listed(self, kind: Kind) -> bool:
        """Whether the kind has been listed once, or its metadata."""
        return kind in self._informers and self._informers[kind].synced.is_set()

    def is_served(self, kind: Kind) -> bool:
        """Whether the server has the kind, as far as that is known."""
        return kind in self._informers and self._informers[kind].is_served

    def is_read(self, kind: Kind) -> bool:
        """Whether the kind has been read once, as a whole."""
        return self._read(kind).is_set()

    def unread(self) -> list[str]:
        """The kinds that have not been."""
        return sorted(kind.name for kind in self._informers if not self.is_read(kind))

    async def all_read(self) -> None:
        """Wait until every kind has been."""
        while unread := [kind for kind in self._informers if not self.is_read(kind)]:
            await self._read(unread[0]).wait()

    def watches(self) -> dict[str, WatchLiveness]:
        """When the server answered about each kind."""
        return {kind.name: informer.liveness for kind, informer in self._informers.items()}

    async def watch_over(self) -> None:
        """An informer never ends by itself: raise its defect, so that the process does not go on without it."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for task in list(self._running.values()):
                if task.done() and not task.cancelled():
                    task.result()

    async def stop(self) -> None:
        """End every informer."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _read(self, kind: Kind) -> asyncio.Event:
        intakes = self._intakes.get(kind)
        return intakes.complete if intakes else self._informers[kind].synced

    def _follow_child(self, kind: Kind) -> None:
        facts = OF_KIND.get(kind.name)
        store = self._cache.children[kind]

        def read(live: dict[str, Any]) -> CachedChild:
            return CachedChild.read(live, facts, known=store.get(name_of(live)))

        gather_seconds = GATHER_FACTS_SECONDS if facts else GATHER_SECONDS
        self._follow(kind, store, read, selector=names.LABEL_APISVC, gather_seconds=gather_seconds)

    def _follow(
        self,
        kind: Kind,
        store: Store[Any],
        read: Callable[[Any], Any],
        *,
        selector: str = "",
        gather_seconds: float = 0.0,
        metadata_only: bool = False,
    ) -> None:
        informer = Informer(
            self._client,
            kind,
            store,
            read=read,
            selector=selector,
            namespace=self._namespace if kind.namespaced else "",
            watch_seconds=self._watch_seconds,
            gather_seconds=gather_seconds,
            metadata_only=metadata_only,
            turn=self._turn if metadata_only else None,
            liveness=WatchLiveness(self._reachability),
            clock=self._clock,
        )
        self._informers[kind] = informer
        self._running[kind] = asyncio.create_task(informer.run())
