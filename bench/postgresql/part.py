"""The part `postgresql`: every case in turn, its result as text, and the tables."""

import importlib.metadata
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from bench import machine, pairs, processes, table
from bench.api import load
from bench.api.load import Load, Target
from bench.api.part import FULL, WARM_SECONDS
from bench.errors import Failed
from bench.machine import Cores
from bench.peers import build
from bench.postgresql import database, effects, memory, paced, sides
from bench.postgresql.cases import ROWS, Case, get, list_, put
from bench.postgresql.database import Database
from bench.postgresql.paced import Latency
from bench.postgresql.sides import OURS, A, B, C, Sides
from bench.worker.result import Result

T = TypeVar("T")
ORDER = (OURS, A, B, C)
BY_HAND, DIRECT = "by hand", "direct"
EVENTS_GOAL, EVENTS_AIM, RATIO_GOAL = 7_000, 12_000, 3.0
TIMEOUT_SECONDS = 10  # of an answer: services that answer one by one are slow under 64 connections
EXTRA_SECONDS = 120  # for the start of the worker
SLICE_SECONDS = 10  # of one kind of load while memory is watched
ROW_HEADINGS = (
    "Path",
    "Beside A (goal)",
    "Beside B (goal)",
    "Beside C (moonshot)",
    "Requests a second: ours / A / B / C",
    "Processor time a request, us: ours / A / B / C",
    "p99, ms: ours / A / B / C",
    "Memory at the begin and the end, MiB: ours; B; C",
    "Busy: server core (by the server) / load core; steal",
)
WORKER_HEADINGS = (
    "Path",
    "Beside a transaction an event (goal)",
    "Events a second: ours (goal; moonshot)",
    "By hand",
    "Processor time an event, us: ours / by hand",
    "Busy: worker's core / other core; steal",
)
LATENCY_HEADINGS = (
    f"At {paced.RATE} requests a second",
    "p90 of the direct call, ms",
    "p90 that is added to it, ms: ours",
    "B",
    "C",
    "p99, ms: ours / B / C",
)


def run(
    names: Sequence[str], *, rounds: int, seconds: int, events: int, minutes: int, cores: Cores, folder: Path
) -> str:
    """Measure these cases; the tables. Raises Failed at the first error."""
    rows: dict[tuple[str, ...], list[list[str]]] = {}
    with database.running() as found:
        print(_introduction(found, rounds, seconds), flush=True)
        with sides.running(found, folder, cores) as running:
            running.check()
            for name in names:
                if name in ROWS:
                    case = ROWS[name]()
                    rows.setdefault(ROW_HEADINGS, []).append(
                        _print(name, ROW_HEADINGS, _case(running, case, rounds, seconds))
                    )
            if "pg-latency" in names:
                for row in _latency(running, rounds, seconds):
                    rows.setdefault(LATENCY_HEADINGS, []).append(_print("pg-latency", LATENCY_HEADINGS, row))
            watched = _watched(running, minutes) if minutes else ""
        if "pg-worker" in names:
            row = _worker(found, rounds, events, cores, folder)
            rows.setdefault(WORKER_HEADINGS, []).append(_print("pg-worker", WORKER_HEADINGS, row))
    tables = [table.markdown(headings, found_rows) for headings, found_rows in rows.items()]
    return "\n\n".join([*tables, *([watched] if watched else []), _legend(rounds)])


def _versions() -> str:
    libraries = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("fastapi", "asyncpg", "uvicorn"))
    return f"{libraries}; pgx {build.locked_version()}"


def _introduction(found: Database, rounds: int, seconds: int) -> str:
    return (
        f"postgresql: PostgreSQL {found.version()} on the core of the load, commits synced; A = a bare Starlette\n"
        "application that returns the same bytes, B = FastAPI with asyncpg, C = Go with pgx, both written by hand\n"
        f"({_versions()}).\n"
        f"{load.CONNECTIONS} connections; {rounds} rounds, {seconds} s per side, in turn, every second round in\n"
        f"reverse. Figures: median ({pairs.described(rounds)}). A goal that is missed is no error.\n"
    )


def _legend(rounds: int) -> str:
    return (
        f"Ratios are medians of {rounds} rounds ({pairs.described(rounds)}). (!): the load core, which PostgreSQL has"
        f" too, was more than {FULL:.0%} busy, so the rates of the row may be those of the load generator."
    )


def _print(name: str, headings: Sequence[str], row: list[str]) -> list[str]:
    """The row again, when it is printed."""
    print(f"{name}: {row[0]}")
    for heading, cell in zip(headings[1:], row[1:], strict=True):
        print(f"  {heading}: {cell}")
    print(flush=True)
    return row


def beside(found: Sequence[Mapping[str, float]], side: str, other: str, goal: float) -> str:
    """The ratio of two sides' figures, and whether it is as good as it should be."""
    ratio = pairs.spread([each[side] / each[other] for each in found])
    return f"{ratio.text()} {goal:g}: {pairs.verdict(ratio, goal)}"


# Rows


def _case(running: Sides, case: Case, rounds: int, seconds: int) -> list[str]:
    with running.under_load(case) as targets:

        def loaded(side: str, seconds: int) -> Callable[[], Load]:
            return lambda: _loaded(targets[side], case, seconds, running.cores)

        for side in ORDER:
            loaded(side, WARM_SECONDS)()
        before = _memory(running)
        found = pairs.measure(rounds, {side: loaded(side, seconds) for side in ORDER})
        after = _memory(running)
    return _row(case, found, before, after)


def _loaded(target: Target, case: Case, seconds: int, cores: Cores) -> Load:
    return load.measure(
        target, case.requests, expects=case.expects, seconds=seconds, cores=cores, timeout_seconds=TIMEOUT_SECONDS
    )


def _memory(running: Sides) -> dict[str, float]:
    return {side: machine.resident_mib(target.process.pid) for side, target in running.services.items()}


def _row(
    case: Case, found: Sequence[Mapping[str, Load]], before: Mapping[str, float], after: Mapping[str, float]
) -> list[str]:
    rates = [{side: run.rate for side, run in each.items()} for each in found]
    load_busy = max(_middle(found, side, lambda run: run.load_busy) for side in ORDER)
    server_busy = max(_middle(found, side, lambda run: run.server_busy) for side in ORDER)
    own = max(_middle(found, side, lambda run: run.server_own) for side in ORDER)
    steal = statistics.mean(run.steal for each in found for run in each.values())
    return [
        case.title + (" (!)" if load_busy > FULL else ""),
        beside(rates, OURS, A, case.goals.a),
        beside(rates, OURS, B, case.goals.b),
        beside(rates, OURS, C, case.goals.c),
        _each(found, lambda run: run.rate, ",.0f"),
        _each(found, lambda run: run.cpu_us, ".0f"),
        _each(found, lambda run: run.p99_ms, ".1f"),
        "; ".join(f"{before[side]:.0f}-{after[side]:.0f}" for side in (OURS, B, C)),
        f"{server_busy:.0%} ({own:.0%}) / {load_busy:.0%}; {steal:.1%}",
    ]


def _middle(found: Sequence[Mapping[str, T]], side: str, figure: Callable[[T], float]) -> float:
    return statistics.median(figure(each[side]) for each in found)


def _each(found: Sequence[Mapping[str, Load]], figure: Callable[[Load], float], form: str) -> str:
    return " / ".join(format(_middle(found, side, figure), form) for side in ORDER)


# Latency


def _latency(running: Sides, rounds: int, seconds: int) -> Iterator[list[str]]:
    for case in (get(), put(), list_()):
        measured = {DIRECT: _direct(running, case, seconds)}
        measured |= {side: _paced(running, side, case, seconds) for side in (OURS, B, C)}
        found = pairs.measure(rounds, measured)
        yield [
            case.title,
            _added([each[DIRECT].p90 for each in found]),
            *(_added([each[side].p90 - each[DIRECT].p90 for each in found]) for side in (OURS, B, C)),
            " / ".join(format(_middle(found, side, lambda latency: latency.p99), ".2f") for side in (OURS, B, C)),
        ]


def _added(milliseconds: Sequence[float]) -> str:
    """A figure that may be below zero: a faster driver makes up for the server."""
    found = pairs.spread(milliseconds)
    return f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})"


def _paced(running: Sides, side: str, case: Case, seconds: int) -> Callable[[], Latency]:
    def once() -> Latency:
        target = running.services[side]
        try:
            return paced.over_http(target.url, case.requests, seconds=seconds)
        except (Failed, OSError) as error:
            raise Failed(f"{side}, {case.title}: {error!r}\n{target.process.state()}") from None
        finally:
            running.tidy(side, case)

    return once


def _direct(running: Sides, case: Case, seconds: int) -> Callable[[], Latency]:
    def once() -> Latency:
        try:
            return paced.direct(running.database.address(database.B), case.requests, seconds=seconds)
        finally:
            running.tidy(B, case)

    return once


# Memory


def _watched(running: Sides, minutes: int) -> str:
    """What the memory of our server is while GET, PUT and lists take turns for so many minutes."""
    print(f"memory: {minutes} minutes of load", flush=True)
    readings = [machine.resident_mib(running.services[OURS].process.pid)]
    until, cases = time.monotonic() + 60 * minutes, (get(), put(), list_())
    while time.monotonic() < until:
        for case in cases:
            target = running.tidied(OURS, case)
            _loaded(target, case, SLICE_SECONDS, running.cores)
            readings.append(machine.resident_mib(target.process.pid))
    said = (
        f"Memory of our server in {minutes} minutes of load, MiB: {readings[0]:.0f} at the begin,"
        f" {readings[-1]:.0f} at the end, {max(readings):.0f} at most: {memory.verdict(readings)}."
    )
    print(f"  {said}\n", flush=True)
    return said


# Worker


def _worker(found: Database, rounds: int, events: int, cores: Cores, folder: Path) -> list[str]:
    applied = {
        OURS: _applied(found, effects.OURS, database.FAIRLEAD, events, cores, folder),
        BY_HAND: _applied(found, effects.BY_HAND, database.B, events, cores, folder),
    }
    runs = pairs.measure(rounds, applied)
    rates = [{side: result.events / result.seconds for side, (result, _) in each.items()} for each in runs]
    ours, by_hand = (pairs.spread([each[side] for each in rates]) for side in (OURS, BY_HAND))
    spent = [
        statistics.median(each[side][0].cpu_seconds / each[side][0].events * 1e6 for each in runs)
        for side in (OURS, BY_HAND)
    ]
    usages = [usage for each in runs for _, usage in each.values()]
    busy, other = (statistics.mean(usage.busy[core] for usage in usages) for core in (cores.server, cores.load))
    goals = f"{EVENTS_GOAL:,}: {pairs.verdict(ours, EVENTS_GOAL)}; {EVENTS_AIM:,}: {pairs.verdict(ours, EVENTS_AIM)}"
    return [
        "Worker, the store's share: document, inbox, operation and outbox",
        beside(rates, OURS, BY_HAND, RATIO_GOAL),
        f"{ours.text(',.0f')} {goals}",
        by_hand.text(",.0f"),
        " / ".join(f"{each:.0f}" for each in spent),
        f"{busy:.0%} / {other:.0%}; {statistics.mean(usage.steal for usage in usages):.1%}",
    ]


def _applied(
    found: Database, side: str, schema: str, events: int, cores: Cores, folder: Path
) -> Callable[[], tuple[Result, machine.Usage]]:
    file = folder / f"{side}-address.json"
    found.address(schema).write(file)
    command = processes.on_core(
        cores.server, processes.module("bench.postgresql.effects", side, str(file), str(events))
    )

    def once() -> tuple[Result, machine.Usage]:
        before = machine.ticks()
        output, _ = processes.run(command, timeout_seconds=EXTRA_SECONDS + events / 10)
        usage = machine.usage(before, machine.ticks())
        if (written := found.events(schema)) != events:
            raise Failed(f"{side}: {written} events in the outbox after {events} updates")
        found.tidy(schema)
        return Result.parse(output), usage

    return once
