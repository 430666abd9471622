"""Run kopf in our own loop, and start it anew within the process whenever it ends.

`kopf.spawn_tasks` gives its root tasks; the first one that ends is the end of all. They are cancelled, and so are those
that kopf leaves behind, while everything else in the loop lives on. What ends kopf is often the answer of an API server
in trouble, so the pauses between starts grow, until it has run for a while.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from enum import StrEnum
from functools import partial
from typing import Any

import kopf

from fairlead_operator import supervisor
from fairlead_operator.front import handlers, settings
from fairlead_operator.front.cancellation import cancel
from fairlead_operator.front.intake import Intake
from fairlead_operator.front.session import Session
from fairlead_operator.kube import client
from fairlead_operator.kube.credentials import Credentials
from fairlead_operator.kube.kinds import Kind
from fairlead_operator.kube.pacing import Pacing
from fairlead_operator.kube.transport import AnswerObserver

LOG = logging.getLogger(__name__)
IDENTITY = "fairlead-operator"
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
# kopf counts as behind when so long nothing came from it: while it watches, or does not run; and while it starts.
PATIENCE_SECONDS = 2.0
START_PATIENCE_SECONDS = 5.0
MOST_MISSED = 2
# A kind that is served, and that kopf did not find when it looked, or has not asked about for so long.
UNFOUND_SECONDS = 3.0
UNASKED_SECONDS = 45.0


class RestartReason(StrEnum):
    """Reasons to start anew."""

    ENDED = "ended"
    MISSED = "missed"
    STOPPED = "stopped watching"
    FOUND = "kind found"
    CREDENTIALS = "credentials"


class Front:
    """Times are in seconds, by `clock`. `restarted` gets the reason, each time that kopf has to start anew."""

    def __init__(
        self,
        credentials: Credentials,
        intakes: Sequence[Intake],
        *,
        namespace: str,
        pacing: Pacing,
        observe: AnswerObserver,
        restarted: Callable[[RestartReason], None],
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._credentials = credentials
        self._intakes = intakes
        self._namespace = namespace
        self._pacing = pacing
        self._observe = observe
        self._restarted = restarted
        self._clock = clock
        self._sleep = sleep
        self._session: Session | None = None
        self._again: asyncio.Future[RestartReason] | None = None
        self._missed = 0
        self._pages_get_lost = False

    async def run(self) -> None:
        """Run until cancelled."""
        settings.reduce_logging()
        failures = 0
        while True:
            started = self._clock()
            why = await self._run_once()
            failures = 0 if self._clock() - started > STEADY_SECONDS else failures + 1
            self._restarted(why)
            pause = min(FIRST_PAUSE_SECONDS * 2 ** max(failures - 1, 0), LONGEST_PAUSE_SECONDS)
            LOG.warning("kopf starts anew", extra={"why": why, "pause_seconds": pause})
            await self._sleep(pause)

    def restart(self, why: RestartReason) -> None:
        """Have kopf start anew; nothing when it is about to."""
        if self._again is not None and not self._again.done():
            self._again.set_result(why)

    def missed(self, events: int) -> None:
        """kopf has not brought so many events, though it watched."""
        self._missed += events
        if self._missed >= MOST_MISSED:
            self.restart(RestartReason.MISSED)

    def watches(self, kind: Kind) -> bool:
        """Whether kopf runs, and has read the kind."""
        return self._session is not None and kind in self._session.watched

    def patience_seconds(self, kind: Kind) -> float:
        """For how long it may bring nothing of a kind without being behind."""
        is_starting = self._session is not None and kind not in self._session.watched
        return START_PATIENCE_SECONDS if is_starting else PATIENCE_SECONDS

    def look_after(self, kind: Kind) -> None:
        """The kind is served: see to it that kopf follows it. It looks for kinds when it starts only."""
        session = self._session
        if session is None:
            return
        asked_at, now = session.asked_at.get(kind), self._clock()
        if asked_at is not None:
            if now - asked_at > UNASKED_SECONDS:
                self.restart(RestartReason.STOPPED)
        elif session.discovered_at is not None and now - session.discovered_at > UNFOUND_SECONDS:
            self.restart(RestartReason.FOUND)

    async def _run_once(self) -> RestartReason:
        """Run until kopf ends, or is to start anew; the reason."""
        self._missed = 0
        self._again = again = asyncio.get_running_loop().create_future()
        session = Session(
            self._credentials,
            self._intakes,
            namespace=self._namespace,
            pacing=self._pacing,
            observe=self._observe,
            outdated=partial(self.restart, RestartReason.CREDENTIALS),
            clock=self._clock,
        )
        for each in self._intakes:
            each.begin()
        tasks = await _to_the_end(self._spawn(session), then=partial(self._end, session=session))
        self._session = session
        try:
            await asyncio.wait({*tasks, again}, return_when=asyncio.FIRST_COMPLETED)
            return again.result() if again.done() else RestartReason.ENDED
        finally:
            self._session = None
            self._pages_get_lost = session.has_lost_a_page
            await _to_the_end(self._end(tasks, session=session))

    async def _spawn(self, session: Session) -> Collection[asyncio.Task[Any]]:
        page_size = None if self._pages_get_lost else client.PAGE_SIZE
        tasks = await kopf.spawn_tasks(
            registry=handlers.registry(
                self._intakes,
                configure=partial(settings.configure, page_size=page_size),
                login=session.open,
                close=session.close,
            ),
            settings=kopf.OperatorSettings(),
            # For peerings alone. kopf would look for the names of user and machine, and in a pod there may be none.
            identity=IDENTITY,  # type: ignore[arg-type]  # a text of a type of its own
            standalone=True,
            **({"namespaces": [self._namespace]} if self._namespace else {"clusterwide": True}),
        )
        # In the same turn of the loop: kopf has just put its own in their place.
        supervisor.install_signal_handlers()
        return tasks

    async def _end(self, tasks: Collection[asyncio.Task[Any]], *, session: Session) -> None:
        """Cancel all of kopf's. Root tasks cancel their own only where they do not fail themselves."""
        await cancel({*tasks, *session.tasks})
        await session.close()


async def _to_the_end(
    work: Coroutine[Any, Any, Any], *, then: Callable[[Any], Coroutine[Any, Any, None]] | None = None
) -> Any:
    """Do the work also when we are cancelled meanwhile, and be cancelled afterwards; `then` undoes it in that case."""
    task = asyncio.create_task(work)
    is_cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            is_cancelled = True
        except Exception:  # noqa: BLE001  # the result has it
            break
    if is_cancelled:
        if then is not None and task.exception() is None:
            with contextlib.suppress(asyncio.CancelledError):
                await then(task.result())
        raise asyncio.CancelledError
    return task.result()
