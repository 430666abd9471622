"""The part `worker`: every kind of events in turn, its result as text, and the table."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import machine, pairs, processes, table
from bench.errors import Failed
from bench.machine import Cores
from bench.pairs import Spread
from bench.worker.kinds import KINDS, Kind
from bench.worker.result import Result

OURS, A = "ours", "A"
MODULES = {A: "bench.worker.bare", OURS: "bench.worker.applied"}
EXTRA_SECONDS = 120  # for the start, and for what is there beforehand
HEADINGS = (
    "Case",
    "Ours beside A",
    "Events a second: ours",
    "A",
    "Processor time an event, us: ours / A",
    "Goal, events a second",
    "Tried again a run",
    "Busy: worker's core / other core; steal",
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one side, and what the cores did in the whole of it, the worker's and the other one."""

    result: Result
    busy: float
    other_busy: float
    steal: float

    @property
    def rate(self) -> float:
        return self.result.events / self.result.seconds

    @property
    def cpu_us(self) -> float:
        return self.result.cpu_seconds / self.result.events * 1e6


Rounds = Sequence[Mapping[str, Run]]


def run(names: Sequence[str], *, rounds: int, events: int, cores: Cores, folder: Path) -> str:
    """Measure these kinds; the table. Raises Failed at the first error."""
    print(_introduction(rounds, events), flush=True)
    rows = []
    for name in names:
        found = pairs.measure(rounds, {side: _side(side, name, events, cores, folder) for side in (A, OURS)})
        print(f"{name}: {KINDS[name].title}\n{_text(KINDS[name], found)}\n", flush=True)
        rows.append(_row(KINDS[name], found))
    return f"{table.markdown(HEADINGS, rows)}\n\nMedians of {rounds} rounds ({pairs.described(rounds)})."


def _introduction(rounds: int, events: int) -> str:
    return (
        "worker: A = a bare loop over SQLite that applies the same events, 256 to a transaction, synchronous=FULL;\n"
        f"{rounds} rounds, {events:,} writes per side, in turn, every second round in reverse. The clock runs to the\n"
        f"last acknowledgement. Figures: median ({pairs.described(rounds)}).\n"
    )


def _side(side: str, name: str, events: int, cores: Cores, folder: Path) -> Callable[[], Run]:
    def once() -> Run:
        with TemporaryDirectory(dir=folder) as data:
            command = processes.module(MODULES[side], name, str(events), data)
            before = machine.ticks()
            try:
                output, _ = processes.run(
                    processes.on_core(cores.server, command), timeout_seconds=EXTRA_SECONDS + events / 10
                )
            except Failed as failure:
                raise Failed(f"{side}, {name}: {failure}") from None
            usage = machine.usage(before, machine.ticks())
            return Run(Result.parse(output), usage.busy[cores.server], usage.busy[cores.load], usage.steal)

    return once


def _of(found: Rounds, side: str, figure: Callable[[Run], float]) -> Spread:
    return pairs.spread([figure(each[side]) for each in found])


def _ratio(found: Rounds) -> Spread:
    return pairs.spread([each[OURS].rate / each[A].rate for each in found])


def _rate(found: Rounds, side: str) -> str:
    return _of(found, side, lambda run: run.rate).text(",.0f")


def _goal(kind: Kind, found: Rounds) -> str:
    if kind.goal is None:
        return ""
    return f"{kind.goal:,.0f}: {pairs.verdict(_of(found, OURS, lambda run: run.rate), kind.goal)}"


def _processor_time(found: Rounds) -> str:
    return " / ".join(f"{_of(found, side, lambda run: run.cpu_us).median:.0f}" for side in (OURS, A))


def _retried(found: Rounds) -> str:
    return f"{_of(found, OURS, lambda run: run.result.retried).median:.0f}"


def _busy(found: Rounds) -> str:
    runs = [run for each in found for run in each.values()]
    busy, other, steal = (statistics.mean(figures) for figures in zip(*(_cores(run) for run in runs), strict=True))
    return f"{busy:.0%} / {other:.0%}; {steal:.1%}"


def _cores(run: Run) -> tuple[float, float, float]:
    return run.busy, run.other_busy, run.steal


def _text(kind: Kind, found: Rounds) -> str:
    goal = _goal(kind, found)
    lines = {
        "ours beside A": _ratio(found).text(),
        "events a second": f"{_rate(found, OURS)} {f'goal {goal}' if goal else 'no goal'}",
        "A": _rate(found, A),
        "processor time": f"ours / A: {_processor_time(found)} us per event",
        "tried again": f"{_retried(found)} events a run, after a pause, because others wrote the same document",
        "busy; steal": f"{_busy(found)}, start and preparation included",
    }
    return "\n".join(f"  {name:<18} {text}" for name, text in lines.items())


def _row(kind: Kind, found: Rounds) -> list[str]:
    return [
        kind.title,
        _ratio(found).text(),
        _rate(found, OURS),
        _rate(found, A),
        _processor_time(found),
        _goal(kind, found),
        _retried(found),
        _busy(found),
    ]
