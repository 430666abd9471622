"""The floor: apply given objects with the operator's own client, as many at a time, and know nothing else.

    python -m bench.scale.floor FILE

FILE holds one manifest a line. Prints the processor's seconds of the whole process, as the operator's are counted; only
without reading FILE, which a script that makes its manifests would not do.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import uvloop

from fairlead_operator.kube import kinds
from fairlead_operator.kube.client import Client
from fairlead_operator.kube.credentials import Credentials
from fairlead_operator.settings import Settings


async def apply_all(manifests: list[dict[str, Any]]) -> None:
    """Create every manifest, in order, `Settings.requests_in_flight` at a time."""
    in_flight = Settings.requests_in_flight
    waiting = iter(manifests)

    async def work(client: Client, manifests: Iterator[dict[str, Any]]) -> None:
        for manifest in manifests:
            await client.apply_new(kinds.of(manifest), manifest)

    clock = asyncio.get_running_loop().time
    async with Client(Credentials(clock=clock), in_flight=in_flight) as client:
        await asyncio.gather(*(work(client, waiting) for _ in range(in_flight)))


def main() -> None:
    before = time.process_time()
    manifests = [orjson.loads(line) for line in Path(sys.argv[1]).read_bytes().splitlines()]
    gc.freeze()  # what waits to be sent is no garbage to be looked through
    reading = time.process_time() - before
    uvloop.run(apply_all(manifests))
    sys.stdout.write(f"{time.process_time() - reading:.3f}\n")


if __name__ == "__main__":
    main()
