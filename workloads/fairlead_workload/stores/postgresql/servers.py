"""Which server a statement goes to, and what is done again.

Strong reads and writes go to the primary; other reads to the read replica, and to the primary when that does not
answer. A read whose connection breaks is done once more, on another connection; a write never is.
"""

import logging
from collections.abc import Sequence

from fairlead_workload.errors import Unavailable
from fairlead_workload.stores.postgresql.connections import Pool, Rows, Statement, execute, local_settings
from fairlead_workload.stores.postgresql.faults import DATASTORE, ConnectionLost, Contended

_log = logging.getLogger(__name__)


class Servers:
    """The primary and, if there is one, its read replica."""

    def __init__(self, primary: Pool, replica: Pool | None) -> None:
        self.primary = primary
        self._replica = replica
        self._replica_answers = True

    @property
    def has_replica(self) -> bool:
        return self._replica is not None

    async def read(self, statements: Sequence[Statement], *, strong: bool = True) -> list[Rows]:
        """The rows of each statement; `strong`: of the primary."""
        if self._replica is not None and not strong:
            try:
                results = await _run(self._replica, statements)
            except Unavailable as error:
                self._note(error)
            else:
                self._replica_answers = True
                return results
        try:
            return await _run(self.primary, statements)
        except ConnectionLost:
            return await _run(self.primary, statements)

    async def write(self, statement: Statement) -> Rows:
        """The rows that a statement returns, once its transaction is committed."""
        [rows] = await _run(self.primary, [statement])
        return rows

    async def close(self) -> None:
        await self.primary.close()
        if self._replica is not None:
            await self._replica.close()

    def _note(self, error: Unavailable) -> None:
        if self._replica_answers:
            _log.warning("the read replica does not answer, the primary serves", extra={"error": str(error)})
        self._replica_answers = False


async def _run(pool: Pool, statements: Sequence[Statement]) -> list[Rows]:
    settings = local_settings(pool.server)
    sent = statements if settings is None else [settings, *statements]
    try:
        results = await pool.run(lambda connection: execute(connection, sent))
    except Contended as error:
        raise Unavailable(DATASTORE, str(error)) from None
    return results[-len(statements) :]
