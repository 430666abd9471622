"""Kubeconfig files: written for each identity of a test, read for the connection of a client.

Everything is embedded, so that one file is all a process under test needs.
"""

import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .certificates import Pair


def encode(data: bytes) -> str:
    """Bytes as the `...-data` fields want them."""
    return base64.b64encode(data).decode()


def document(*, cluster: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    """A kubeconfig with one cluster, one user and one context."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }


def write(path: Path, *, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    """Write a kubeconfig that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document(cluster=cluster, user=user), sort_keys=False))
    return path


def client_certificate(pair: Pair) -> dict[str, Any]:
    """The user entry for a client certificate."""
    return {"client-certificate-data": encode(pair.public), "client-key-data": encode(pair.private)}


@dataclass(frozen=True)
class Connection:
    """What the current context of a kubeconfig says, with the files it names read into it."""

    cluster: dict[str, Any]
    user: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Connection":
        """Read the current context; a user that needs an `exec` plugin is refused."""
        config = yaml.safe_load(path.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _embedded(_named(config["clusters"], context["cluster"])["cluster"], path.parent)
        user = _embedded(_named(config["users"], context["user"])["user"], path.parent)
        if "exec" in user or "auth-provider" in user:
            raise ValueError(f"{path}: use a kubeconfig with a client certificate or a token, not with an exec plugin")
        return cls(cluster, user)

    def ssl_context(self) -> ssl.SSLContext:
        """Trust the cluster's authority alone, and show the user's certificate."""
        authority = self.cluster.get("certificate-authority-data")
        context = ssl.create_default_context(cadata=base64.b64decode(authority).decode() if authority else None)
        if "client-certificate-data" in self.user:
            with tempfile.NamedTemporaryFile() as chain:
                chain.write(base64.b64decode(self.user["client-certificate-data"]))
                chain.write(b"\n" + base64.b64decode(self.user["client-key-data"]))
                chain.flush()
                context.load_cert_chain(chain.name)
        return context

    def headers(self) -> list[tuple[str, str]]:
        """The user's token and whom it impersonates."""
        token = [("Authorization", f"Bearer {self.user['token']}")] if "token" in self.user else []
        user = [("Impersonate-User", self.user["as"])] if "as" in self.user else []
        return [*token, *user, *(("Impersonate-Group", group) for group in self.user.get("as-groups", ()))]


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _embedded(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    files = {key for key in ("certificate-authority", "client-certificate", "client-key") if key in entry}
    kept = {key: value for key, value in entry.items() if key not in files}
    return kept | {f"{key}-data": encode((folder / entry[key]).read_bytes()) for key in files}
