"""A program that commits numbered units without an end and prints the number of each once it is acknowledged.

Run as `python committer.py DATA_DIR START`; it is killed at any moment.
"""

import asyncio
import itertools
import sys
from pathlib import Path

from fairlead_contract.spec.api import Resource
from fairlead_workload.queues.base import Message
from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.sqlite import Database
from fairlead_workload.stores.base import Mutation, OutboxEvent, RecordWrite, Unit
from fairlead_workload.stores.sqlite import SqliteStore

CALLERS = 8
PARTS = Resource.model_validate(
    {
        "name": "parts",
        "key": {"partition": "id"},
        "schema": {"type": "object", "properties": {"id": {"type": "string"}, "number": {"type": "integer"}}},
        "indexes": [{"name": "byNumber", "partition": "number"}],
    }
)


def unit(number: int) -> Unit:
    """Two documents, a record and an event that belong together."""
    return Unit(
        tuple(Mutation("parts", (f"{number}{half}",), {"id": f"{number}{half}", "number": number}) for half in "ab"),
        records=(RecordWrite("inbox", str(number), b"done"),),
        outbox=(OutboxEvent(str(number), str(number), b"event"),),
    )


async def run(data_dir: Path, start: int) -> None:
    database = Database.open(data_dir)
    store, queue = SqliteStore(database, [PARTS]), SqliteQueue(database)
    numbers = itertools.count(start)

    async def commit() -> None:
        for number in numbers:
            await store.commit(unit(number))
            (error,) = await queue.publish([Message(str(number), "k", b"body")])
            if error is None:
                print(number, flush=True)

    await asyncio.gather(*(commit() for _ in range(CALLERS)))


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
