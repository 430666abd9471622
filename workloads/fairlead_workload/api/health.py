"""Health: whether the process lives, and whether its dependencies answer.

Dependencies are asked in the background, each with a time-out, never by a request. A failing cache degrades the
service; a failing datastore or queue makes it unready, and so does draining, so that traffic goes elsewhere first.
What answers before is down after `FAILURES` checks in a row, because one may fail by chance, in every replica at once.
While a process waits for what it is bound to, it is unready, and says what it waits for.
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
AGAIN_SECONDS = 1.0  # after a failure that does not count yet
FAILURES = 2
JITTER = 0.2  # of the interval, so that replicas do not ask together
MAX_ERROR_LENGTH = 500

Check = Callable[[], Awaitable[None]]
_log = logging.getLogger(__name__)


class Status(StrEnum):
    READY = "ready"
    DEGRADED = "degraded"
    UNREADY = "unready"


@dataclass(frozen=True, slots=True)
class Dependency:
    """What is known of one dependency. `since` is unix seconds of its last change; `error` says why it is down.

    `reason` is the stable word for that, where there is one.
    """

    up: bool
    since: float
    error: str | None = None
    reason: str = ""

    def describe(self) -> dict[str, Any]:
        """As `/ready` shows it."""
        described = {"state": "up" if self.up else "down", "since": instants.render(self.since)}
        if self.error is None:
            return described
        return described | {"error": self.error} | ({"reason": self.reason} if self.reason else {})


class Health:
    """The state of one process. `checks` are by name; those named in `optional` only degrade it.

    Without `checks` it waits for what it is bound to; `watch` ends that.
    """

    def __init__(
        self,
        checks: Mapping[str, Check] | None = None,
        *,
        optional: frozenset[str] = frozenset({"cache"}),
        clock: Callable[[], float] = time.time,
        random: Callable[[], float] = randomness.random,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._checks: Mapping[str, Check] = {}
        self._optional = optional
        self._clock = clock
        self._random = random
        self._timeout_seconds = timeout_seconds
        self._failing: dict[str, tuple[int, float]] = {}  # failures in a row, and when the first was
        self.draining = False
        self.waiting = True
        self.dependencies: dict[str, Dependency] = {}
        if checks is not None:
            self.watch(checks)

    @property
    def status(self) -> Status:
        """The worst of what is known."""
        down = {name for name, dependency in self.dependencies.items() if not dependency.up}
        if self.draining or self.waiting or down - self._optional:
            return Status.UNREADY
        return Status.DEGRADED if down else Status.READY

    def report(self) -> dict[str, Any]:
        """The body of `/ready` on the admin listener."""
        described = {name: dependency.describe() for name, dependency in self.dependencies.items()}
        report: dict[str, Any] = {"status": str(self.status), "dependencies": described}
        return report | {name: True for name in ("waiting", "draining") if getattr(self, name)}

    def watch(self, checks: Mapping[str, Check]) -> None:
        """What there is to check, from now on."""
        self._checks = checks
        self.waiting = False
        unknown = {name: Dependency(False, self._clock(), "not checked yet") for name in checks}
        self.dependencies = {name: self.dependencies.get(name, unknown[name]) for name in checks}

    def wait_for(self, name: str, error: str, *, reason: str = "") -> None:
        """The process cannot begin before this dependency answers; `error` is what it says now."""
        before = self.dependencies.get(name)
        error = error[:MAX_ERROR_LENGTH]
        since = before.since if before is not None else self._clock()
        self.dependencies[name] = Dependency(False, since, error, reason)
        if before is None or before.error != error:
            _log.warning("waiting for a dependency", extra={"dependency": name, "reason": error, "code": reason})

    def drain(self) -> None:
        """Be unready from now on."""
        self.draining = True

    async def check(self) -> None:
        """Ask every dependency once. Call it before serving, so that the first answer is a true one."""
        await asyncio.gather(*(self._check(name, check) for name, check in self._checks.items()))

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            uncounted = any(self.dependencies[name].up for name in self._failing)
            pause = AGAIN_SECONDS if uncounted else INTERVAL_SECONDS
            await asyncio.sleep(pause * (1 + JITTER * (2 * self._random() - 1)))
            await self.check()

    async def _check(self, name: str, check: Check) -> None:
        error: str | None = None
        reason = ""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await check()
        except TimeoutError:
            error = f"no answer within {self._timeout_seconds:g} s"
        except DependencyError as failure:
            error, reason = failure.message[:MAX_ERROR_LENGTH], failure.reason
        except Exception as failure:  # noqa: BLE001 - the checker outlives any defect of a check
            error = f"the check failed: {type(failure).__name__}"
        self._note(name, error, reason)

    def _note(self, name: str, error: str | None, reason: str) -> None:
        before = self.dependencies[name]
        if error is None:
            self._failing.pop(name, None)
            since = before.since if before.up else self._clock()
        else:
            count, since = self._failing.get(name, (0, self._clock()))
            self._failing[name] = (count + 1, since)
            if before.up and count + 1 < FAILURES:
                return
            since = since if before.up else before.since
        up = error is None
        self.dependencies[name] = Dependency(up, since, error, reason)
        if before.up and not up:
            _log.warning("dependency down", extra={"dependency": name, "reason": error, "code": reason})
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
