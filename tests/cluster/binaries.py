"""The binaries of the control plane, from the build script: built, cached or brought by KUBEBUILDER_ASSETS."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "controlplane" / "build.py"


def binaries(*names: str) -> dict[str, Path]:
    """Name to path; building what is missing shows its progress on standard error."""
    done = subprocess.run([sys.executable, str(SCRIPT), *names], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{SCRIPT.name} {' '.join(names)} exited with {done.returncode}; what to do is above")
    return {name: Path(path) for name, path in json.loads(done.stdout).items()}
