"""Which cluster a command speaks to, and as whom: a kubeconfig, read as kubectl reads it.

Decided here: `--kubeconfig`, else the files of KUBECONFIG, else `~/.kube/config`, else the ServiceAccount of the pod we
are in; the first file that has an entry wins. Certificates, tokens, basic authentication and `exec` plugins are
understood. Nothing of a credential is ever in a message.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kopf
import yaml

EXEC_SECONDS = 60
Entry = dict[str, Any]
Entries = dict[tuple[str, str], Entry]


class Unusable(Exception):
    """There is no usable kubeconfig; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the cluster. `namespace` is the context's, or empty."""

    info: kopf.ConnectionInfo
    namespace: str


def access(
    path: str | None = None, context: str | None = None, *, environment: Mapping[str, str] = os.environ
) -> Access:
    """The access that `context` (default: the current one) gives. Raises Unusable."""
    current, entries = _merged(_paths(path, environment))
    if not entries and context is None:
        inside = kopf.login_with_service_account(settings=kopf.OperatorSettings())
        if inside is not None:
            return Access(inside, inside.default_namespace or "")
        raise Unusable("no kubeconfig; set KUBECONFIG, or give --kubeconfig FILE")
    named = context or current
    if not named:
        raise Unusable("the kubeconfig has no current context; give --context NAME")
    chosen = _entry(entries, "context", named)
    cluster = _entry(entries, "cluster", chosen.get("cluster", ""))
    user = _entry(entries, "user", chosen["user"]) if chosen.get("user") else {}
    return Access(_connection(cluster, _credentials(user, cluster, environment)), chosen.get("namespace", ""))


def _paths(given: str | None, environment: Mapping[str, str]) -> list[Path]:
    if given:
        if not Path(given).is_file():
            raise Unusable(f"{given} cannot be read; check --kubeconfig")
        return [Path(given)]
    named = [Path(part).expanduser() for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part.strip()]
    return [each for each in named or [Path("~/.kube/config").expanduser()] if each.is_file()]


def _merged(paths: list[Path]) -> tuple[str, Entries]:
    """The current context, and entries by kind and name. Paths in them become absolute."""
    current, entries = "", Entries()
    for path in paths:
        content = _read(path)
        current = current or content.get("current-context") or ""
        for kind in ("context", "cluster", "user"):
            for item in content.get(f"{kind}s") or ():
                entries.setdefault((kind, item["name"]), _absolute(item.get(kind) or {}, path.parent))
    return current, entries


def _read(path: Path) -> Entry:
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Unusable(f"{path} cannot be read: {type(error).__name__}; check that it is a kubeconfig") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise Unusable(f"{path} is no kubeconfig; check the path")
    return content


def _absolute(entry: Entry, folder: Path) -> Entry:
    files = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
    return entry | {name: str(folder / entry[name]) for name in files if entry.get(name)}


def _entry(entries: Entries, kind: str, name: str) -> Entry:
    if (kind, name) not in entries:
        known = ", ".join(sorted(key[1] for key in entries if key[0] == kind)) or "none"
        raise Unusable(f"the kubeconfig has no {kind} {name}; there are: {known}")
    return entries[kind, name]


def _credentials(user: Entry, cluster: Entry, environment: Mapping[str, str]) -> Entry:
    if user.get("exec"):
        return user | _executed(user["exec"], cluster, environment)
    if user.get("auth-provider"):
        raise Unusable("the kubeconfig uses an auth-provider, which Kubernetes has dropped; use an exec plugin")
    if user.get("tokenFile"):
        try:
            return user | {"token": Path(user["tokenFile"]).read_text().strip()}
        except OSError as error:
            raise Unusable(f"{user['tokenFile']} cannot be read: {error.strerror}; log in again") from None
    return user


def _executed(plugin: Entry, cluster: Entry, environment: Mapping[str, str]) -> Entry:
    """What an exec plugin gives, in the words of a kubeconfig's user."""
    command = str(plugin.get("command", ""))
    given = {each["name"]: each["value"] for each in plugin.get("env") or ()}
    spec: Entry = {"interactive": sys.stdin.isatty() and plugin.get("interactiveMode") != "Never"}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = {key: cluster[key] for key in ("server", "certificate-authority-data") if cluster.get(key)}
    asked = {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential", "spec": spec}
    try:
        done = subprocess.run(  # noqa: S603  # the kubeconfig is the user's own, and says so
            [command, *(plugin.get("args") or ())],
            env={**environment, **given, "KUBERNETES_EXEC_INFO": json.dumps(asked)},
            stdout=subprocess.PIPE,
            timeout=EXEC_SECONDS,
            check=True,
        )
        status = json.loads(done.stdout)["status"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        hint = " ".join(
            str(plugin.get("installHint") or "check that it is installed and that you are logged in").split()
        )
        raise Unusable(f"the exec plugin {command} gave no credentials ({type(error).__name__}); {hint}") from None
    words = {
        "token": "token",
        "client-certificate-data": "clientCertificateData",
        "client-key-data": "clientKeyData",
    }
    return {ours: status[theirs] for ours, theirs in words.items() if status.get(theirs)}


def _connection(cluster: Entry, user: Entry) -> kopf.ConnectionInfo:
    if not cluster.get("server"):
        raise Unusable("the kubeconfig's cluster has no server; check it")

    info = kopf.ConnectionInfo(
        server=cluster["server"],
        insecure=cluster.get("insecure-skip-tls-verify"),
        username=user.get("username"),
        password=user.get("password"),
        token=user.get("token"),
        **_file(cluster, "certificate-authority", "ca"),
        **_file(user, "client-certificate", "certificate"),
        **_file(user, "client-key", "private_key"),
    )
    try:
        info.as_ssl_context()
    except (OSError, ValueError) as error:
        raise Unusable(f"a certificate or key of the kubeconfig cannot be used: {error}; log in again") from None
    return info


def _file(entry: Entry, name: str, field: str) -> Entry:
    """Content wins over a path, as with kubectl."""
    if entry.get(f"{name}-data"):
        return {f"{field}_data": entry[f"{name}-data"]}
    return {f"{field}_path": entry[name]} if entry.get(name) else {}
