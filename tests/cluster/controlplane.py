"""A real Kubernetes control plane in child processes: etcd, kube-apiserver and kube-controller-manager.

It has no node and no scheduler: Deployments get their ReplicaSets and Jobs their pods, but what a kubelet would report
is for the tests to write. Everything listens on loopback and lives below one scratch folder. The controller manager is
started after the custom resource definitions, because its garbage collector looks for new kinds every 30 s only.
"""

import contextlib
import ctypes
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import httpx

from . import kubeconfig
from .certificates import Authority, signing_keys
from .client import APPLY, ApiError, Client

LOOPBACK = "127.0.0.1"
READY_SECONDS = 60.0
START_ATTEMPTS = 3
LOG_TAIL_LINES = 25
LOG_NOISE = "grpc: addrConn.createTransport"  # the API server closes one connection to etcd for each kind it learns
ADMINS = ("system:masters",)
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "deployment-controller",
    "disruption-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "replicaset-controller",
    "resourcequota-controller",
    "serviceaccount-controller",
    "ttl-after-finished-controller",
    "validatingadmissionpolicy-status-controller",
)


class StartError(Exception):
    """A component exited or did not become ready; the text ends with the tails of the logs."""


class Cluster(Protocol):
    """What a test needs of a cluster, whoever started it."""

    def kubeconfig(self, user: str, *, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig with which the server takes the caller for `user` in `groups`."""

    def log_tails(self) -> str:
        """The last lines of every component's log; empty when they cannot be had."""


@dataclass(frozen=True)
class ForeignCluster:
    """A cluster that somebody else runs: other identities are reached by impersonation."""

    admin: Path
    scratch: Path

    def kubeconfig(self, user: str, *, groups: Sequence[str] = ()) -> Path:
        if tuple(groups) == ADMINS:
            return self.admin
        connection = kubeconfig.Connection.read(self.admin)
        identity = connection.user | {"as": user, "as-groups": list(groups)}
        return kubeconfig.write(_path(self.scratch, user, groups), cluster=connection.cluster, user=identity)

    def log_tails(self) -> str:
        return ""


@dataclass
class ControlPlane:
    """The running components. `stop` ends them, and on Linux so does the end of this process, however it comes."""

    scratch: Path
    url: str = ""
    more_flags: Mapping[str, object] = field(default_factory=dict)
    _authority: Authority = field(default_factory=lambda: Authority("tests"))
    _children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @classmethod
    def start(
        cls,
        scratch: Path,
        binaries: Mapping[str, Path],
        *,
        definitions: Sequence[Path] = (),
        controllers: Sequence[str] = CONTROLLERS,
        apiserver_flags: Mapping[str, object] = MappingProxyType({}),
    ) -> "ControlPlane":
        """Start everything and return when the API server is ready and `definitions` (CRD files) are established.

        `apiserver_flags` are flags of the API server beside its usual ones.
        """
        plane = cls(scratch, more_flags=apiserver_flags)
        try:
            plane._start_servers(binaries)
            with Client(plane.kubeconfig("admin", groups=ADMINS)) as client:
                install_definitions(client, definitions)
            plane._start_controllers(binaries["kube-controller-manager"], controllers)
        except BaseException as error:
            tails = plane.log_tails()
            plane.stop()
            if isinstance(error, StartError):
                raise StartError(f"{error}\n{tails}") from error
            raise
        return plane

    def kubeconfig(self, user: str, *, groups: Sequence[str] = ()) -> Path:
        cluster = {"server": self.url, "certificate-authority-data": kubeconfig.encode(self._authority.certificate)}
        identity = kubeconfig.client_certificate(self._authority.issue(user, organizations=groups))
        return kubeconfig.write(_path(self.scratch, user, groups), cluster=cluster, user=identity)

    def log_tails(self) -> str:
        tails = []
        for log in sorted(self.scratch.glob("*.log")):
            lines = [line for line in log.read_text(errors="replace").splitlines() if LOG_NOISE not in line]
            tails.append("\n".join([f"--- {log.name}", *lines[-LOG_TAIL_LINES:]]))
        return "\n".join(tails)

    def pids(self) -> dict[str, int]:
        """The process of each component."""
        return {name: process.pid for name, process in self._children.items()}

    def stop(self) -> None:
        """End exactly the children, and drop the data; the logs stay. Nothing in it is worth a graceful end."""
        for process in reversed(self._children.values()):
            process.kill()
        for process in self._children.values():
            process.wait()
        self._children.clear()
        shutil.rmtree(self.scratch / "etcd", ignore_errors=True)

    def _start_servers(self, binaries: Mapping[str, Path]) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            etcd_port, peer_port, secure_port = free_ports(3)
            self.url = f"https://{LOOPBACK}:{secure_port}"
            self._spawn("etcd", binaries["etcd"], _etcd_flags(self.scratch / "etcd", etcd_port, peer_port))
            flags = self._apiserver_flags(etcd_port, secure_port)
            self._spawn("kube-apiserver", binaries["kube-apiserver"], flags)
            try:
                self._wait_ready()
                return
            except StartError:
                # Between the choice of a port and its use another process may have taken it.
                if attempt == START_ATTEMPTS or "address already in use" not in self.log_tails():
                    raise
                self.stop()

    def _start_controllers(self, binary: Path, controllers: Sequence[str]) -> None:
        config = self.kubeconfig("system:kube-controller-manager")
        flags = {
            "kubeconfig": config,
            "controllers": ",".join(controllers),
            "use-service-account-credentials": "true",
            "service-account-private-key-file": self.scratch / "service-accounts.key",
            "leader-elect": "false",
            "secure-port": "0",
            "kube-api-qps": "500",
            "kube-api-burst": "1000",
            "concurrent-gc-syncs": "20",
            "concurrent-namespace-syncs": "20",
        }
        self._spawn("kube-controller-manager", binary, flags)

    def _apiserver_flags(self, etcd_port: int, secure_port: int) -> dict[str, object]:
        certificate, key = self._authority.issue("kube-apiserver", addresses=[LOOPBACK, "localhost"]).write(
            self.scratch, "kube-apiserver"
        )
        tokens, token_key = signing_keys().write(self.scratch, "service-accounts")
        authority = self.scratch / "authority.crt"
        authority.write_bytes(self._authority.certificate)
        return {
            "etcd-servers": f"http://{LOOPBACK}:{etcd_port}",
            "bind-address": LOOPBACK,
            "secure-port": secure_port,
            "tls-cert-file": certificate,
            "tls-private-key-file": key,
            "client-ca-file": authority,
            "authorization-mode": "RBAC",
            "enable-admission-plugins": "ResourceQuota,ValidatingAdmissionPolicy",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": tokens,
            "service-account-signing-key-file": token_key,
            "service-cluster-ip-range": "10.96.0.0/16",
            "endpoint-reconciler-type": "none",
            **self.more_flags,
        }

    def _spawn(self, name: str, binary: Path, flags: Mapping[str, object]) -> None:
        with (self.scratch / f"{name}.log").open("wb") as log:
            self._children[name] = subprocess.Popen(
                [binary, *(f"--{flag}={value}" for flag, value in flags.items())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.scratch,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    def _wait_ready(self) -> None:
        connection = kubeconfig.Connection.read(self.kubeconfig("admin", groups=ADMINS))
        deadline = time.monotonic() + READY_SECONDS
        with httpx.Client(verify=connection.ssl_context(), trust_env=False, timeout=5) as http:
            while time.monotonic() < deadline:
                for name, process in self._children.items():
                    if process.poll() is not None:
                        raise StartError(f"{name} exited with {process.returncode}")
                with contextlib.suppress(httpx.TransportError):
                    if http.get(f"{self.url}/readyz").status_code == 200:
                        return
                time.sleep(0.05)
        raise StartError(f"the API server was not ready after {READY_SECONDS:.0f} s")


def install_definitions(client: Client, files: Sequence[Path]) -> None:
    """Apply custom resource definitions and wait until each is served. Each file is named GROUP_PLURAL.yaml.

    The text goes to the server as it is: PyYAML cannot read the plain `=` of some enumerations, and takes long.
    """
    waiting = {definition_path(file) for file in files}
    for file in files:
        parameters = {"fieldManager": "tests", "force": "true", "fieldValidation": "Strict"}
        client.request("PATCH", definition_path(file), body=file.read_bytes(), content_type=APPLY, **parameters)
    deadline = time.monotonic() + READY_SECONDS
    while waiting := {path for path in waiting if not _is_served(client, path)}:
        if time.monotonic() > deadline:
            raise StartError(f"not served after {READY_SECONDS:.0f} s: {', '.join(sorted(waiting))}")
        time.sleep(0.1)


def definition_path(file: Path) -> str:
    """The path of a custom resource definition on the server, after its file's name GROUP_PLURAL.yaml."""
    group, _, plural = file.stem.partition("_")
    return f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{group}"


def _is_served(client: Client, path: str) -> bool:
    live = client.request("GET", path)
    conditions = live["status"]["conditions"] or ()
    if ("Established", "True") not in {(condition["type"], condition["status"]) for condition in conditions}:
        return False
    group, plural = live["spec"]["group"], live["spec"]["names"]["plural"]
    try:
        for version in live["spec"]["versions"]:
            if version["served"]:
                client.request("GET", f"/apis/{group}/{version['name']}/{plural}", limit="1")
    except ApiError as error:
        # The handler of a new kind answers a moment after the condition.
        if error.code in {404, 503}:
            return False
        raise
    return True


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody listens on at this moment."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind((LOOPBACK, 0))
        return [int(listener.getsockname()[1]) for listener in listeners]


def _etcd_flags(data: Path, port: int, peer_port: int) -> dict[str, object]:
    client_url, peer_url = f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{peer_port}"
    return {
        "data-dir": data,
        "listen-client-urls": client_url,
        "advertise-client-urls": client_url,
        "listen-peer-urls": peer_url,
        "initial-advertise-peer-urls": peer_url,
        "initial-cluster": f"default={peer_url}",
        "unsafe-no-fsync": "true",
        "quota-backend-bytes": 4 * 2**30,
    }


def _path(scratch: Path, user: str, groups: Sequence[str]) -> Path:
    folder = scratch / "kubeconfigs"
    folder.mkdir(exist_ok=True)
    return folder / ("+".join([user, *groups]).replace(":", "-").replace("/", "-") + ".yaml")


def _die_with_parent() -> None:
    # A test run that is killed cannot clean up; the kernel then does it for the children.
    death_signal_option = 1
    ctypes.CDLL(None).prctl(death_signal_option, signal.SIGKILL)
