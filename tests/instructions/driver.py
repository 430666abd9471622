"""The program that runs below callgrind: `python -m tests.instructions.driver DATA_DIR LAYOUT`.

Says `ready` when everything is warm, waits for a line, runs the windows, and prints their names in order, one a line.
Callgrind is set to dump its counts when `getloadavg` is called, a function of the C library that nothing else here has
a use for: each call is a mark, and each dump holds what has been counted since the mark before.
"""

import gc
import os
import select
import sys
import time
from pathlib import Path

import msgspec
import uvloop
from tests.instructions.sameness import lay_out_memory, replace_chance_and_time

PLANTED_ROUNDS, WARM_ROUNDS = 2, 2
POLL_SECONDS = 0.01
SERVICE = Path(__file__).with_name("orders.yaml").read_bytes()
MARKS: list[str] = []


def mark(name: str) -> None:
    """End what is counted so far; `name` says what it was, empty for nothing of interest."""
    os.getloadavg()
    MARKS.append(name)


def wait_for_a_line() -> None:
    """Return when the parent has switched counting on. Runs now and then, for valgrind looks at its pipe only then."""
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        time.sleep(POLL_SECONDS)
    if not sys.stdin.readline():
        raise SystemExit("the parent has gone before it began to count")


async def count(data_dir: Path) -> None:
    """Open the service, warm it up, and count the windows."""
    from tests.instructions.service import open_service
    from tests.instructions.windows import Windows

    from fairlead_workload.process import garbage

    service = await open_service(SERVICE, data_dir)
    windows = Windows(service, mark)
    await windows.prepare()
    for _ in range(WARM_ROUNDS):
        await windows.round("warm")
    garbage.freeze_gc()
    gc.disable()
    MARKS.clear()
    wait_for_a_line()
    await windows.round("clean")
    for _ in range(PLANTED_ROUNDS):  # in turns: what is stored grows, and with it what a write takes
        await windows.round("planted", msgspec.json.encode)
        await windows.round("clean")
    windows.close()
    await service.close()


def main() -> None:
    replace_chance_and_time()
    lay_out_memory(int(sys.argv[2]))
    uvloop.run(count(Path(sys.argv[1])))
    print("\n".join(MARKS))


if __name__ == "__main__":
    main()
