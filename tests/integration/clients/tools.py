"""The programs that make clients, at the versions of the lock files beside this one, kept in ~/.cache/fairlead/clients.

A folder there is named after what its lock file says: another version is another folder, and nothing is fetched twice.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fairlead"
TIMEOUT_SECONDS = 600  # for a slow network


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a program to its good end. Returns what it printed."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def python() -> Path:
    """The interpreter of an environment with openapi-python-client, openapi-generator and what Python clients need."""
    return _kept(HERE / "requirements.txt", _install_python) / "bin" / "python"


def openapi_generator() -> tuple[str, ...]:
    """The command that runs openapi-generator."""
    where = "import importlib.util as u; print(u.find_spec('openapi_generator_cli').submodule_search_locations[0])"
    folder = Path(run(python(), "-c", where, cwd=HERE).strip())
    return ("java", "-jar", str(folder / "openapi-generator.jar"))


def tsc() -> Path:
    """The TypeScript compiler."""
    return _kept(HERE / "package-lock.json", _install_typescript) / "node_modules" / ".bin" / "tsc"


def _kept(lock_file: Path, install: Callable[[Path], None]) -> Path:
    """The folder of what `lock_file` says; made by the first who asks, while others wait."""
    digest = sha256(lock_file.read_bytes()).hexdigest()[:16]
    folder = CACHE / "clients" / f"{lock_file.stem}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = folder / "ready"
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            install(folder)
            ready.touch()
    return folder


def _install_python(folder: Path) -> None:
    uv = next(found for name in ("uv", str(CACHE / "uv" / "bin" / "uv")) if (found := shutil.which(name)))
    run(uv, "venv", "--quiet", "--allow-existing", folder, cwd=HERE)
    command = ("pip", "sync", "--quiet", "--require-hashes", "--python", folder, HERE / "requirements.txt")
    run(uv, *command, cwd=HERE)


def _install_typescript(folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    run("npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
