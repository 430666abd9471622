"""`make bench`: every figure of docs/performance.md, in one run. The server has one core, the load the other."""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import load, paths, startup, worker
from bench.scale import report as scale

PAIRS = 3
SIZES = [100, 1000]


def paired(name: str, goal: float, ours: Callable[[], load.Load], baseline: Callable[[], load.Load]) -> None:
    """Measure A and B in turn and print the median of the pairs' ratios."""
    ratios, columns, errors = [], [], 0
    before = load.cpu_times()
    for _ in range(PAIRS):
        a, b = baseline(), ours()
        ratios.append(b.rate / a.rate)
        columns.append((b.rate, a.rate, b.cpu_us, a.cpu_us))
        errors += a.errors + b.errors
    cores = load.cores(before, load.cpu_times())
    ratio = statistics.median(ratios)
    spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
    fairlead, bare, our_us, bare_us = (statistics.median(column) for column in zip(*columns, strict=True))
    busy = ", ".join(f"{share:.0%}" for share in cores.busy)
    print(f"{name:<34} {ratio:5.2f} of A (goal {goal:.2f}; {spread})  {fairlead:8.0f} / {bare:8.0f} per s")
    print(f"{'':<34} processor time {our_us:.0f} / {bare_us:.0f} us per request")
    print(f"{'':<34} cores busy {busy}, steal {cores.steal:.1%}, errors {errors}", flush=True)


def main() -> None:
    load.require_wrk()
    print(f"A = bare Starlette app, same server, loop and GC settings, same bytes; {load.CONNECTIONS} connections,")
    print(f"medians of {PAIRS} adjacent pairs of {load.SECONDS} s; server on core {load.SERVER_CORE}\n")
    with tempfile.TemporaryDirectory() as folder:
        for path in (paths.cached_get, paths.not_modified, paths.accepted_post, paths.accepted_post_read):
            with path(Path(folder) / path.__name__) as case:
                paired(case.name, case.goal, case.ours, case.baseline)
        both = paths.post_beside_worker(Path(folder) / "both")
        print(
            f"{'the same beside the worker':<34} {both.rate:8.0f} per s, {both.cpu_us:.0f} us per request (no goal)\n"
        )
        worker.report(Path(folder) / "worker")
        startup.report(Path(folder) / "startup")
    print()
    scale.run(SIZES)


if __name__ == "__main__":
    main()
