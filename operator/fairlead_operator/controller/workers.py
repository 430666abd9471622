"""Workers take names from the queue and reconcile them. What follows a pass that fails is decided here.

A failed pass is retried with the queue's backoff. Its longest pause is short after a refusal by a rule of the cluster,
because no event shows that rights, a quota or a policy changed. A refusal for the content of a child starts with a long
pause: an edit of the resource or its class is an event. Losing the lease is no failure of the resource.
"""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable

from fairlead_operator.cache.records import Name
from fairlead_operator.controller.metrics import Metrics
from fairlead_operator.controller.workqueue import WorkQueue
from fairlead_operator.errors import NotLeading, OperatorError, Refused
from fairlead_operator.logs import RESOURCE

LOG = logging.getLogger(__name__)
# With the queue's jitter and the pass itself below the ten seconds in which the end of a refusal has to show.
REFUSED_SECONDS = 7.0
FINAL_FIRST_SECONDS = 5.0


class Workers:
    """`reconcile` makes one pass; `ready` is awaited before each, and returns when passes may be made."""

    def __init__(
        self,
        queue: WorkQueue,
        metrics: Metrics,
        *,
        reconcile: Callable[[Name], Awaitable[float | None]],
        ready: Callable[[], Awaitable[None]],
        known: Callable[[Name], bool],
    ) -> None:
        self._queue = queue
        self._metrics = metrics
        self._reconcile = reconcile
        self._ready = ready
        self._known = known
        self._passing: set[asyncio.Task[None]] = set()
        self._draining = False

    async def run(self) -> None:
        """One worker; any number may run side by side. A pass under way outlives the cancellation of its worker."""
        while not self._draining:
            await self._ready()
            name = await self._queue.get()
            if self._draining:
                self._queue.done(name)
                return
            # The lease may have been lost while nothing was due.
            await self._ready()
            passing = asyncio.create_task(self._pass(name), context=_about(name))
            self._passing.add(passing)
            passing.add_done_callback(self._passing.discard)
            await asyncio.wait([passing])

    async def drain(self, *, seconds: float) -> None:
        """Begin no pass any more, and let those under way end, for `seconds` at most; then they are cut off."""
        self._draining = True
        if self._passing:
            await asyncio.wait(self._passing, timeout=seconds)
        for passing in self._passing:
            passing.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _pass(self, name: Name) -> None:
        self._metrics.started(name, waited_seconds=self._queue.waited_seconds(name))
        result, again, first = "error", None, None
        try:
            again = await self._reconcile(name)
            result = "success" if again is None else "requeue_after"
        except NotLeading:
            LOG.info("not leading any more")
            result, again = "requeue_after", 0.0
        except Refused as error:
            again, first = (None, FINAL_FIRST_SECONDS) if error.is_final else (REFUSED_SECONDS, None)
            LOG.warning("the API server refuses children", extra={"error": str(error)})
        except OperatorError as error:
            LOG.warning("the pass failed", extra={"error": str(error)})
        except Exception:  # outermost loop: one resource that meets a defect must not keep the others waiting
            LOG.exception("the pass met a defect")
        finally:
            self._metrics.finished(name, result=result)
            self._queue.done(name, failed=result == "error", requeue_seconds=again, first_seconds=first)
        if not self._known(name):
            self._queue.schedule.forget(name)


def _about(name: Name) -> contextvars.Context:
    """A context whose log lines carry the resource's name."""
    context = contextvars.copy_context()
    context.run(RESOURCE.set, "/".join(name))
    return context
