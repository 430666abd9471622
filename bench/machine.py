"""This machine: which core serves and which one loads, what the cores did meanwhile, and how a run is identified."""

import importlib.metadata
import os
import platform
import re
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import Failed

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("granian", "uvloop", "starlette")
IDLE, IOWAIT, STEAL = 3, 4, 7  # columns of /proc/stat


@dataclass(frozen=True, slots=True)
class Cores:
    """The server has one core, the load the other."""

    server: int
    load: int


def two_cores() -> Cores:
    """The first two cores that this process may use. Raises Failed when there is only one."""
    if not hasattr(os, "sched_getaffinity"):
        raise Failed("this needs Linux: processes are bound to cores, and their time is read from /proc")
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise Failed(
            "this machine has one core only: server and load would share it, and no figure would mean anything"
        )
    return Cores(allowed[0], allowed[1])


@contextmanager
def bound_to(core: int) -> Iterator[None]:
    """Keep this process on one core for the length of a block; its children start there, too."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Usage:
    """Share of time that each core was busy, and the share of all time that the host took away."""

    busy: Mapping[int, float]
    steal: float


Ticks = Mapping[int, list[int]]


def ticks() -> Ticks:
    """What each core has done since it started, from /proc/stat."""
    rows = re.findall(r"^cpu(\d+) (.*)$", Path("/proc/stat").read_text(), re.MULTILINE)
    return {int(core): [int(value) for value in columns.split()[:8]] for core, columns in rows}


def usage(before: Ticks, after: Ticks) -> Usage:
    """What the cores did between two `ticks`."""
    busy, stolen, total = {}, 0, 0
    for core, old in before.items():
        spent = [new - past for past, new in zip(old, after[core], strict=True)]
        everything = max(1, sum(spent))
        busy[core] = 1 - (spent[IDLE] + spent[IOWAIT]) / everything
        stolen, total = stolen + spent[STEAL], total + everything
    return Usage(busy, stolen / max(1, total))


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, all threads. Raises Failed when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        raise Failed(f"process {pid} has ended") from None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Memory that a process has now. Raises Failed when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        status = ""
    found = re.search(r"VmRSS:\s+(\d+)", status)
    if found is None:
        raise Failed(f"process {pid} has ended")
    return int(found[1]) / 1024


def description(command: str, folder: Path) -> str:
    """What a figure has to be cited with: command, commit, versions, processor, and where the data is."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return "\n".join(
        [
            f"command    {command}",
            f"commit     {_commit()}",
            f"python     {python}; {versions}, SQLite {sqlite3.sqlite_version}",
            f"processor  {_model()}, {os.cpu_count()} cores; Linux {platform.release()}",
            f"data       {_filesystem(folder)}, in {folder.parent}",
        ]
    )


def _commit() -> str:
    try:
        found = _git("describe", "--always", "--abbrev=12", "--exclude=*")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown: no git repository"
    return f"{found} + changes" if changed else found


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _model() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _filesystem(folder: Path) -> str:
    """The type of the file system: on tmpfs a durable commit costs nothing."""
    best, kind = "", "unknown file system"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, type_, *_ = line.split()
        if folder.is_relative_to(place) and len(place) >= len(best):
            best, kind = place, type_
    return f"{kind} (memory: commits cost nothing here)" if kind == "tmpfs" else kind
