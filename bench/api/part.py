"""The part `api`: every case in turn, its result as text, and the table."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import pairs, table
from bench.api import load, servers
from bench.api.cases import CASES, Case
from bench.api.load import Load
from bench.api.servers import FLOOR, OURS, A
from bench.machine import Cores
from bench.pairs import Spread

WARM_SECONDS = 1
SIDES = (OURS, A, FLOOR)
FULL = 0.95  # a load core that is busier than that may be what limits
HEADINGS = (
    "Case",
    "Ours beside A",
    "Floor beside A",
    "Processor time a request, us: ours / A / floor",
    "Requests a second: ours / A / floor",
    "Goal",
    "Busy: server core (by the server) / load core; steal",
)
Rounds = Sequence[Mapping[str, Load]]


def run(names: Sequence[str], *, rounds: int, seconds: int, cores: Cores, folder: Path) -> str:
    """Measure these cases; the table. Raises Failed at the first error."""
    print(_introduction(rounds, seconds), flush=True)
    rows = []
    for name in names:
        with TemporaryDirectory(dir=folder) as place:  # gone with the case: an access log may have 100 MB
            found = _measure(CASES[name], rounds=rounds, seconds=seconds, cores=cores, folder=Path(place))
        print(f"{name}: {CASES[name].title}\n{_text(CASES[name], found)}\n", flush=True)
        rows.append(_row(CASES[name], found))
    return f"{table.markdown(HEADINGS, rows)}\n\n{_legend(rounds)}"


def _introduction(rounds: int, seconds: int) -> str:
    return (
        "api: A = a bare Starlette application, floor = a bare ASGI one; both return the same bytes on the same\n"
        f"server (Granian, uvloop, our garbage-collector settings). {load.CONNECTIONS} connections; {rounds} rounds,\n"
        f"{seconds} s per side, in turn, every second round in reverse. Figures: median ({pairs.described(rounds)}).\n"
    )


def _measure(case: Case, *, rounds: int, seconds: int, cores: Cores, folder: Path) -> Rounds:
    with servers.running(case, folder, cores) as (targets, requests):

        def under_load(side: str, seconds: int) -> Callable[[], Load]:
            target = targets[side]
            return lambda: load.measure(target, requests, expects=case.expects, seconds=seconds, cores=cores)

        for side in targets:
            under_load(side, WARM_SECONDS)()
        return pairs.measure(rounds, {side: under_load(side, seconds) for side in targets})


def _ratios(found: Rounds, side: str) -> Spread:
    return pairs.spread([each[side].rate / each[A].rate for each in found])


def _middle(found: Rounds, side: str, figure: Callable[[Load], float]) -> float:
    return statistics.median(figure(each[side]) for each in found)


def _three(found: Rounds, figure: Callable[[Load], float], form: str) -> str:
    return " / ".join(format(_middle(found, side, figure), form) for side in SIDES)


def _goal(case: Case, ratio: Spread) -> str:
    return "" if case.goal is None else f"{case.goal:.2f}: {pairs.verdict(ratio, case.goal)}"


def _busy(found: Rounds) -> str:
    """The busiest side of each core, and the steal of all."""
    server = max(_middle(found, side, lambda run: run.server_busy) for side in SIDES)
    own = max(_middle(found, side, lambda run: run.server_own) for side in SIDES)
    return f"{server:.0%} ({own:.0%}) / {_load_busy(found):.0%}; {_steal(found):.1%}"


def _steal(found: Rounds) -> float:
    return statistics.mean(run.steal for each in found for run in each.values())


def _load_busy(found: Rounds) -> float:
    return max(_middle(found, side, lambda run: run.load_busy) for side in SIDES)


def _text(case: Case, found: Rounds) -> str:
    ratio = _ratios(found, OURS)
    lines = {
        "ours beside A": f"{ratio.text()} {f'goal {_goal(case, ratio)}' if case.goal else 'no goal'}",
        "floor beside A": _ratios(found, FLOOR).text(),
        "requests a second": f"ours / A / floor: {_three(found, lambda run: run.rate, ',.0f')}",
        "processor time": f"{_three(found, lambda run: run.cpu_us, '.0f')} us per request",
        "p99": f"{_three(found, lambda run: run.p99_ms, '.1f')} ms",
        "server core busy": _three(found, lambda run: run.server_busy, ".0%"),
        "by the server": _three(found, lambda run: run.server_own, ".0%"),
        "load core busy": _three(found, lambda run: run.load_busy, ".0%") + _flag(found),
        "steal": f"{_steal(found):.1%}",
    }
    return "\n".join(f"  {name:<18} {text}" for name, text in lines.items())


def _flag(found: Rounds) -> str:
    return f"  (!) over {FULL:.0%}: the load generator may be what limits" if _load_busy(found) > FULL else ""


def _row(case: Case, found: Rounds) -> list[str]:
    ratio = _ratios(found, OURS)
    return [
        case.title + (" (!)" if _load_busy(found) > FULL else ""),
        ratio.text(),
        _ratios(found, FLOOR).text(),
        _three(found, lambda run: run.cpu_us, ".0f"),
        _three(found, lambda run: run.rate, ",.0f"),
        _goal(case, ratio),
        _busy(found),
    ]


def _legend(rounds: int) -> str:
    return (
        f"Ratios are medians of {rounds} rounds ({pairs.described(rounds)}). (!): the load core was more than"
        f" {FULL:.0%} busy, so the rates of the row may be those of the load generator."
    )
