"""`python -m bench [PART ...]`: the figures of docs/performance.md. See `--help`.

Exit status: 0 all was measured, 1 an error (its cause is on standard error), 2 the command line is not understood,
130 interrupted. No child process outlives the command.
"""

import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import machine, processes, start
from bench.api import part as api
from bench.command import Options, parse
from bench.errors import Failed
from bench.machine import Cores
from bench.worker import part as worker

NEEDED = {"api": ("wrk", "taskset"), "worker": ("taskset",), "postgresql": ("wrk", "taskset"), "start": ("taskset",)}


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit status."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    tables: list[str] = []
    status, cause = 0, ""
    try:
        with tempfile.TemporaryDirectory(prefix="fairlead-bench-") as folder:
            _measure(options, Path(folder), shlex.join(["python", "-m", "bench", *arguments]), tables)
    except Failed as failure:
        status, cause = 1, f"bench: {failure}\n"
    except KeyboardInterrupt:
        status, cause = 130, "bench: interrupted\n"
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave anything behind
        processes.end_all()
    if tables:
        print("\n\n".join(tables), flush=True)
    sys.stderr.write(cause)
    return status


def _measure(options: Options, folder: Path, command: str, tables: list[str]) -> None:
    """Add the table of each part as soon as it is done."""
    cores = machine.two_cores()
    _require_tools(options.parts)
    described = machine.description(command, folder)
    print(f"{described}\n", flush=True)
    for part in options.parts:
        place = folder / part
        place.mkdir()
        if part == "scale":
            _scale(options)
            continue
        with machine.bound_to(cores.load):
            found = _PARTS[part](options, cores, place)
        if not tables:
            tables.append(described)
        tables.append(found)


def _require_tools(parts: Sequence[str]) -> None:
    for tool in dict.fromkeys(tool for part in parts for tool in NEEDED.get(part, ())):
        if shutil.which(tool) is None:
            raise Failed(f"{tool} is not installed; `make bench` installs wrk, taskset comes with util-linux")


def _api(options: Options, cores: Cores, folder: Path) -> str:
    names = options.cases["api"]
    return api.run(names, rounds=options.pairs, seconds=options.seconds, cores=cores, folder=folder)


def _worker(options: Options, cores: Cores, folder: Path) -> str:
    return worker.run(options.cases["worker"], rounds=options.pairs, events=options.events, cores=cores, folder=folder)


def _postgresql(options: Options, cores: Cores, folder: Path) -> str:
    from bench.postgresql import part  # it needs what only the services written by hand and tests need

    return part.run(
        options.cases["postgresql"],
        rounds=options.pairs,
        seconds=options.seconds,
        events=options.events,
        minutes=options.minutes,
        cores=cores,
        folder=folder,
    )


def _start(options: Options, cores: Cores, folder: Path) -> str:
    return start.run(rounds=options.pairs, cores=cores, folder=folder)


def _scale(options: Options) -> None:
    from bench.scale import report  # it needs what only tests need

    report.run(list(options.sizes), with_floor=options.with_floor)


_PARTS: dict[str, Callable[[Options, Cores, Path], str]] = {
    "api": _api,
    "worker": _worker,
    "postgresql": _postgresql,
    "start": _start,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
