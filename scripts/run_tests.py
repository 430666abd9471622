"""`make test`: the parts of the test run, in the order that finds most faults in the least time.

Unit and golden tests come first, and nothing follows when they fail. Then there are two processes at a time: `cluster`
runs beside `rest`, and `operator` follows `rest`. `cluster` and `operator` mostly wait, each for a control plane of its
own, whose programs are built in the background from the beginning, unless the cache has them. On a cluster of the
user's (FAIRLEAD_TEST_KUBECONFIG) they run one after the other, because both change what the whole cluster shares.
What a part prints is shown when it has ended, and the seconds of each part at the end.
"""

import argparse
import asyncio
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTEST = (sys.executable, "-m", "pytest", "--durations=40")
# Tests that share a server name it by the marker `xdist_group`, and run in the same process.
TWO_PROCESSES = ("-n", "2", "--dist", "loadgroup")
BUILD = "control plane"
CHOICES = ("unit", "rest", "cluster", "operator")
SHARED = "FAIRLEAD_TEST_KUBECONFIG"
PROGRESS_SECONDS = 60.0
END_SECONDS = 30.0  # for a part that is interrupted, to stop its servers
COUNTS = re.compile(r"^(?:=+ )?(\d+ (?:passed|failed|skipped|deselected|errors?)\b.*) in \d.*$", re.MULTILINE)
SHARE = re.compile(r"^thorough cases: ran (\d+) / (\d+) (.*)$", re.MULTILINE)
Tasks = Sequence["asyncio.Task[bool]"]


@dataclass
class Part:
    """One process of the run."""

    name: str
    command: Sequence[str]
    seconds: float = 0.0
    result: str = "not run"
    output: str = ""

    async def run(self, after: Tasks, behind: Tasks) -> bool:
        """Run after what has to pass and behind what has to end; whether this and the former passed."""
        for each in after:
            if not await each:
                return False
        await asyncio.gather(*behind)
        with tempfile.TemporaryFile("w+", errors="replace") as log:
            began, self.result = time.monotonic(), "under way"
            # In a session of its own: Ctrl-C reaches this process alone, which then ends the parts one by one.
            process = await asyncio.create_subprocess_exec(
                *self.command,
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                await process.wait()
            finally:
                await _end(process)
                self.seconds = time.monotonic() - began
                log.seek(0)
                self.output = log.read()
                self._judge(process.returncode)
        return process.returncode == 0

    def _judge(self, code: int | None) -> None:
        counts = COUNTS.findall(self.output)
        self.result = counts[-1] if counts else "done" if code == 0 else f"exit {code}"
        if counts or code:
            print(f"\n===== {self.name}: {self.seconds:.0f} s\n{self.output}", flush=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Interrupt a process that is still under way; if that does not help, kill it and what it started."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def make_parts(options: Sequence[str]) -> dict[str, Part]:
    """The parts of a run by name; pytest gets `options`."""
    commands: dict[str, Sequence[str]] = {
        BUILD: ["nice", sys.executable, "scripts/controlplane/build.py"],
        "unit": [*PYTEST, "tests/unit", "tests/golden", *TWO_PROCESSES, *options],
        "rest": [*PYTEST, "tests/conformance", "tests/integration", "tests/instructions", *TWO_PROCESSES, *options],
        "cluster": [*PYTEST, "tests/cluster", "--ignore=tests/cluster/operator", *options],
        "operator": [*PYTEST, "tests/cluster/operator", *options],
    }
    return {name: Part(name, command) for name, command in commands.items()}


async def run(parts: dict[str, Part], chosen: Sequence[str]) -> bool:
    """Run the chosen parts: whether all passed."""
    async with asyncio.TaskGroup() as group:

        def start(name: str, after: Tasks = (), behind: Tasks = ()) -> Tasks:
            return [group.create_task(parts[name].run(after, behind))] if name in chosen else []

        build = [group.create_task(parts[BUILD].run((), ()))] if {"cluster", "operator"} & {*chosen} else []
        unit = start("unit")
        rest = start("rest", unit)
        cluster = start("cluster", [*unit, *build])
        operator = start("operator", [*unit, *build], [*rest, *(cluster if SHARED in os.environ else ())])
        tests = [*unit, *rest, *cluster, *operator]
        while (await asyncio.wait(tests, timeout=PROGRESS_SECONDS))[1]:
            under_way = [part.name for part in parts.values() if part.result == "under way"]
            print(f"make test: {', '.join(under_way)} under way", flush=True)
        for each in build:
            each.cancel()  # nothing waits for it any more
    return all(each.result() for each in tests)


def summary(parts: dict[str, Part], seconds: float, options: Sequence[str]) -> str:
    """What each part came to, and how many of the thorough cases ran."""
    lines = [f"{part.name:<14} {part.seconds:6.0f} s  {part.result}" for part in parts.values()]
    lines.append(f"{'all':<14} {seconds:6.0f} s  options: {' '.join(options) or 'none'}")
    shares = [match for part in parts.values() for match in SHARE.findall(part.output)]
    if shares:
        ran, total = (sum(int(share[column]) for share in shares) for column in (0, 1))
        lines.append(f"thorough cases: ran {ran} / {total} {shares[0][2]}; `make test-thorough` runs all")
    return "\n".join(["", *lines])


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make test", description="Run the tests.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(CHOICES)}; without one: all")
    parser.add_argument("--thorough", action="store_true", help="every case of the long matrices, not a third of them")
    parser.add_argument("--shuffle", action="store_true", help="in a random order of files, and of the tests in each")
    parser.add_argument("--seed", type=int, help="the order of an earlier run with --shuffle")
    found = parser.parse_args(arguments)
    if unknown := set(found.parts) - set(CHOICES):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(CHOICES)}")
    found.parts = found.parts or list(CHOICES)
    return found


def pytest_options(found: argparse.Namespace) -> list[str]:
    """The options of every pytest process: all of them shuffle alike."""
    options = ["--thorough"] if found.thorough else []
    if found.shuffle or found.seed is not None:
        seed = random.randrange(1_000_000) if found.seed is None else found.seed
        options += ["--random-order", f"--random-order-seed={seed}"]
    return options


async def main(arguments: Sequence[str]) -> int:
    found = parse(arguments)
    options = pytest_options(found)
    parts, began = make_parts(options), time.monotonic()
    task = asyncio.create_task(run(parts, found.parts))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    code = 1
    try:
        code = 0 if await task else 1
    except asyncio.CancelledError:
        code = 130
    print(summary(parts, time.monotonic() - began, options), flush=True)
    return code


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
