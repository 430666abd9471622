"""kill -9 at any moment: what was acknowledged is there, and no unit is there in part."""

import random
import subprocess
import sys
from pathlib import Path

from tests.thorough import Share

from fairlead_workload.queues.sqlite import SqliteQueue
from fairlead_workload.sqlite import Database
from fairlead_workload.stores.sqlite import SqliteStore

from .committer import PARTS

KILLS = 15
PROGRAM = Path(__file__).with_name("committer.py")


def commit_until_killed(data_dir: Path, *, start: int, acknowledgements: int) -> list[int]:
    """The numbers acknowledged before the kill, which comes in the middle of work."""
    with subprocess.Popen(
        [sys.executable, PROGRAM, data_dir, str(start)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline() for _ in range(acknowledgements)]
        process.kill()
        rest, errors = process.communicate()
    assert errors == ""
    whole, _, _ = "".join([*lines, rest]).rpartition("\n")  # the kill may have cut the last line
    return [int(line) for line in whole.splitlines()]


async def committed(data_dir: Path, number_limit: int) -> tuple[dict[int, int], set[int]]:
    """How many of its four parts each unit has, and which messages are in the queue."""
    database = Database.open(data_dir)
    store, queue = SqliteStore(database, [PARTS]), SqliteQueue(database, visibility_seconds=0)
    numbers = range(number_limit)
    documents = await store.get("parts", [(f"{number}{half}",) for number in numbers for half in "ab"])
    records = await store.records([("inbox", str(number)) for number in numbers])
    events = {int(row.event.id) for row in await store.unpublished(10 * number_limit)}
    parts = {
        number: sum(document is not None for document in documents[2 * number : 2 * number + 2])
        + (records[number] is not None)
        + (number in events)
        for number in numbers
    }
    messages = {int(one.message.id) for one in await queue.receive(10 * number_limit, wait_seconds=0)}
    await database.close()
    return parts, messages


async def test_nothing_acknowledged_is_lost_and_nothing_is_torn(tmp_path: Path, share: Share) -> None:
    kills = share.pick([random.Random(number).randint(1, 60) for number in range(KILLS)])
    acknowledged: set[int] = set()
    start = 0
    for acknowledgements in kills:
        numbers = commit_until_killed(tmp_path, start=start, acknowledgements=acknowledgements)
        acknowledged.update(numbers)
        start = max(numbers) + 1000
    parts, messages = await committed(tmp_path, start)
    assert set(parts.values()) <= {0, 4}, "a unit is there in part"
    assert acknowledged <= {number for number, count in parts.items() if count == 4}
    assert acknowledged <= messages
    assert len(acknowledged) >= KILLS
