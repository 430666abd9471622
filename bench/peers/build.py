"""Building the Go service. What is built stays in a cache outside the work tree, under the hash of its sources and of
its lock file, and arrives there by a rename.
"""

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.controlplane.build import BuildError, cache_root, find_go

from bench.errors import Failed

SOURCES = Path(__file__).with_name("go_pgx")


def go_service() -> Path:
    """The program, built unless the cache has it. Raises Failed."""
    program = cache_root().with_name("bench") / f"go_pgx-{_digest()}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
            built = Path(scratch) / "service"
            _go("build", "-trimpath", "-o", str(built), ".")
            built.rename(program)
    return program


def locked_version() -> str:
    """The version of pgx."""
    found = re.search(r"jackc/pgx/v5 (v\S+)", (SOURCES / "go.mod").read_text())
    return found[1] if found else "unknown"


def _digest() -> str:
    digest = hashlib.sha256()
    for file in sorted(SOURCES.iterdir()):
        if file.suffix in (".go", ".mod", ".sum"):
            digest.update(f"{file.name} {file.stat().st_size}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _go(*arguments: str) -> None:
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly",
    }
    try:
        command: Sequence[str] = [*find_go(), *arguments]
    except BuildError as error:
        raise Failed(str(error)) from None
    done = subprocess.run(command, cwd=SOURCES, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"go {' '.join(arguments)} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
