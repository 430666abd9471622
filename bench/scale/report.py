"""The figures as text, with their goals."""

import asyncio
import statistics
import tempfile
from pathlib import Path

import uvloop

from bench import machine
from bench.errors import Failed
from bench.scale import phases, resources
from bench.scale.cluster import Cluster
from bench.scale.phases import Ascent, Burst, Cold, Rest, percentile

EDIT_GOAL = "goals p50 60 ms, p99 250 ms"
LONGEST_SECONDS, LONGEST_SECONDS_EACH = 1800.0, 3.0  # several times what a slow machine takes
PEAK_GOALS_MIB = {1000: 160, 5000: 400}


def run(sizes: list[int], *, with_floor: bool = True) -> None:
    """Measure each size and print what came of it, then how cost grows."""
    print("Scale: copies of the orders example in five namespaces; floor = a bare script applying the same objects\n")
    with tempfile.TemporaryDirectory() as folder:
        costs = {size: uvloop.run(_alone(size, Path(folder) / str(size), with_floor=with_floor)) for size in sizes}
    each = ", ".join(f"{1000 * cost:.1f} ms at {size:,}" for size, cost in costs.items())
    print(f"processor time of the operator per resource, from nothing: {each}", flush=True)


async def _alone(size: int, folder: Path, *, with_floor: bool) -> float:
    """Measure one size on a control plane of its own: processor seconds per resource."""
    folder.mkdir()
    try:
        async with asyncio.timeout(LONGEST_SECONDS + LONGEST_SECONDS_EACH * size), Cluster(folder) as cluster:
            return await _one(cluster, size, with_floor=with_floor)
    except TimeoutError:
        raise Failed(f"scale: {size:,} resources were not done in time; what was reached is above") from None


async def _one(cluster: Cluster, size: int, *, with_floor: bool) -> float:
    before = machine.ticks()
    bare = None
    if with_floor:
        bare = await phases.floor(cluster, size)
        await cluster.clear()
    ours, operator = await phases.cold(cluster, size, bare.writes if bare else size * resources.children_each())
    print(f"{size:,} resources x {ours.writes // size} children from nothing")
    if bare:
        _beside(size, bare, ours)
    _ascent(size, ours)
    rest, operator = await phases.rest(cluster, size, operator)
    _rest(size, ours, rest)
    _edits(await phases.edits(cluster, size, operator), ours.edit_seconds)
    _burst(await phases.burst(cluster, operator))
    operator.stop()
    steal = machine.usage(before, machine.ticks()).steal
    print(f"{'':<24} steal {steal:.1%} of the whole measurement\n", flush=True)
    return ours.cpu_seconds / size


def _beside(size: int, bare: Ascent, ours: Cold) -> None:
    _line("time to the last child", f"{ours.seconds / bare.seconds:.2f} of the floor (goal 1.25)")
    _line("processor time", f"{ours.cpu_seconds / bare.cpu_seconds:.2f} of the floor (goal 2.0)")
    _line("the floor", f"{bare.seconds:.1f} s; {_processor(size, bare)}")


def _processor(size: int, ascent: Ascent) -> str:
    own = f"{ascent.cpu_seconds:.1f} s of processor time, {1000 * ascent.cpu_seconds / size:.1f} ms per resource"
    return f"{own}; control plane {ascent.plane_cpu_seconds:.1f} s"


def _ascent(size: int, ours: Cold) -> None:
    _line("the operator", f"{ours.seconds:.1f} s; {_processor(size, ours)}")
    settled = f"{ours.settled_seconds:.1f} s; {1000 * ours.settled_cpu_seconds / size:.1f} ms per resource"
    _line("until all rolled out", settled)
    written = f"{ours.writes / size:.2f} children + {ours.status_writes / size:.2f} status"
    _line("writes per resource", f"{written} + {ours.other_writes / size:.2f} other; {ours.refused} refused")
    _line("passes per resource", f"{ours.passes / size:.2f}")
    _line("kopf", f"{ours.kopf_restarts} restarts, {ours.kopf_missed} changes that it did not show")


def _rest(size: int, ours: Cold, rest: Rest) -> None:
    goal = PEAK_GOALS_MIB.get(size)
    said = f" (goal {goal})" if goal else ""
    peak = max(ours.peak_mib, rest.peak_mib)
    _line("memory", f"peak {peak:.0f} MiB{said}; after a restart {rest.resident_mib:.0f} MiB")
    _line("restart, two resyncs", f"{len(rest.mutating)} mutating requests (goal 0) in {rest.passes} passes")
    _line("", f"restart {rest.start_cpu_seconds:.1f} s of processor time, resyncs {rest.cpu_seconds:.1f} s")


def _edits(quiet: list[float], cold: list[float]) -> None:
    middle, high = (1000 * percentile(quiet, share) for share in (0.5, 0.99))
    _line("edit to last child", f"p50 {middle:.0f} ms, p99 {high:.0f} ms of {len(quiet)} ({EDIT_GOAL})")
    worst = f"at most {max(cold):.2f} s, median {statistics.median(cold):.2f} s of {len(cold)} (goal 2 s)"
    _line("edit during the start", worst)


def _burst(burst: Burst) -> None:
    said = f"{burst.passes} passes in {burst.seconds:.1f} s (goal {burst.seconds + 3:.0f})"
    _line(f"{burst.edits} edits of one", said)


def _line(name: str, text: str) -> None:
    print(f"  {name:<22} {text}", flush=True)
