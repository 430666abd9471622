"""Health: whether the process lives, and whether its dependencies answer.

Dependencies are asked in the background, each with a time-out, never by a request. A failing cache degrades the
service; a failing datastore or queue makes it unready, and so does draining, so that traffic goes elsewhere first.
"""

import asyncio
import logging
import random as randomness
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fairlead_workload.bindings import Bindings
from fairlead_workload.errors import DependencyError
from fairlead_workload.model import instants

INTERVAL_SECONDS = 5.0
TIMEOUT_SECONDS = 2.0
JITTER = 0.2  # of the interval, so that replicas do not ask together
MAX_ERROR_LENGTH = 200

Check = Callable[[], Awaitable[None]]
_log = logging.getLogger(__name__)


class Status(StrEnum):
    READY = "ready"
    DEGRADED = "degraded"
    UNREADY = "unready"


@dataclass(frozen=True, slots=True)
class Dependency:
    """What is known of one dependency. `since` is unix seconds of its last change; `error` says why it is down."""

    up: bool
    since: float
    error: str | None = None

    def describe(self) -> dict[str, Any]:
        """As `/ready` shows it."""
        described = {"state": "up" if self.up else "down", "since": instants.render(self.since)}
        return described if self.error is None else described | {"error": self.error}


class Health:
    """The state of one process. `checks` are by name; those named in `optional` only degrade it."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        optional: frozenset[str] = frozenset({"cache"}),
        clock: Callable[[], float] = time.time,
        random: Callable[[], float] = randomness.random,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._checks = checks
        self._optional = optional
        self._clock = clock
        self._random = random
        self._timeout_seconds = timeout_seconds
        self.draining = False
        self.dependencies = {name: Dependency(False, clock(), "not checked yet") for name in checks}

    @property
    def status(self) -> Status:
        """The worst of what is known."""
        down = {name for name, dependency in self.dependencies.items() if not dependency.up}
        if self.draining or down - self._optional:
            return Status.UNREADY
        return Status.DEGRADED if down else Status.READY

    def report(self) -> dict[str, Any]:
        """The body of `/ready` on the admin listener."""
        described = {name: dependency.describe() for name, dependency in self.dependencies.items()}
        report: dict[str, Any] = {"status": str(self.status), "dependencies": described}
        return report | {"draining": True} if self.draining else report

    def drain(self) -> None:
        """Be unready from now on."""
        self.draining = True

    async def check(self) -> None:
        """Ask every dependency once. Call it before serving, so that the first answer is a true one."""
        await asyncio.gather(*(self._check(name, check) for name, check in self._checks.items()))

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS * (1 + JITTER * (2 * self._random() - 1)))
            await self.check()

    async def _check(self, name: str, check: Check) -> None:
        error: str | None = None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await check()
        except TimeoutError:
            error = f"no answer within {self._timeout_seconds:g} s"
        except DependencyError as failure:
            error = failure.message[:MAX_ERROR_LENGTH]
        except Exception as failure:  # noqa: BLE001 - the checker outlives any defect of a check
            error = f"the check failed: {type(failure).__name__}"
        self._note(name, error)

    def _note(self, name: str, error: str | None) -> None:
        before = self.dependencies[name]
        up = error is None
        since = before.since if before.up is up else self._clock()
        self.dependencies[name] = Dependency(up, since, error)
        if before.up and not up:
            _log.warning("dependency down", extra={"dependency": name, "reason": error})
        elif up and not before.up:
            _log.info("dependency up", extra={"dependency": name})


def checks(bindings: Bindings) -> dict[str, Check]:
    """The checks of everything that is bound."""
    by_name: dict[str, Check] = {"datastore": bindings.store.check}
    if bindings.queue is not None:
        by_name["queue"] = bindings.queue.check
    if bindings.cache is not None:
        by_name["cache"] = bindings.cache.check
    return by_name
