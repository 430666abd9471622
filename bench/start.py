"""The part `start`: how long `fairlead run` takes to its first 200, and the memory it holds when idle.

A is the bare Starlette application on the same server. Bytecode is compiled by a first round that is not counted.
"""

import http.client
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import machine, pairs, processes, table
from bench.errors import Failed
from bench.machine import Cores
from bench.pairs import Spread

OURS, A = "ours", "A"
EXAMPLE = "examples/products.yaml"
PATHS = {OURS: "/health", A: "/v1/health"}
LONGEST_SECONDS = 60.0
LOOK_SECONDS = 0.002
IDLE_SECONDS = 2.0
HEADINGS = ("Figure", "Ours", "A", "Goal")


@dataclass(frozen=True, slots=True)
class Start:
    """One start. The processor's time is that until the first answer."""

    seconds: float
    cpu_seconds: float
    idle_mib: float
    usage: machine.Usage


Figure = Callable[[Start], float]
Rounds = Sequence[Mapping[str, Start]]


def run(*, rounds: int, cores: Cores, folder: Path) -> str:
    """Start both a number of times; the table. Raises Failed at the first error."""
    print(f"start: {EXAMPLE}; A = a bare Starlette application. {rounds} starts per side, in turn, every second")
    print(f"round in reverse; one before is not counted. Figures: median ({pairs.described(rounds)}).\n", flush=True)
    sides = {side: _side(side, cores, folder) for side in (A, OURS)}
    pairs.measure(1, sides)
    found = pairs.measure(rounds, sides)
    steal = max(start.usage.steal for each in found for start in each.values())
    rows = _rows(found, cores)
    for name, ours, bare, goal in rows:
        print(f"  {name:<36} {ours}, A {bare}{f', goal {goal}' if goal else ''}")
    print(f"  steal {steal:.1%} at most\n", flush=True)
    legend = f"Medians of {rounds} starts ({pairs.described(rounds)}); steal {steal:.1%} at most."
    return f"{table.markdown(HEADINGS, rows)}\n\n{legend}"


def _rows(found: Rounds, cores: Cores) -> list[list[str]]:
    return [
        _row(found, "Start to first 200, s", lambda start: start.seconds, ".2f", goal=1.5),
        _row(found, "of it, processor time, s", lambda start: start.cpu_seconds, ".2f"),
        _row(found, "Idle memory, MiB", lambda start: start.idle_mib, ".0f", goal=100),
        _row(found, "Server's core busy, %", lambda start: 100 * start.usage.busy[cores.server], ".0f"),
        _row(found, "Load's core busy, %", lambda start: 100 * start.usage.busy[cores.load], ".0f"),
    ]


def _row(found: Rounds, name: str, figure: Figure, form: str, *, goal: float | None = None) -> list[str]:
    ours, bare = (_spread(found, side, figure) for side in (OURS, A))
    verdict = "" if goal is None else f"{goal:g}: {pairs.verdict(ours, goal, at_most=True)}"
    return [name, ours.text(form), bare.text(form), verdict]


def _spread(found: Rounds, side: str, figure: Figure) -> Spread:
    return pairs.spread([figure(each[side]) for each in found])


def _side(side: str, cores: Cores, folder: Path) -> Callable[[], Start]:
    return lambda: _started(side, cores, folder)


def _started(side: str, cores: Cores, folder: Path) -> Start:
    port = processes.free_port()
    with TemporaryDirectory(dir=folder) as place:
        command = processes.on_core(cores.server, {OURS: _ours, A: _bare}[side](port, Path(place)))
        ticks, began = machine.ticks(), time.perf_counter()
        child = processes.Background(command, Path(place) / "server.log")
        try:
            _wait_for_answer(port, PATHS[side], child, deadline=began + LONGEST_SECONDS)
            seconds, usage = time.perf_counter() - began, machine.usage(ticks, machine.ticks())
            cpu_seconds = machine.cpu_seconds(child.pid)
            time.sleep(IDLE_SECONDS)
            child.require_running()
            return Start(seconds, cpu_seconds, machine.resident_mib(child.pid), usage)
        finally:
            child.end()


def _ours(port: int, folder: Path) -> list[str]:
    options = ["--port", str(port), "--admin-port", str(processes.free_port()), "--data-dir", str(folder / "data")]
    return processes.module("fairlead_cli", "run", "-f", EXAMPLE, "--log-format", "json", *options)


def _bare(port: int, folder: Path) -> list[str]:
    file = folder / "answer.json"
    file.write_text(json.dumps({"status": 200, "headers": {}, "body": "{}"}))
    return processes.module("bench.api.baseline", "starlette", str(port), str(file))


def _wait_for_answer(port: int, path: str, child: processes.Background, *, deadline: float) -> None:
    """Return at the first 200. Raises Failed for any other answer."""
    while (found := _answer(port, path)) is None:
        child.require_running()
        if time.perf_counter() > deadline:
            raise Failed(f"start: no answer after {LONGEST_SECONDS:.0f} s\n{child.state()}")
        time.sleep(LOOK_SECONDS)
    status, body = found
    if status != 200:
        raise Failed(f"start: GET {path}: expected 200: {status} {body}\n{child.state()}")


def _answer(port: int, path: str) -> tuple[int, str] | None:
    """Status and body; None while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except OSError:
        return None
    finally:
        connection.close()
