"""Processes of a measurement: started with a kubeconfig of their own, looked at through /proc, ended by their id."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench import metrics, processes
from bench.errors import Failed
from bench.machine import cpu_seconds
from bench.scale.resources import IMAGE

END_SECONDS = 30.0
# kopf takes these with it when they are there: tests need them, the image does not have them.
AS_IN_THE_IMAGE = """
import runpy, sys
sys.modules.update(kubernetes=None, pykube=None)
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


class Python:
    """A module that runs in a process of its own until it ends or is stopped."""

    def __init__(
        self, module: str, *arguments: str, kubeconfig: Path, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        given = {**os.environ, "KUBECONFIG": str(kubeconfig), **(environment or {})}
        self.log = log
        with log.open("ab") as errors:
            command = [sys.executable, "-c", AS_IN_THE_IMAGE, module, *arguments]
            self._process = processes.spawn(command, stdout=subprocess.PIPE, stderr=errors, env=given)

    @property
    def pid(self) -> int:
        return self._process.pid

    def ended(self) -> bool:
        """Whether it is over."""
        return self._process.poll() is not None

    def output(self) -> str:
        """What it printed; it has to be over."""
        text, _ = self._process.communicate(timeout=END_SECONDS)
        if self._process.returncode:
            raise Failed(f"scale: a process exited with {self._process.returncode}:\n{self.tail()}")
        return text.decode()

    def tail(self) -> str:
        """The end of the log that it shares with others."""
        return processes.tail(self.log.read_text(errors="replace"))

    def cpu_seconds(self) -> float:
        """Processor time so far, start included."""
        return cpu_seconds(self.pid)

    def memory_mib(self, field: str) -> float:
        """`VmRSS` (now) or `VmHWM` (the most so far)."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith(f"{field}:"))) / 1024

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=END_SECONDS)


class Operator(Python):
    """The operator as users run it."""

    def __init__(self, kubeconfig: Path, log: Path, *, resync_seconds: float = 36_000.0) -> None:
        self._port = processes.free_port()
        environment = {
            "FAIRLEAD_IMAGE": IMAGE,
            "FAIRLEAD_HOST": "127.0.0.1",
            "FAIRLEAD_PORT": str(self._port),
            "FAIRLEAD_RESYNC_SECONDS": str(resync_seconds),
        }
        super().__init__("fairlead_operator", kubeconfig=kubeconfig, log=log, environment=environment)

    def passes(self) -> int:
        """How often it reconciled."""
        return self._counted("controller_runtime_reconcile_total")

    def kopf_restarts(self) -> int:
        """How often it restarted kopf."""
        return self._counted("fairlead_operator_kopf_restarts_total")

    def kopf_missed(self) -> int:
        """How many objects it fetched because kopf had not shown them."""
        return self._counted("fairlead_operator_kopf_missed_events_total")

    def _counted(self, name: str) -> int:
        return int(metrics.sums(f"http://127.0.0.1:{self._port}").get(name, 0))
