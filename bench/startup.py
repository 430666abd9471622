"""How long `fairlead run` takes to its first 200, and the memory it holds when idle."""

import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx

from bench import load

RUNS = 5
IDLE_SECONDS = 2.0


def report(folder: Path) -> None:
    """Start the products example a few times and print medians. Bytecode is compiled by the first, uncounted run."""
    folder.mkdir(parents=True)
    results = [_start(folder / str(run)) for run in range(RUNS + 1)][1:]
    seconds, cpu_seconds, mebibytes = (statistics.median(column) for column in zip(*results, strict=True))
    print(f"{'start to first 200':<34} {seconds:5.2f} s (goal 1.50), of processor time {cpu_seconds:.2f} s")
    print(f"{'idle memory':<34} {mebibytes:5.0f} MiB (goal 100)", flush=True)


def _start(data_dir: Path) -> tuple[float, float, float]:
    port, admin_port = load.free_port(), load.free_port()
    command = [sys.executable, "-m", "fairlead_cli", "run", "-f", "examples/products.yaml", "--log-format", "json"]
    command += ["--port", str(port), "--admin-port", str(admin_port), "--data-dir", str(data_dir)]
    begun = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _answers(port):
            if child.poll() is not None:
                raise SystemExit(f"bench: the server exited with {child.returncode}")
            time.sleep(0.005)
        seconds, cpu_seconds = time.perf_counter() - begun, load.cpu_seconds(child.pid)
        time.sleep(IDLE_SECONDS)
        status = Path(f"/proc/{child.pid}/status").read_text()
        return seconds, cpu_seconds, int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
    finally:
        child.kill()
        child.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=1).status_code == 200
    except httpx.TransportError:
        return False
