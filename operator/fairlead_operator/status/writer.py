"""When a status is written, and the write.

Written at once: Ready and Stalled, the first change of a resource that was at rest, the answer to a reconcile request,
and the default class that a resource stays in. Everything between is progress: each step is written when it is taken,
and details of a step some seconds later, together with all that came meanwhile. While many ApiServices wait for
children and pods, steps are delayed too, for a limited time: one status write costs the API server as much as several
children.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.records import Name, name_of
from fairlead_operator.drift.fresh_read import confirm
from fairlead_operator.errors import Invalid, OperatorError
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client
from fairlead_operator.manifests import Manifest
from fairlead_operator.plan import classes
from fairlead_operator.status import conditions
from fairlead_operator.status.conditions import View

DETAIL_SECONDS = 5.0
BUSY_SECONDS = 30.0
# What was to be written once, and could not be, is not held back again.
DUE = -math.inf
RecordEvent = Callable[[Manifest, str, str, str], Awaitable[None]]


class StatusWriter:
    """`busy` says whether the cluster is slow from much work, `now` gives the time as RFC 3339, `clock` in seconds."""

    def __init__(
        self,
        client: Client,
        cache: ClusterCache,
        *,
        record_event: RecordEvent,
        busy: Callable[[], bool],
        now: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._cache = cache
        self._record_event = record_event
        self._busy = busy
        self._now = now
        self._clock = clock
        self._held_since: dict[Name, float] = {}

    async def write(self, resource: Manifest, view: View) -> float | None:
        """Write the status that follows from `view`, if it is another one; the seconds until it may be, if not now."""
        resource = self._latest(resource)
        before = resource.get("status", {})
        after = conditions.assess(view, before, now=self._now())
        owner = name_of(resource)
        held = 0.0 if before == after or _gives_class(resource, after) else self._hold_seconds(owner, before, after)
        if held > 0:
            return held
        self._held_since[owner] = DUE
        if before != after and await self._replace(resource, owner, after):
            for kind, reason, message in conditions.transitions(before, after):
                await self._record_event(resource, kind, reason, message)
        self.forget(owner)
        return None

    def _latest(self, resource: Manifest) -> Manifest:
        """The newest known version: a write whose answer was lost may have been seen since the pass began."""
        metadata = resource["metadata"]
        known = self._cache.services.get(name_of(resource))
        if known is None or known.uid != metadata["uid"] or known.version <= int(metadata["resourceVersion"]):
            return resource
        return known.content

    def forget(self, owner: Name) -> None:
        """Nothing is held back for it any more."""
        self._held_since.pop(owner, None)

    def _hold_seconds(self, owner: Name, before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
        if not conditions.progresses(before, after):
            return 0.0
        is_step = conditions.step(before) != conditions.step(after)
        longest = BUSY_SECONDS if self._busy() else (0.0 if is_step else DETAIL_SECONDS)
        now = self._clock()
        return self._held_since.setdefault(owner, now) + longest - now

    async def _replace(self, resource: Manifest, owner: Name, after: conditions.Status) -> bool:
        """Whether the resource is still there."""
        uid, version = resource["metadata"]["uid"], int(resource["metadata"]["resourceVersion"])
        is_unconfirmed = self._cache.services.is_unconfirmed(owner)
        try:
            answer = await self._client.replace_status(
                kinds.API_SERVICE,
                after,
                namespace=owner[0],
                name=owner[1],
                uid=uid,
                version=version if is_unconfirmed else None,
            )
        except Invalid:
            await confirm(self._client, self._cache, owner)
            raise
        except OperatorError:
            # It may be written all the same, and the next one is to go on from there.
            self._cache.services.mark_unconfirmed(owner)
            raise
        if answer is not None:
            self._cache.learn(answer)
        return answer is not None


def _gives_class(resource: Manifest, after: Mapping[str, Any]) -> bool:
    """Whether the status is to keep the resource in a class that is the default one only for now."""
    return after.get("className", classes.BUILT_IN) not in (classes.BUILT_IN, classes.named(resource))
