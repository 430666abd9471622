"""Reading and moving dead letters takes statements in proportion to their number, not to its square."""

from collections import Counter
from typing import Any

import pytest
from tests.embedded import open_database

from fairlead_workload.queues.base import Failure, LetterFilter, Message
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.queues.sqlite.adapter import PAGE
from fairlead_workload.sqlite import BatchOperation, Database
from fairlead_workload.worker.failures import dlq

FAILURE = Failure("Rejected", "schema", "no such property", 1, 1.0, 1.0, "1")
PAGES = 4


class Counted:
    """One connection of a database; counts the operations that it is asked for."""

    def __init__(self, inner: Any, counts: Counter[str]) -> None:
        self._inner = inner
        self._counts = counts

    def submit(self, operation: BatchOperation, argument: Any) -> Any:
        self._counts[operation.run.__name__] += 1
        return self._inner.submit(operation, argument)


class CountedDatabase:
    """A database that counts operations, reading or writing."""

    def __init__(self, database: Database) -> None:
        self.counts: Counter[str] = Counter()
        self.reader = Counted(database.reader, self.counts)
        self.writer = Counted(database.writer, self.counts)
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


@pytest.mark.parametrize(
    ("match", "pages"),
    [(LetterFilter(), PAGES), (LetterFilter(keys=("k1",)), 1), (LetterFilter(ids=("3", "4")), 1)],
)
@pytest.mark.parametrize("move", ["redrive", "purge"])
async def test_a_page_is_read_once(match: LetterFilter, pages: int, move: str) -> None:
    async with open_database() as database:
        counted = CountedDatabase(database)
        queue = SqliteQueue(counted)  # type: ignore[arg-type]  # it is one, but for the counting
        number = PAGES * PAGE - 1
        await queue.publish([Message(str(each), f"k{each % number}", b"") for each in range(number)])
        for delivery in await queue.receive(number, wait_seconds=0):
            await queue.dead_letter(delivery, FAILURE)
        counted.counts.clear()
        if move == "redrive":
            result = await dlq.redrive(queue, match, rate_per_second=1e9)
        else:
            result = await dlq.purge(queue, match)
        assert result.moved == result.matched == (number if match == LetterFilter() else 2 if match.ids else 1)
        moves = result.matched if move == "redrive" else -(-result.matched // dlq.KEPT)
        assert counted.counts == {"read": pages + 1, move: moves}
