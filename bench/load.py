"""Load from a second core: wrk against loopback, for a bounded time, and what both cores did meanwhile."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SECONDS = 4
CONNECTIONS = 64
SERVER_CORE, LOAD_CORE = "0", "1"


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a run. `errors` counts answers that were not 2xx or 3xx; the processor's time is the server's."""

    rate: float  # requests per second
    p99_ms: float
    errors: int
    cpu_us: float  # per request


def require_wrk() -> None:
    """Stop with the way out when wrk is not there."""
    if shutil.which("wrk") is None:
        raise SystemExit("bench: wrk is not installed; install it with the package manager (apt-get install wrk)")


def request_script(*, method: str, headers: dict[str, str], body: str) -> str:
    """A wrk script for requests other than a plain GET."""
    lines = [f'wrk.method = "{method}"', f"wrk.body = [==[{body}]==]"]
    lines += [f'wrk.headers["{name}"] = [==[{value}]==]' for name, value in headers.items()]
    return "\n".join(lines)


def free_port() -> int:
    """A port of the loopback interface that nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(url: str, pid: int, *, script: str | None = None) -> Load:
    """Run wrk on the load core against the server `pid`."""
    before = cpu_seconds(pid)
    with tempfile.TemporaryDirectory() as folder:
        command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", "--latency"]
        if script is not None:
            path = Path(folder) / "request.lua"
            path.write_text(script)
            command += ["-s", str(path)]
        output = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    rate = _rate(output)
    return Load(rate, _p99(output), _errors(output), (cpu_seconds(pid) - before) / (rate * SECONDS) * 1e6)


def _rate(output: str) -> float:
    return float(_found(r"Requests/sec:\s+([0-9.]+)", output))


def _p99(output: str) -> float:
    value, unit = re.search(r"99%\s+([0-9.]+)(us|ms|s)", output).groups()  # type: ignore[union-attr]
    return float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def _errors(output: str) -> int:
    statuses = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    return (int(statuses[1]) if statuses else 0) + (sum(map(int, sockets.groups())) if sockets else 0)


def _found(pattern: str, output: str) -> str:
    match = re.search(pattern, output)
    if match is None:
        raise SystemExit(f"bench: wrk printed no result:\n{output}")
    return match[1]


@dataclass(frozen=True, slots=True)
class Cores:
    """Share of time that each core was busy, and the share stolen by the host, between two looks."""

    busy: tuple[float, ...]
    steal: float


def cpu_times() -> list[list[int]]:
    """Ticks per core from /proc/stat."""
    lines = Path("/proc/stat").read_text().splitlines()
    return [[int(value) for value in line.split()[1:9]] for line in lines if re.match(r"cpu\d", line)]


def cores(before: list[list[int]], after: list[list[int]]) -> Cores:
    """What the cores did between two `cpu_times`."""
    busy, stolen, total = [], 0, 0
    for old, new in zip(before, after, strict=True):
        spent = [b - a for a, b in zip(old, new, strict=True)]
        everything = max(1, sum(spent))
        busy.append(1 - (spent[3] + spent[4]) / everything)
        stolen, total = stolen + spent[7], total + everything
    return Cores(tuple(busy), stolen / max(1, total))
