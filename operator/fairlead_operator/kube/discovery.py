"""Which optional kinds the cluster serves.

A group is absent after it was not found twice, one period apart (at the start a second apart); any other failure
leaves what was known. A group that serves only some of the kinds we need counts as absent.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from fairlead_operator.errors import NotFound, OperatorError
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client
from fairlead_operator.kube.kinds import Kind
from fairlead_operator.plan import Capabilities

LOG = logging.getLogger(__name__)
EVERY_SECONDS = 30.0
START_SECONDS = 1.0


def optional_kinds() -> dict[str, tuple[Kind, ...]]:
    """The kinds of each capability."""
    result: dict[str, tuple[Kind, ...]] = {}
    for kind in kinds.CHILDREN:
        if kind.capability:
            result[kind.capability] = (*result.get(kind.capability, ()), kind)
    return result


async def serves(client: Client, required: Iterable[Kind]) -> bool:
    """Whether the cluster has all of these kinds."""
    requested = {(kind.root, kind.plural) for kind in required}
    served: set[tuple[str, str]] = set()
    try:
        for root in {root for root, _ in requested}:
            answer = await client.request("GET", root)
            served |= {(root, each["name"]) for each in answer.get("resources", ())}
    except NotFound:
        return False
    return requested <= served


class Presence:
    """What is known of one capability: None until it is known."""

    def __init__(self) -> None:
        self.known: bool | None = None
        self._missed = False

    def present(self) -> None:
        """It is served."""
        self.known, self._missed = True, False

    def missed(self) -> None:
        """It was not found; the second time in a row it is absent."""
        if self._missed:
            self.known = False
        self._missed = True


class Discovery:
    """Run it as a task. `changed` is called whenever the capabilities are others than before."""

    def __init__(
        self,
        client: Client,
        *,
        changed: Callable[[], None],
        every_seconds: float = EVERY_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.known = asyncio.Event()
        self._client = client
        self._changed = changed
        self._every_seconds = every_seconds
        self._sleep = sleep
        self._presence = {capability: Presence() for capability in optional_kinds()}

    def capabilities(self) -> Capabilities:
        """What is served, as far as it is known."""
        return Capabilities(**{name: bool(each.known) for name, each in self._presence.items()})

    async def run(self) -> None:
        """Check once a period, for ever."""
        while True:
            before = self.capabilities()
            await asyncio.gather(*(self._look(name, required) for name, required in optional_kinds().items()))
            if not self.known.is_set() and all(each.known is not None for each in self._presence.values()):
                self.known.set()
            elif self.known.is_set() and self.capabilities() != before:
                LOG.info("optional kinds changed", extra={"capabilities": str(self.capabilities())})
            if self.capabilities() != before:
                self._changed()
            await self._sleep(self._every_seconds if self.known.is_set() else START_SECONDS)

    async def _look(self, name: str, required: tuple[Kind, ...]) -> None:
        try:
            is_served = await serves(self._client, required)
        except OperatorError as error:
            LOG.warning("discovery failed", extra={"capability": name, "error": str(error)})
            return
        if is_served:
            self._presence[name].present()
        else:
            self._presence[name].missed()
