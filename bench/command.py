"""The command line: which parts and cases are measured, and how long. Pure.

Decided here: no part means all of them; with `--cases`, those that have the cases. Whatever is not known ends the
command with status 2, and the parts are listed.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from bench.api.cases import CASES
from bench.postgresql.cases import CASES as POSTGRESQL
from bench.worker.kinds import KINDS

PARTS = {
    "api": "requests to the API, beside a bare Starlette application and a bare ASGI one",
    "worker": "events that the worker applies, beside a bare loop over SQLite",
    "postgresql": "requests and events on PostgreSQL, beside A and services written by hand (needs PostgreSQL and Go)",
    "start": "start-up and idle memory",
    "scale": "the operator at scale, beside a bare script (starts a control plane; far longer than the others)",
}
NAMES = {"api": tuple(CASES), "worker": tuple(KINDS), "postgresql": tuple(POSTGRESQL)}  # of the cases


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be done. `cases` has the names for each part that has cases."""

    parts: tuple[str, ...]
    cases: dict[str, tuple[str, ...]]
    pairs: int
    seconds: int
    events: int
    minutes: int
    sizes: tuple[int, ...]
    with_floor: bool


class _Parser(argparse.ArgumentParser):
    """Says with every refusal which parts there are."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(2, f"bench: {message}\n\n{_listed()}\n")


def _listed() -> str:
    parts = "\n".join(f"  {name:<11} {text}" for name, text in PARTS.items())
    cases = "\n".join(f"  {part:<11} {', '.join(names)}" for part, names in NAMES.items())
    return f"parts (all of them if none is given):\n{parts}\n\ncases:\n{cases}"


def parse(arguments: Sequence[str]) -> Options:
    """The options in `arguments`. Exits with status 2 when they are not understood."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if unknown := [part for part in given.parts if part not in PARTS]:
        parser.error(f"unknown part: {', '.join(unknown)}")
    wanted = [name for name in (given.cases or "").split(",") if name]
    parts = tuple(part for part in PARTS if part in (given.parts or _parts_of(wanted)))
    offered = {name for part in parts for name in NAMES.get(part, ())}
    if unknown := [name for name in wanted if name not in offered]:
        parser.error(f"unknown case: {', '.join(unknown)}")
    cases = {part: tuple(name for name in names if not wanted or name in wanted) for part, names in NAMES.items()}
    return Options(
        parts, cases, given.pairs, given.seconds, given.events, given.minutes, given.sizes, not given.without_floor
    )


def _parts_of(cases: Sequence[str]) -> Sequence[str]:
    if not cases:
        return tuple(PARTS)
    return [part for part, names in NAMES.items() if set(cases) & set(names)] or tuple(NAMES)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m bench",
        description="Ratios against baselines, measured in one run. Any error ends it with status 1; time never does.",
        epilog=_listed(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help="what to measure; see below")
    add("--cases", metavar="NAMES", help="only these cases, with commas; see below")
    add("--pairs", type=_positive, default=10, help="rounds per case, and starts (default: 10)")
    add("--seconds", type=_positive, default=4, help="of load per side and round (default: 4)")
    add("--events", type=_positive, default=10_000, help="writes per run of the worker (default: 10000)")
    add("--minutes", type=_positive, default=0, help="postgresql: of load while the memory is watched (default: none)")
    add("--sizes", type=_sizes, default=(100, 1000), help="numbers of ApiServices, with commas (default: 100,1000)")
    add("--without-floor", action="store_true", help="scale: measure the operator alone")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(_positive(size) for size in text.split(","))
