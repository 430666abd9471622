"""GET /{version}/operations/{id}: what became of an accepted write.

The id holds path and time; the worker's record says how it ended; without one the write is Pending while its event may
still be retried, and gone after that. Succeeded is answered once no cache here serves anything older.
"""

from typing import Any

from fairlead_contract.spec.model import seconds
from fairlead_workload.api.messages import conditions
from fairlead_workload.api.messages.request import Request, decode_segment
from fairlead_workload.api.messages.responses import Response, json_response
from fairlead_workload.bindings import Bindings
from fairlead_workload.model import operations, problems
from fairlead_workload.model.operations import OperationRecord, OperationRef
from fairlead_workload.stores.base import OPERATIONS

RETRY_AFTER = (b"retry-after", b"1")


class OperationReader:
    """Serves the operations of one service."""

    def __init__(self, bindings: Bindings) -> None:
        queue = bindings.document.queue
        self._store = bindings.store
        self._caches = bindings.caches
        self._ids = bindings.operations
        self._clock = bindings.clock
        self._base = f"/{bindings.document.api.version}/"
        self._max_age_seconds = seconds(queue.retry.max_age) if queue is not None else 0.0

    async def get(self, request: Request, segments: list[str]) -> Response:
        """The operation, or Problem 404 (not ours, not this principal's) or 410 (no longer known)."""
        conditions.check_accept(request)
        id_ = decode_segment(segments[0])
        ref = self._ids.read(id_, principal=request.principal)
        if ref is None:
            raise problems.not_found("There is no such operation.")
        conditions.check_match(request, None)
        (stored,) = await self._store.records([(OPERATIONS, ref.uuid)])
        if stored is None:
            if self._clock() - ref.created_at >= self._max_age_seconds:
                raise problems.operation_gone()
            return json_response(200, self._body(id_, "Pending", ref), RETRY_AFTER)
        record = operations.decode_record(stored.value)
        await self._catch_up(ref, record)
        return json_response(200, self._body(id_, record.status, ref, record.error))

    def _body(self, id_: str, status: str, ref: OperationRef, error: Any = None) -> dict[str, Any]:
        return operations.body(id_, status, resource=self._base + ref.path, created_at=ref.created_at, error=error)

    async def _catch_up(self, ref: OperationRef, record: OperationRecord) -> None:
        cache = self._caches.get(ref.path.partition("/")[0])
        if cache is None or record.version is None:
            return
        entry = cache.peek(ref.path)
        if entry is None or entry.version < record.version:
            await cache.invalidate(ref.path, record.version)
