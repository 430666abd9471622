"""What is measured, one function for each: from nothing, nothing to do, edits, and many edits of one."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.errors import Failed
from bench.scale import resources
from bench.scale.audit import Call
from bench.scale.cluster import Cluster
from bench.scale.processes import Operator, Python
from fairlead_operator.kube import kinds

LOOK_SECONDS = 0.2
EARLY = 10  # resources that are there before the many, and are edited while the many are made
EDITS = 100
EDIT_EVERY_SECONDS = 1.0  # its rollout is work for the control plane, and not what is measured
QUICK_EDITS = 500
RESYNCS = 2
LONGEST_EDIT_SECONDS = 15.0
Manifest = dict[str, object]


@dataclass(frozen=True)
class Ascent:
    """From nothing to the last child. `settled_seconds` goes on until nothing has anything to do any more."""

    seconds: float
    settled_seconds: float
    writes: int
    cpu_seconds: float
    plane_cpu_seconds: float


@dataclass(frozen=True)
class Cold(Ascent):
    """The operator's ascent, and what only it does."""

    settled_cpu_seconds: float
    status_writes: int
    other_writes: int
    refused: int
    passes: int
    kopf_restarts: int
    kopf_missed: int
    peak_mib: float
    edit_seconds: list[float]


@dataclass(frozen=True)
class Rest:
    """A restart and two resyncs with nothing to do."""

    mutating: list[Call]
    passes: int
    cpu_seconds: float
    start_cpu_seconds: float
    resident_mib: float
    peak_mib: float


@dataclass(frozen=True)
class Burst:
    """Many edits of one resource. `seconds` from the first until the last is taken in."""

    edits: int
    seconds: float
    passes: int


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not below `share` of all; NaN without any."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


async def floor(cluster: Cluster, size: int) -> Ascent:
    """The bare script. The ApiServices are there beforehand: without its owner a child would be collected."""
    await cluster.make_namespaces()
    await cluster.create(resources.services(size))
    file = cluster.folder / "children.jsonl"
    count = _write(file, await resources.live_services(cluster.admin))
    await cluster.quiet()
    cluster.log.read()
    before = cluster.cpu_seconds()
    script = Python("bench.scale.floor", str(file), kubeconfig=cluster.kubeconfig("floor"), log=_log(cluster))
    calls = await _follow(cluster, "floor", count, script)
    plane = cluster.cpu_seconds() - before
    cpu = float(script.output())
    began, ended = _span(_children(calls, "floor", "orders-"))
    await cluster.quiet()
    file.unlink()
    return Ascent(ended - began, time.time() - began, count, cpu, plane)


async def cold(cluster: Cluster, size: int, count: int) -> tuple[Cold, Operator]:
    """The operator starts with `size` new resources, and with a few that are as they should be."""
    await cluster.make_namespaces()
    early = resources.services(EARLY, prefix="early")
    operator = Operator(cluster.kubeconfig("operator"), _log(cluster))
    await cluster.create(early)
    await _ready(cluster, EARLY)
    await cluster.quiet(operator)
    operator.stop()
    await cluster.create(resources.services(size))
    await cluster.quiet()
    cluster.log.read()
    before = cluster.cpu_seconds()
    operator = Operator(cluster.kubeconfig("operator"), _log(cluster))
    calls = await _follow(cluster, "operator", count // 10, operator)
    editing = asyncio.create_task(_edit(cluster, early))
    calls += await _follow(cluster, "operator", count - len(_children(calls, "operator", "orders-")), operator)
    cpu, plane = operator.cpu_seconds(), cluster.cpu_seconds() - before
    await editing
    await _ready(cluster, size + EARLY)
    await cluster.quiet(operator)
    calls += cluster.log.read()
    return _cold(calls, operator, cpu, plane), operator


def _cold(calls: list[Call], operator: Operator, cpu_seconds: float, plane_cpu_seconds: float) -> Cold:
    ours = [call for call in calls if call.user == "operator" and call.mutates]
    written = _children(ours, "operator", "orders-")
    began, ended = _span(written)
    about_new = [call for call in ours if call.name.startswith("orders-")]
    status = [call for call in about_new if call.is_status_write and call.code < 300]
    return Cold(
        seconds=ended - began,
        settled_seconds=max(call.ended_at for call in ours) - began,
        writes=len(written),
        cpu_seconds=cpu_seconds,
        plane_cpu_seconds=plane_cpu_seconds,
        settled_cpu_seconds=operator.cpu_seconds(),
        status_writes=len(status),
        other_writes=len([call for call in about_new if call.code < 300]) - len(written) - len(status),
        refused=len([call for call in ours if call.code >= 300]),
        passes=operator.passes(),
        kopf_restarts=operator.kopf_restarts(),
        kopf_missed=operator.kopf_missed(),
        peak_mib=operator.memory_mib("VmHWM"),
        edit_seconds=latencies(calls),
    )


async def rest(cluster: Cluster, size: int, operator: Operator) -> tuple[Rest, Operator]:
    """Restart, then two resyncs: nothing may be written."""
    operator.stop()
    cluster.log.read()
    everything = size + EARLY
    period = max(10.0, everything / 50)
    operator = Operator(cluster.kubeconfig("operator"), _log(cluster), resync_seconds=period)
    await _until(lambda: _passes(operator) >= everything)
    started = operator.cpu_seconds()
    deadline = time.monotonic() + period * (RESYNCS + 2)
    await _until(lambda: _passes(operator) >= everything * (RESYNCS + 1) or time.monotonic() > deadline)
    calls = [call for call in cluster.log.read() if call.user == "operator" and call.mutates]
    result = Rest(
        mutating=calls,
        passes=operator.passes(),
        cpu_seconds=operator.cpu_seconds() - started,
        start_cpu_seconds=started,
        resident_mib=operator.memory_mib("VmRSS"),
        peak_mib=operator.memory_mib("VmHWM"),
    )
    operator.stop()
    operator = Operator(cluster.kubeconfig("operator"), _log(cluster))
    await _until(lambda: _passes(operator) >= everything)
    return result, operator


async def edits(cluster: Cluster, size: int, operator: Operator) -> list[float]:
    """Seconds from each of many edits, one after the other, to the last write of a child."""
    await cluster.quiet(operator)
    cluster.log.read()
    chosen = resources.services(size)[:: max(1, size // EDITS)][:EDITS]
    await _edit(cluster, chosen)
    await cluster.quiet(operator)
    return latencies(cluster.log.read())


async def burst(cluster: Cluster, operator: Operator) -> Burst:
    """Edit one resource as fast as it goes."""
    await cluster.quiet(operator)
    name = resources.services(1)[0]["metadata"]
    before, began = operator.passes(), time.monotonic()
    for number in range(QUICK_EDITS):
        await _patch(cluster, name, 300_000 + number)
    while True:
        live = await cluster.admin.get(kinds.API_SERVICE, **name)
        if live and live["status"]["observedGeneration"] == live["metadata"]["generation"]:
            break
        await asyncio.sleep(0.02)
    return Burst(QUICK_EDITS, time.monotonic() - began, operator.passes() - before)


def latencies(calls: Sequence[Call]) -> list[float]:
    """For each edit, seconds from its answer to the answer of the last write of a child that followed."""
    found = []
    for edit in (call for call in calls if call.user == "editor"):
        prefix, until = f"{edit.name}-", edit.ended_at + LONGEST_EDIT_SECONDS
        ends = [
            call.ended_at
            for call in _children(calls, "operator", prefix)
            if call.namespace == edit.namespace and edit.ended_at <= call.ended_at <= until
        ]
        found.append(max(ends, default=math.inf) - edit.ended_at)
    return found


async def _edit(cluster: Cluster, chosen: Sequence[resources.Manifest]) -> None:
    """A field that needs no provisioning: the runtime document changes, and both Deployments with it."""
    for number, manifest in enumerate(chosen):
        await _patch(cluster, manifest["metadata"], 200_000 + number)
        await asyncio.sleep(EDIT_EVERY_SECONDS)


async def _patch(cluster: Cluster, metadata: dict[str, str], limit: int) -> None:
    change = {"spec": {"security": {"maxBodyBytes": limit}}}
    await cluster.editor.merge(kinds.API_SERVICE, change, namespace=metadata["namespace"], name=metadata["name"])


async def _ready(cluster: Cluster, count: int) -> None:
    """Wait until so many resources say that they are ready."""
    while True:
        live = await resources.live_services(cluster.admin)
        ready = [
            each
            for each in live
            for condition in each.get("status", {}).get("conditions", ())
            if (condition["type"], condition["status"]) == ("Ready", "True")
        ]
        if len(ready) >= count:
            return
        await asyncio.sleep(max(2.0, count / 250))  # many are much to read


async def _follow(cluster: Cluster, user: str, count: int, process: Python) -> list[Call]:
    """Read the log until `user` has written so many children of the new resources."""
    calls: list[Call] = []
    written = 0
    while written < count:
        ended = process.ended()
        new = cluster.log.read()
        calls += new
        written += len(_children(new, user, "orders-"))
        if ended and written < count:
            raise Failed(f"scale: a process ended too early:\n{process.tail()}")
        await asyncio.sleep(LOOK_SECONDS)
    return calls


async def _until(reached: Callable[[], bool]) -> None:
    while not reached():
        await asyncio.sleep(LOOK_SECONDS)


def _passes(operator: Operator) -> int:
    try:
        return operator.passes()
    except Failed:
        return 0  # it does not listen yet


def _children(calls: Sequence[Call], user: str, prefix: str) -> list[Call]:
    return [call for call in calls if call.user == user and call.is_child_write and call.name.startswith(prefix)]


def _span(calls: Sequence[Call]) -> tuple[float, float]:
    return min(call.began_at for call in calls), max(call.ended_at for call in calls)


def _write(file: Path, live: Sequence[resources.Manifest]) -> int:
    count = 0
    with file.open("wb") as lines:
        for each in live:
            for child in resources.children(each):
                lines.write(orjson.dumps(child) + b"\n")
                count += 1
    return count


def _log(cluster: Cluster) -> Path:
    return cluster.folder / "processes.log"
