"""One run of the load generator: wrk on the load core, for a bounded time, against a server on the other core."""

import secrets
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import machine, processes
from bench.api import wrk
from bench.errors import Failed
from bench.machine import Cores

CONNECTIONS = 64
TIMEOUT_SECONDS = 2
EXTRA_SECONDS = 30  # wrk is killed when it takes so much longer than it was to run


@dataclass(frozen=True, slots=True)
class Load:
    """What a run came to. The processor's time is the server's, until it had nothing left to do."""

    rate: float  # answers per second
    p99_ms: float
    cpu_us: float  # per answer
    server_busy: float  # of the server's core, share of the run; `server_own` is what the server itself had of it
    server_own: float
    load_busy: float
    steal: float


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load. `settle` returns when nothing that was asked of it is left to do; raises Failed."""

    name: str
    url: str
    process: processes.Background
    settle: Callable[[], None]


def measure(
    target: Target,
    requests: Sequence[wrk.Request],
    *,
    expects: int,
    seconds: int,
    cores: Cores,
    timeout_seconds: int = TIMEOUT_SECONDS,
) -> Load:
    """Send `requests` in turn for so many seconds. Raises Failed at any error; its text says which, and where."""
    try:
        target.process.require_running()
        script = wrk.script(requests, expects=expects, run=secrets.token_hex(8))
        cpu, ticks = machine.cpu_seconds(target.process.pid), machine.ticks()
        result = _run(target, script, seconds=seconds, timeout_seconds=timeout_seconds, cores=cores)
        usage, under_load = machine.usage(ticks, machine.ticks()), machine.cpu_seconds(target.process.pid) - cpu
        if (fault := wrk.fault(result, expects=expects)) is not None:
            raise Failed(fault)
        target.settle()
        spent = machine.cpu_seconds(target.process.pid) - cpu
    except Failed as failure:
        raise Failed(f"{target.name}, {_named(requests)}: {failure}\n{target.process.state()}") from None
    return Load(
        rate=result.answers / (result.microseconds / 1e6),
        p99_ms=result.p99_microseconds / 1000,
        cpu_us=spent / result.answers * 1e6,
        server_busy=usage.busy[cores.server],
        server_own=under_load / (result.microseconds / 1e6),
        load_busy=usage.busy[cores.load],
        steal=usage.steal,
    )


def _run(target: Target, script: str, *, seconds: int, timeout_seconds: int, cores: Cores) -> wrk.Result:
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "--timeout", f"{timeout_seconds}s"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = processes.on_core(cores.load, ["wrk", *options, "-s", file.name, target.url])
        out, err = processes.run(command, timeout_seconds=seconds + EXTRA_SECONDS)
        return wrk.parse(out + err)


def _named(requests: Sequence[wrk.Request]) -> str:
    first = f"{requests[0].method} {requests[0].path}"
    return first if len(requests) == 1 else f"{first} and {len(requests) - 1} more in turn"
