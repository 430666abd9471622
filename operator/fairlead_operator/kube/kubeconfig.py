"""Which cluster a process speaks to, and as whom: a kubeconfig, read as kubectl reads it.

`--kubeconfig`, else the files of KUBECONFIG, else `~/.kube/config`, else the ServiceAccount of the pod we are in; the
first file that has an entry wins. Every field of a file and of the chosen entries is honoured, or refused by name: to
ask somewhere else, or as somebody else, is worse than not to ask. Nothing of a credential is ever in a message.
"""

import base64
import binascii
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import kopf
import yaml

Entry = dict[str, Any]
Entries = dict[tuple[str, str], Entry]

KINDS = ("context", "cluster", "user")
FIELDS: dict[str, dict[str, type]] = {
    "file": {
        "apiVersion": str,
        "kind": str,
        "current-context": str,
        "preferences": dict,
        "extensions": list,
        **{f"{kind}s": list for kind in KINDS},
    },
    "context": {"cluster": str, "user": str, "namespace": str, "extensions": list},
    "cluster": {
        "server": str,
        "tls-server-name": str,
        "insecure-skip-tls-verify": bool,
        "certificate-authority": str,
        "certificate-authority-data": str,
        "proxy-url": str,
        "disable-compression": bool,
        "extensions": list,
    },
    "user": {
        "client-certificate": str,
        "client-certificate-data": str,
        "client-key": str,
        "client-key-data": str,
        "token": str,
        "tokenFile": str,
        "as": str,
        "as-uid": str,
        "as-groups": list,
        "as-user-extra": dict,
        "username": str,
        "password": str,
        "exec": dict,
        "extensions": list,
    },
    "exec": {
        "command": str,
        "args": list,
        "env": list,
        "apiVersion": str,
        "installHint": str,
        "provideClusterInfo": bool,
        "interactiveMode": str,
    },
    "variable": {"name": str, "value": str},
}
"""What is understood of a file and its entries. Extensions are other programs' business, but for that of a plugin."""

KUBECONFIG = ("v1", "Config")
TYPES = {str: "text", bool: "true or false", list: "a list", dict: "a map"}
HEADER_KEY = "!#$&'*+^`|"


class PluginFailed(Exception):
    """An `exec` plugin gave no credentials; the text says why, and what to do."""


class Unusable(Exception):
    """There is no usable kubeconfig; the text says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Login(kopf.ConnectionInfo):
    """A connection with what kopf's have no place for. `extra_headers` go with every request."""

    server_name: str | None = None
    extra_headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the cluster. `namespace` is the context's, or empty."""

    info: kopf.ConnectionInfo
    namespace: str


RunPlugin = Callable[[Entry, Entry, Mapping[str, str]], Entry]
"""Runs an `exec` plugin of a user, for a cluster, with an environment; what it gives. Raises PluginFailed."""


def _run_none(plugin: Entry, cluster: Entry, environment: Mapping[str, str]) -> Entry:
    del plugin, cluster, environment
    raise PluginFailed("its user has an exec plugin, and no other program is run here; use a token or a certificate")


def access(
    path: str | None = None,
    context: str | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    run_plugin: RunPlugin = _run_none,
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
    cluster = _entry(entries, "cluster", chosen.get("cluster") or "")
    user = _entry(entries, "user", chosen["user"]) if chosen.get("user") else {}
    _consistent(cluster, user)
    return Access(_login(cluster, _credentials(user, cluster, environment, run_plugin)), chosen.get("namespace") or "")


def _paths(option: str | None, environment: Mapping[str, str]) -> list[Path]:
    if option:
        if not Path(option).is_file():
            raise Unusable(f"{option} cannot be read; check --kubeconfig")
        return [Path(option)]
    named = [Path(part).expanduser() for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part.strip()]
    return [each for each in named or [Path("~/.kube/config").expanduser()] if each.is_file()]


def _merged(paths: list[Path]) -> tuple[str, Entries]:
    """The current context, and the items of lists by kind and name. Paths in their entries become absolute."""
    current, entries = "", Entries()
    for path in paths:
        content = _read(path)
        current = current or content.get("current-context") or ""
        entries = {**_items(content, path), **entries}
    return current, entries


def _items(content: Entry, path: Path) -> Entries:
    entries = Entries()
    for kind in KINDS:
        for item in content.get(f"{kind}s") or ():
            name = item.get("name") if isinstance(item, dict) else None
            if not isinstance(name, str) or not isinstance(item.get(kind) or {}, dict):
                raise Unusable(f"{path} has a {kind} that is not a name and a map; correct it")
            if (kind, name) in entries:
                raise Unusable(f"{path} has two {kind}s of the name {name}; take one of them out")
            entries[kind, name] = item | {kind: _absolute(item.get(kind) or {}, path.parent)}
    return entries


def _read(path: Path) -> Entry:
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Unusable(f"{path} cannot be read: {type(error).__name__}; check that it is a kubeconfig") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or (content.get("apiVersion", "v1"), content.get("kind", "Config")) != KUBECONFIG:
        raise Unusable(f"{path} is no kubeconfig; check the path")
    _understood(content, "file", str(path))
    return content


def _absolute(entry: Entry, folder: Path) -> Entry:
    files = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
    resolved = entry | {
        name: str(folder / entry[name]) for name in files if isinstance(entry.get(name), str) and entry[name]
    }
    plugin = resolved.get("exec")
    return resolved | {"exec": _beside(plugin, folder)} if isinstance(plugin, dict) else resolved


def _beside(plugin: Entry, folder: Path) -> Entry:
    """The plugin with its command as a path when it is one: a relative one is beside the kubeconfig."""
    command = str(plugin.get("command") or "")
    return plugin | {"command": str(folder / command)} if os.sep in command else plugin


def _entry(entries: Entries, kind: str, name: str) -> Entry:
    if (kind, name) not in entries:
        known = ", ".join(sorted(key[1] for key in entries if key[0] == kind)) or "none"
        raise Unusable(f"the kubeconfig has no {kind} {name}; there are: {known}")
    item, place = entries[kind, name], f"the kubeconfig's {kind} {name}"
    entry: Entry = item[kind]
    for field in item:
        if field not in ("name", kind):
            raise Unusable(f"{place} has {field} beside `{kind}`; move it below `{kind}`, or leave it out")
    if entry.get("auth-provider"):
        raise Unusable("the kubeconfig uses an auth-provider, which Kubernetes has dropped; use an exec plugin")
    _understood(entry, kind, place)
    if plugin := entry.get("exec"):
        _understood(plugin, "exec", f"exec of {place}")
        for variable in plugin.get("env") or ():
            if not isinstance(variable, dict):
                raise Unusable(f"env of exec of {place} is not a list of names and values; correct it")
            _understood(variable, "variable", f"env of exec of {place}")
    return entry


def _understood(entry: Entry, kind: str, place: str) -> None:
    for field, value in entry.items():
        if value is None:
            continue
        if field not in FIELDS[kind]:
            raise Unusable(f"{place} has {field}, which is not understood here; use another context, or leave it out")
        if not isinstance(value, FIELDS[kind][field]):
            raise Unusable(f"{field} of {place} is not {TYPES[FIELDS[kind][field]]}; correct it")
        if field.endswith("-data") and not _is_base64(str(value)):
            raise Unusable(f"{field} of {place} is not base64; correct it, or log in again")


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode("".join(text.splitlines()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _consistent(cluster: Entry, user: Entry) -> None:
    """Refuse what kubectl refuses, and credentials that would silently not be used."""
    for is_faulty, message in (
        (not cluster.get("server"), "cluster has no server; check it"),
        (
            cluster.get("insecure-skip-tls-verify") and _file(cluster, "certificate-authority", "ca"),
            "cluster has both insecure-skip-tls-verify and a certificate-authority; leave one of them out",
        ),
        (
            (user.get("token") or user.get("tokenFile")) and (user.get("username") or user.get("password")),
            "user has both a token and a username; leave one of them out",
        ),
        (
            bool(user.get("username")) != bool(user.get("password")),
            "user has only one of username and password; give both, or none",
        ),
        (
            bool(_file(user, "client-certificate", "file")) != bool(_file(user, "client-key", "file")),
            "user has only one of client-certificate and client-key; give both, or none",
        ),
        (
            not user.get("as") and any(user.get(field) for field in ("as-uid", "as-groups", "as-user-extra")),
            "user has as-uid, as-groups or as-user-extra, but no `as`; give the user that they are of",
        ),
    ):
        if is_faulty:
            raise Unusable(f"the kubeconfig's {message}")


def _credentials(user: Entry, cluster: Entry, environment: Mapping[str, str], run_plugin: RunPlugin) -> Entry:
    """The user with what its file or plugin gives. A token or a password of its own goes before a plugin."""
    if user.get("tokenFile"):
        try:
            return user | {"token": Path(user["tokenFile"]).read_text().strip()}
        except OSError as error:
            raise Unusable(f"{user['tokenFile']} cannot be read: {error.strerror}; log in again") from None
    if not user.get("exec") or user.get("token") or user.get("username"):
        return user
    try:
        return user | run_plugin(user["exec"], cluster, environment)
    except PluginFailed as error:
        raise Unusable(f"the kubeconfig cannot be used: {error}") from None


def _login(cluster: Entry, user: Entry) -> Login:
    authority = _file(cluster, "certificate-authority", "ca")
    certificate = _file(user, "client-certificate", "certificate")
    insecure = cluster.get("insecure-skip-tls-verify")
    scheme = "https" if authority or certificate or insecure else "http"
    if not str(user.get("token") or "").isprintable():
        raise Unusable("the token of the kubeconfig's user is not printable text; log in again")
    server = cluster["server"] if "://" in cluster["server"] else f"{scheme}://{cluster['server']}"
    info = Login(
        server=server,
        server_name=cluster.get("tls-server-name") or None,
        proxy_url=_proxy(cluster),
        extra_headers=tuple(_headers(cluster, user)),
        insecure=insecure,
        username=user.get("username"),
        password=user.get("password"),
        token=user.get("token"),
        **authority,
        **certificate,
        **_file(user, "client-key", "private_key"),
    )
    try:
        info.as_ssl_context()
    except (OSError, ValueError) as error:
        raise Unusable(f"a certificate or key of the kubeconfig cannot be used: {error}; log in again") from None
    return info


def _proxy(cluster: Entry) -> str | None:
    url = cluster.get("proxy-url")
    if url and urlsplit(url).scheme != "http":
        raise Unusable("the kubeconfig's proxy-url is not understood here; use one that begins with http://")
    return url or None


def _headers(cluster: Entry, user: Entry) -> Iterator[tuple[str, str]]:
    """What goes with every request: whom the user acts as, and that answers are to come uncompressed."""
    if cluster.get("disable-compression"):
        yield "Accept-Encoding", "identity"
    headers = [("Impersonate-User", user.get("as")), ("Impersonate-Uid", user.get("as-uid"))]
    headers += [("Impersonate-Group", group) for group in user.get("as-groups") or ()]
    for key, values in (user.get("as-user-extra") or {}).items():
        if not isinstance(values, list):
            raise Unusable("as-user-extra of the kubeconfig's user is not a map of lists; correct it")
        headers += [(f"Impersonate-Extra-{quote(str(key), safe=HEADER_KEY)}", value) for value in values]
    for name, value in headers:
        if value is None:
            continue
        if not isinstance(value, str) or not value.isprintable():
            raise Unusable("whom the kubeconfig's user acts as is not printable text throughout; correct it")
        yield name, value


def _file(entry: Entry, name: str, field: str) -> Entry:
    """Content wins over a path, as with kubectl."""
    if entry.get(f"{name}-data"):
        return {f"{field}_data": entry[f"{name}-data"]}
    return {f"{field}_path": entry[name]} if entry.get(name) else {}
