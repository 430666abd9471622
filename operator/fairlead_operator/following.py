"""Which kinds are followed: ours and the children's always, optional ones while the cluster serves them.

One informer for each kind keeps its store up to date. Of children only those are read that carry our label.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from fairlead_contract import names
from fairlead_operator import kinds
from fairlead_operator.cluster.client import Client
from fairlead_operator.cluster.contact import Contact, Pulse
from fairlead_operator.cluster.informer import Informer
from fairlead_operator.cluster.store import Child, Store, Whole
from fairlead_operator.cluster.world import World
from fairlead_operator.facts import OF_KIND
from fairlead_operator.kinds import Kind
from fairlead_operator.plan import Capabilities

LOOK_SECONDS = 1.0
# While much happens to children of a kind, events are read once in so much time: of kinds with facts, which a pass may
# wait for, and of others, where nothing but somebody's edit would be news.
GATHER_FACTS_SECONDS = 0.5
GATHER_SECONDS = 2.0
AnyInformer = Informer[Child] | Informer[Whole]


class Following:
    """The informers. An empty `namespace` means all of them; times are in seconds, by `clock`."""

    def __init__(
        self,
        client: Client,
        world: World,
        *,
        namespace: str,
        watch_seconds: float,
        contact: Contact,
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._world = world
        self._namespace = namespace
        self._watch_seconds = watch_seconds
        self._contact = contact
        self._clock = clock
        self._informers: dict[Kind, AnyInformer] = {}
        self._running: dict[Kind, asyncio.Task[None]] = {}

    def start(self, *, only_class: Whole | None) -> None:
        """Follow what every cluster has. With an `only_class`, no class is read from the cluster."""
        self._follow(kinds.API_SERVICE, self._world.services, Whole.read)
        if only_class:
            self._world.classes.put(only_class.owner, only_class)
        else:
            self._follow(kinds.API_SERVICE_CLASS, self._world.classes, Whole.read)
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
                self._world.children[kind].clear()

    def is_read(self, kind: Kind) -> bool:
        """Whether the kind has been listed once."""
        return self._informers[kind].synced.is_set()

    def unread(self) -> list[str]:
        """The kinds that have not been."""
        return sorted(kind.name for kind in self._informers if not self.is_read(kind))

    async def all_read(self) -> None:
        """Wait until every kind has been."""
        while unread := [informer for informer in self._informers.values() if not informer.synced.is_set()]:
            await unread[0].synced.wait()

    def pulses(self) -> dict[str, Pulse]:
        """When the server answered about each kind."""
        return {kind.name: informer.pulse for kind, informer in self._informers.items()}

    async def watch_over(self) -> None:
        """An informer never ends by itself: pass on a defect, so that the process does not go on blind."""
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

    def _follow_child(self, kind: Kind) -> None:
        facts = OF_KIND.get(kind.name)
        store = self._world.children[kind]

        def read(live: dict[str, Any]) -> Child:
            metadata = live["metadata"]
            return Child.read(live, facts, known=store.get((metadata["namespace"], metadata["name"])))

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
            pulse=Pulse(self._contact),
            clock=self._clock,
        )
        self._informers[kind] = informer
        self._running[kind] = asyncio.create_task(informer.run())
