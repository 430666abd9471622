"""Containers from the built images, with whatever builds images here: docker and podman run them, buildah in a chroot.

A root file system that is read-only is asked of docker and podman. buildah cannot make one, so what it ran is compared
with what was there before; its containers also have their shells taken away.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SHELLS = ("sh", "bash", "dash")
MADE_BY_BUILDAH = ("/etc/hosts", "/etc/resolv.conf", "/run/.containerenv")
STOP_SECONDS = 60.0


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip()


@dataclass(frozen=True)
class Mount:
    """A file or folder of the host in the container."""

    source: Path
    target: str
    writable: bool = False

    def __str__(self) -> str:
        return f"{self.source}:{self.target}" + ("" if self.writable else ":ro")


@dataclass
class Started:
    """A container that was started. `pid` is its first process on the host, as soon as there is one."""

    process: "subprocess.Popen[str]"
    name: str
    engine: "Engine"

    def wait(self) -> tuple[int, str]:
        """Exit code and output."""
        out, _ = self.process.communicate(timeout=STOP_SECONDS)
        return self.process.returncode, out

    def stop(self) -> tuple[int, str]:
        """SIGTERM to the container's process, then its exit code and output."""
        self.engine.terminate(self)
        return self.wait()


class Engine:
    """One of docker, podman and buildah."""

    def __init__(self, builder: str) -> None:
        self.builder = builder
        self.chroot = builder == "buildah"

    def config(self, image: str) -> dict[str, Any]:
        """The image's own settings: Entrypoint, Cmd, User, Labels."""
        inspect = ("inspect", "--type", "image") if self.chroot else ("image", "inspect")
        found = json.loads(output(self.builder, *inspect, image))
        return dict(found["OCIv1"]["config"] if self.chroot else found[0]["Config"])

    @contextmanager
    def running(
        self, image: str, *arguments: str, mounts: tuple[Mount, ...] = (), environment: Mapping[str, str] | None = None
    ) -> Iterator[Started]:
        """A container of `image` for the length of a block, on the host's network."""
        shared = [option for name, value in (environment or {}).items() for option in ("--env", f"{name}={value}")]
        shared += [option for mount in mounts for option in ("-v", str(mount))]
        contained = (
            self._chroot(image, shared, arguments, mounts) if self.chroot else self._run(image, shared, arguments)
        )
        with contained as started:
            try:
                yield started
            finally:
                if started.process.poll() is None:
                    started.stop()

    @contextmanager
    def _run(self, image: str, shared: list[str], arguments: tuple[str, ...]) -> Iterator[Started]:
        name = f"fairlead-test-{os.getpid()}-{time.monotonic_ns()}"
        command = ["run", "--rm", "--name", name, "--read-only", "--cap-drop", "ALL", "--network", "host"]
        yield Started(self._popen(*command, *shared, image, *arguments), name, self)

    @contextmanager
    def _chroot(
        self, image: str, shared: list[str], arguments: tuple[str, ...], mounts: tuple[Mount, ...]
    ) -> Iterator[Started]:
        name = output("buildah", "from", image)
        try:
            root = Path(output("buildah", "mount", name))
            for shell in SHELLS:
                (root / "usr" / "bin" / shell).unlink(missing_ok=True)
            before = files(root)
            entry = self.config(image)["Entrypoint"]
            yield Started(
                self._popen("run", "--isolation", "chroot", *shared, name, "--", *entry, *arguments), name, self
            )
            changed = {path for path, _ in files(root).items() ^ before.items()}
            own = {*MADE_BY_BUILDAH, *(mount.target for mount in mounts)}
            assert changed <= own, "the container wrote to its root file system"
        finally:
            output("buildah", "rm", name)

    def _popen(self, *command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [self.builder, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def terminate(self, started: Started) -> None:
        if not self.chroot:
            output(self.builder, "kill", "--signal", "TERM", started.name)
            return
        # buildah's own processes come before the one that they started.
        os.kill(descendants(started.process.pid)[-1], signal.SIGTERM)


def descendants(pid: int) -> list[int]:
    """The processes below `pid`, outer ones first."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")  # a child belongs to the thread that started it
    children = [int(child) for thread in threads for child in thread.read_text().split()]
    return children + [each for child in children for each in descendants(child)]


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file in an image."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            state = path.lstat()
            found[f"/{path.relative_to(root)}"] = (state.st_size, state.st_mtime_ns)
    return found
