"""Credentials that a kubeconfig's `exec` plugin gives: it is run as kubectl runs it.

A plugin that may ask people gets the terminal only where there is one. Nothing that it gives is ever in a message.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead_operator.kube.kubeconfig import PluginFailed

SECONDS = 60
VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
INTERACTIVE = ("Never", "IfAvailable", "Always")
CONFIG_EXTENSION = "client.authentication.k8s.io/exec"
GIVEN = {"token": "token", "client-certificate-data": "clientCertificateData", "client-key-data": "clientKeyData"}
Entry = dict[str, Any]


def credentials(plugin: Entry, cluster: Entry, environment: Mapping[str, str]) -> Entry:
    """What the plugin gives, by the fields of a kubeconfig's user. Raises PluginFailed."""
    command = str(plugin.get("command") or "")
    is_interactive = _interactive(plugin)
    if not command:
        raise PluginFailed("exec has no command; give it")
    spec: Entry = {"interactive": is_interactive}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = _cluster_info(cluster)
    request = {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": spec}
    try:
        variables = {str(each["name"]): str(each["value"]) for each in plugin.get("env") or ()}
        done = subprocess.run(  # noqa: S603  # the kubeconfig is the user's own, and says so
            [command, *map(str, plugin.get("args") or ())],
            env={**environment, **variables, "KUBERNETES_EXEC_INFO": json.dumps(request)},
            stdin=None if is_interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=SECONDS,
            check=True,
        )
        status = json.loads(done.stdout)["status"]
        user = {ours: str(status[theirs]) for ours, theirs in GIVEN.items() if status.get(theirs)}
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PluginFailed(_failure(plugin, command, type(error).__name__)) from None
    if not user:
        raise PluginFailed(_failure(plugin, command, "neither a token nor a certificate"))
    return user


def _interactive(plugin: Entry) -> bool:
    """Whether it may ask who sits at the terminal."""
    if plugin.get("apiVersion") not in VERSIONS:
        raise PluginFailed(f"exec.apiVersion has to be {' or '.join(VERSIONS)}; correct it, or upgrade the plugin")
    mode = plugin.get("interactiveMode") or "IfAvailable"
    if mode not in INTERACTIVE:
        raise PluginFailed(f"exec.interactiveMode has to be one of {', '.join(INTERACTIVE)}; correct it")
    has_terminal = sys.stdin.isatty()
    if mode == "Always" and not has_terminal:
        raise PluginFailed("its exec plugin wants a terminal, and there is none; log in another way")
    return has_terminal and mode != "Never"


def _cluster_info(cluster: Entry) -> Entry:
    """What the plugin learns of the cluster. The authority comes by content, as it may not see our files."""
    fields = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url", "disable-compression")
    info = {field: cluster[field] for field in (*fields, "certificate-authority-data") if cluster.get(field)}
    file = cluster.get("certificate-authority")
    if file and "certificate-authority-data" not in info:
        try:
            info["certificate-authority-data"] = base64.b64encode(Path(file).read_bytes()).decode()
        except OSError as error:
            raise PluginFailed(f"{file} cannot be read: {error.strerror}; log in again") from None
    for extension in cluster.get("extensions") or ():
        if isinstance(extension, dict) and extension.get("name") == CONFIG_EXTENSION:
            info["config"] = extension.get("extension")
    return info


def _failure(plugin: Entry, command: str, cause: str) -> str:
    hint = str(plugin.get("installHint") or "check that it is installed and that you are logged in")
    return f"the exec plugin {command} gave no credentials ({cause}); {' '.join(hint.split())}"
