"""A write request, and the seam to the three ways of carrying it out."""

from collections.abc import Iterator
from time import monotonic
from typing import Protocol

import msgspec

from fairlead_workload.api.messages.conditions import Condition
from fairlead_workload.api.messages.request import Request
from fairlead_workload.api.messages.responses import JSON, REVALIDATE, Response
from fairlead_workload.api.writes.idempotency import Claim
from fairlead_workload.model import problems
from fairlead_workload.model.effects import Action
from fairlead_workload.stores.base import Document, Expect, Key
from fairlead_workload.stores.document_locks import PATIENCE_SECONDS, DocumentLock


class Write(msgspec.Struct, frozen=True):
    """A client's write, statically checked. `fresh`: its key was generated just now, so nothing can be stored there.

    `lock` is the document's, if this write holds it.
    """

    request: Request
    action: Action
    key: Key
    body: Document | None
    condition: Condition
    at: float  # unix seconds
    fresh: bool = False
    lock: DocumentLock | None = None

    def expectation(self, version: int | None) -> Expect | int:
        """The condition as the write carries it; `version` is the stored one. Raises Problem: 404, then 412."""
        if version is None and self.action in (Action.PATCH, Action.DELETE):
            raise problems.not_found()
        return self.condition.resolve(version)


class WritePath(Protocol):
    """One way of carrying out writes. Raises Problem, DependencyError, and Conflict RECORD when the claim is lost."""

    async def apply(self, write: Write, claim: Claim | None) -> Response:
        """Carry out the write; `claim` is its Idempotency-Key's."""

    async def resume(self, claim: Claim) -> Response:
        """Finish what a former attempt under this key has left behind, and give its answer."""


def attempts() -> Iterator[None]:
    """One attempt at a write after another, for a while: each that fails lost to another process that got on.

    Bounded by time and without growing pauses, so that who has lost before does not lose more often.
    """
    deadline = monotonic() + PATIENCE_SECONDS
    yield
    while monotonic() < deadline:
        yield


def written(status: int, *, location: str, etag: str, body: bytes) -> Response:
    """201 or 200 with the document."""
    headers = [JSON, REVALIDATE, (b"etag", etag.encode())]
    if status == 201:
        headers.append((b"location", location.encode()))
    return Response(status, headers, body)


def deleted() -> Response:
    """204."""
    return Response(204, [])
