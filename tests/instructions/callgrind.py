"""Running the driver below callgrind, and reading how many instructions each of its windows took.

Decided here: the child's surroundings are the same everywhere (an environment of a few variables that whoever runs it
does not change, because the length of each moves what lies in memory), and only the windows are counted: valgrind gets
the command to begin by its own pipe, when all is warm.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
DRIVER = "tests.instructions.driver"
LIMIT_SECONDS = 900  # many times what it takes on a loaded machine
_SUMMARY = re.compile(r"^summary: (\d+)$", re.MULTILINE)
_OPTIONS = ("--tool=callgrind", "--command-line-only=yes", "--instr-atstart=no", "--dump-before=getloadavg", "--quiet")
_SOURCES = ("crds", "workloads", "operator", "cli", "tests/instructions")
_PATH = "/usr/local/bin:/usr/bin:/bin"
_INHERITED = ("LD_LIBRARY_PATH",)  # some interpreters find their own library by it


class NoValgrind(Exception):
    """Valgrind is not installed."""


class Failed(Exception):
    """The driver did not come to its end."""


@dataclass(frozen=True, slots=True)
class Count:
    """What a window took."""

    name: str
    instructions: int


def measure(layout: int = 0) -> list[Count]:
    """The windows of one run in one of many layouts of memory, in order. Raises NoValgrind and Failed."""
    _find("vgdb")
    with tempfile.TemporaryDirectory(prefix="fairlead-") as name:
        folder = Path(name)
        _compile()
        marks = _counted(folder, layout)
        return [Count(mark, _sum(folder / f"out.{n}")) for n, mark in enumerate(marks, 1) if mark]


def _find(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise NoValgrind
    return found


def _compile() -> None:
    """Compile our modules: a process that has to do it before it imports them has its memory laid out otherwise."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", *_SOURCES], cwd=ROOT, check=True)


def _counted(folder: Path, layout: int) -> list[str]:
    """Run the driver; the names of its marks, in the order of the dumps."""
    pipe = f"--vgdb-prefix={folder}/vgdb"
    options = (*_OPTIONS, f"--callgrind-out-file={folder}/out", pipe)
    program = (sys.executable, "-m", DRIVER, f"{folder}/data", str(layout))
    errors = folder / "errors"
    with errors.open("w") as file, _start([*options, *program], file) as child:
        try:
            assert child.stdout is not None
            if child.stdout.readline() == "ready\n":
                _begin_to_count(child.pid, pipe)
            marks, _ = child.communicate("go\n", timeout=LIMIT_SECONDS)
        finally:
            child.kill()
    if child.returncode:
        raise Failed(f"the driver ended with {child.returncode}:\n{errors.read_text()}")
    return marks.splitlines()


def _start(arguments: Sequence[str], errors: IO[str]) -> subprocess.Popen[str]:
    environment = {"LC_ALL": "C.UTF-8", "PATH": _PATH, "PYTHONHASHSEED": "0"}
    environment |= {name: os.environ[name] for name in _INHERITED if name in os.environ}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [_find("valgrind"), *arguments], cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=errors, text=True
    )


def _begin_to_count(pid: int, pipe: str) -> None:
    # 0: never by ptrace, which some containers forbid. The driver runs now and then, so it need not be interrupted.
    command = ["vgdb", f"--pid={pid}", pipe, "--max-invoke-ms=0", "instrumentation", "on"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_SECONDS)
    if done.returncode:
        raise Failed(f"vgdb could not begin to count: {done.stderr}")


def _sum(dump: Path) -> int:
    found = _SUMMARY.search(dump.read_text())
    if found is None:
        raise Failed(f"{dump.name} holds no sum")
    return int(found[1])
