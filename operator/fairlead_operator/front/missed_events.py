"""Fetch what kopf has not brought, object by object, and have kopf start anew when that was twice.

Every fault of kopf's watch ends here: an edit is carried out a few seconds late, and never not at all.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fairlead_operator.cache.records import Name
from fairlead_operator.errors import OperatorError
from fairlead_operator.front.front import Front
from fairlead_operator.front.intake import Intake
from fairlead_operator.kube.client import Client

LOOK_SECONDS = 0.25
ANSWER_SECONDS = 5.0
AT_ONCE = 16


class MissedEventFetcher:
    """One kind. `is_served` and `is_listed` are of its metadata; `missed` gets how many were fetched."""

    def __init__(
        self,
        client: Client,
        intakes: Intake,
        front: Front,
        *,
        is_listed: Callable[[], bool],
        is_served: Callable[[], bool],
        missed: Callable[[str, int], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._intakes = intakes
        self._front = front
        self._is_listed = is_listed
        self._is_served = is_served
        self._missed = missed
        self._sleep = sleep

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await self._sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Fetch what is due, AT_ONCE of it at a time."""
        kind = self._intakes.kind
        due = self._intakes.due(patience_seconds=self._front.patience_seconds(kind))[:AT_ONCE]
        if due:
            did_watch = self._front.watches(kind)
            missed = sum(await asyncio.gather(*map(self._fetch, due)))
            if missed:
                self._missed(kind.name, missed)
            if missed and did_watch:
                self._front.missed(missed)
        if self._is_served():
            self._front.look_after(kind)
        if self._is_listed() and not self._intakes.complete.is_set():
            self._intakes.note_completion()

    async def _fetch(self, name: Name) -> bool:
        """Whether the object was news."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                live: dict[str, Any] | None = await self._client.get(
                    self._intakes.kind, namespace=name[0], name=name[1]
                )
        except (OperatorError, TimeoutError):
            self._intakes.not_answered(name)
            return False
        return self._intakes.looked(name, live)
