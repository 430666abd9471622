"""The workload as a child process, with what a container has: runtime document, volume, message file."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.integration.process.server import free_ports
from tests.integration.workload.documents import Json, write
from tests.integration.workload.waiting import START_SECONDS, until


@dataclass
class Container:
    """A started workload."""

    process: subprocess.Popen[bytes]
    url: str
    admin_url: str
    log_path: Path
    message_path: Path

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]

    @property
    def message(self) -> str:
        return self.message_path.read_text()

    def wait_ready(self) -> None:
        """Return when its probes answer."""
        until(self._is_ready, "the workload to be ready")

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"ended with {self.process.returncode}: {self.message}\n{self.log_path.read_text()}")
        try:
            return httpx.get(f"{self.admin_url}/ready", timeout=2).is_success
        except httpx.TransportError:
            return False

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(timeout=START_SECONDS)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()


@dataclass
class Folder:
    """Where a test's workloads run: `work` is their working directory, `data` their volume."""

    path: Path
    started: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def data(self) -> Path:
        return self.path / "data"

    def start(self, task: str, document: Json | Path, *arguments: str) -> Container:
        """Start the workload and return at once. `document` may be a file."""
        self.work.mkdir(mode=0o555, exist_ok=True)
        self.data.mkdir(exist_ok=True)
        file = document if isinstance(document, Path) else write(self.path / "runtime.json", document)
        message, log_path = self.path / "termination-log", self.path / f"{task}.log"
        message.write_bytes(b"")  # as the container's runtime does
        port, admin_port = free_ports(2)
        command = [sys.executable, "-P", "-m", "fairlead_workload", task, "--runtime", str(file)]
        command += ["--data-dir", str(self.data), "--host", "127.0.0.1"]
        command += ["--port", str(port), "--admin-port", str(admin_port), *arguments]
        environment = os.environ | {"FAIRLEAD_TERMINATION_LOG": str(message)}
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self.work, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.started.append(process)
        return Container(process, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin_port}", log_path, message)

    def clear(self) -> None:
        """Kill whatever still runs."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
