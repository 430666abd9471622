"""Kubernetes Events about ApiServices: only what is new, and never many.

Each resource may cause five at once and then one every five minutes; the last one is not repeated. An Event
that cannot be written is not worth a retry: the status has it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from fairlead_operator.errors import OperatorError, Terminating
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client
from fairlead_operator.manifests import Manifest
from fairlead_operator.token_bucket import TokenBucket

LOG = logging.getLogger(__name__)
BURST = 5.0
REFILL_SECONDS = 300.0
COMPONENT = "fairlead.dev/operator"


@dataclass(slots=True)
class _Budget:
    limit: TokenBucket
    last: tuple[str, str] = ("", "")


class EventRecorder:
    """`clock` in seconds for the limit; `now` as RFC 3339 for the Event."""

    def __init__(self, client: Client, *, identity: str, clock: Callable[[], float], now: Callable[[], str]) -> None:
        self._client = client
        self._identity = identity
        self._clock = clock
        self._now = now
        self._budgets: dict[str, _Budget] = {}

    async def record_event(self, resource: Manifest, kind: str, reason: str, message: str) -> None:
        """Write one Event, `kind` Normal or Warning, unless the limit of the resource is reached."""
        if not self._take(resource["metadata"]["uid"], reason, message):
            return
        event = self._event(resource, kind, reason, message)
        try:
            try:
                await self._client.create(kinds.EVENT, event)
            except Terminating:
                # The final Event about a resource that is deleted with its namespace.
                if "deletionTimestamp" in resource["metadata"]:
                    await self._client.create(kinds.EVENT, _about_namespace(event))
        except OperatorError as error:
            LOG.info("an Event was not written", extra={"error": str(error)})

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._budgets.pop(uid, None)

    def _take(self, uid: str, reason: str, message: str) -> bool:
        now = self._clock()
        budget = self._budgets.setdefault(uid, _Budget(TokenBucket(BURST, 1 / REFILL_SECONDS, at=now)))
        if budget.limit.free_at(now) > now or budget.last == (reason, message):
            return False
        budget.limit.take(now)
        budget.last = (reason, message)
        return True

    def _event(self, resource: Manifest, kind: str, reason: str, message: str) -> Manifest:
        metadata, now = resource["metadata"], self._now()
        about = {
            "apiVersion": kinds.API_SERVICE.api_version,
            "kind": kinds.API_SERVICE.name,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        }
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
            "involvedObject": about,
            "type": kind,
            "reason": reason,
            "message": message[:1000],
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": self._identity,
        }


def _about_namespace(event: Manifest) -> Manifest:
    """The same message, about the namespace; Events about what is in none are kept in "default"."""
    about, namespace = event["involvedObject"], event["metadata"]["namespace"]
    return event | {
        "metadata": {"generateName": f"{namespace}.", "namespace": "default"},
        "involvedObject": {"apiVersion": "v1", "kind": "Namespace", "name": namespace},
        "message": f"{about['kind']} {about['name']}: {event['message']}"[:1000],
    }
