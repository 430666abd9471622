"""Which replica writes: leader election over one Lease, as client-go does it.

A replica may write until a fixed time after it *sent* its last successful renewal, by its own clock; another one takes
over only after it has itself seen the Lease unchanged for longer than that. No clock is compared with another's.
"""

import asyncio
import datetime
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fairlead_operator.cache.liveness import WatchLiveness
from fairlead_operator.errors import Conflict, NotLeading, OperatorError
from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client
from fairlead_operator.manifests import Manifest

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeaseOptions:
    """Name of the Lease and the three times, in seconds: how long it holds, until when we write, how often we try."""

    namespace: str
    name: str
    identity: str
    lease_seconds: float = 15.0
    renew_seconds: float = 10.0
    retry_seconds: float = 2.0


class Election:
    """Run it as a task; `held` is set while this replica leads. `may_write` guards every single write."""

    def __init__(
        self,
        terms: LeaseOptions,
        *,
        liveness: WatchLiveness,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self.held = asyncio.Event()
        self.liveness = liveness
        self._terms = terms
        self._clock = clock
        self._sleep = sleep
        self._now = now
        self._write_until = float("-inf")
        self._seen: tuple[str, str] = ("", "")
        self._seen_at = clock()

    def may_write(self) -> None:
        """NotLeading unless the lease is held and not about to run out."""
        if self._clock() >= self._write_until:
            self._lose()
            raise NotLeading(f"{self._terms.identity} does not hold Lease {self._terms.namespace}/{self._terms.name}")

    async def run(self, client: Client) -> None:
        """Try to lead, for ever."""
        while True:
            try:
                await self.attempt(client)
                self.liveness.heard()
            except OperatorError as error:
                self.liveness.failed(error)
                LOG.warning("the lease could not be renewed", extra={"error": str(error)})
            if self.held.is_set() and self._clock() >= self._write_until:
                self._lose()
            # A standby has no watch on the Lease: after a release, the hand-over waits for its next read.
            await self._sleep(self._terms.retry_seconds / (1 if self.held.is_set() else 2))

    async def release(self, client: Client) -> None:
        """Give the Lease up, so that another replica need not wait."""
        if not self.held.is_set():
            return
        self._write_until = float("-inf")
        self.held.clear()
        try:
            lease = await self._get(client)
            if lease is not None and _holder(lease) == self._terms.identity:
                await self._put(client, lease, holder="", seconds=1)
        except OperatorError as error:
            LOG.warning("the lease could not be released", extra={"error": str(error)})

    async def attempt(self, client: Client) -> None:
        """Try to lead, or to go on leading, once."""
        try:
            await self._try(client)
        except Conflict:
            # Somebody wrote between our read and our write. If it was another replica, it writes already.
            LOG.debug("the lease was changed meanwhile")
            await self._try(client)

    async def _try(self, client: Client) -> None:
        started = self._clock()
        lease = await self._get(client)
        if lease is None:
            await self._create(client)
        elif self._is_free(lease):
            await self._put(client, lease, holder=self._terms.identity, seconds=self._terms.lease_seconds)
        else:
            self._lose()
            return
        self._write_until = started + self._terms.renew_seconds
        if not self.held.is_set():
            LOG.info("leading")
            self.held.set()

    def _lose(self) -> None:
        if self.held.is_set():
            LOG.warning("leadership lost")
        self._write_until = float("-inf")
        self.held.clear()

    def _is_free(self, lease: Manifest) -> bool:
        holder = _holder(lease)
        seen = (holder, str(lease["spec"].get("renewTime", "")))
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock()
        if holder in ("", self._terms.identity):
            return True
        return self._clock() - self._seen_at > float(lease["spec"].get("leaseDurationSeconds", 0))

    async def _get(self, client: Client) -> Manifest | None:
        return await client.get(kinds.LEASE, namespace=self._terms.namespace, name=self._terms.name)

    async def _create(self, client: Client) -> None:
        metadata = {"name": self._terms.name, "namespace": self._terms.namespace}
        spec = self._spec({}, holder=self._terms.identity, seconds=self._terms.lease_seconds)
        body = {"apiVersion": kinds.LEASE.api_version, "kind": kinds.LEASE.name, "metadata": metadata, "spec": spec}
        path = kinds.LEASE.path(namespace=self._terms.namespace)
        await client.request("POST", path, body=body, guarded=False)

    async def _put(self, client: Client, lease: Manifest, *, holder: str, seconds: float) -> None:
        body = lease | {"spec": self._spec(lease["spec"], holder=holder, seconds=seconds)}
        path = kinds.LEASE.path(namespace=self._terms.namespace, name=self._terms.name)
        await client.request("PUT", path, body=body, guarded=False)

    def _spec(self, before: dict[str, Any], *, holder: str, seconds: float) -> Manifest:
        now = self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        moved = before.get("holderIdentity", "") != holder
        return {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, round(seconds)),
            "renewTime": now,
            "acquireTime": now if moved else before.get("acquireTime", now),
            "leaseTransitions": before.get("leaseTransitions", 0) + (1 if moved and holder else 0),
        }


def _holder(lease: Manifest) -> str:
    return str(lease["spec"].get("holderIdentity") or "")
