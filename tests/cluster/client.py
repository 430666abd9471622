"""A small synchronous client of the Kubernetes API, independent of the one under test.

It keeps every warning the server sends: a manifest that draws one is not as an expert would write it.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from .kubeconfig import Connection

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
# Several threads share a client, and the pool may close a connection as idle that it has just given to another of them.
KEPT = httpx.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=None)
WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
Manifest = dict[str, Any]


class ApiError(Exception):
    """The server refused; `code` is the HTTP status, `message` and `reason` are the server's."""

    def __init__(self, request: str, code: int, body: Manifest) -> None:
        self.code = code
        self.message = str(body.get("message", ""))
        self.reason = str(body.get("reason", ""))
        self.fields = [cause.get("field", "") for cause in (body.get("details") or {}).get("causes") or ()]
        self.causes = [cause.get("message", "") for cause in (body.get("details") or {}).get("causes") or ()]
        super().__init__(f"{request}: {code} {self.reason}: {self.message}")


class Client:
    """Reads and writes any kind; the path of a kind comes from the server's discovery."""

    def __init__(self, kubeconfig: Path, *, timeout_seconds: float = 60.0) -> None:
        self.connection = connection = Connection.read(kubeconfig)
        self._http = httpx.Client(
            base_url=connection.cluster["server"],
            verify=connection.ssl_context(),
            headers=connection.headers(),
            timeout=timeout_seconds,
            limits=KEPT,
            trust_env=False,
        )
        self._resources: dict[tuple[str, str], Manifest] = {}
        self.warnings: list[str] = []

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Manifest | bytes | None = None,
        content_type: str = JSON,
        **parameters: str,
    ) -> httpx.Response:
        """The answer as it is, whatever its status. Bytes are sent as they are."""
        headers = {"Content-Type": content_type} if body is not None else {}
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return self._http.request(method, path, params=parameters, content=content, headers=headers)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Manifest | bytes | None = None,
        content_type: str = JSON,
        **parameters: str,
    ) -> Manifest:
        """The answer's body; an ApiError for a status of 400 or more. Bytes are sent as they are."""
        answer = self.send(method, path, body=body, content_type=content_type, **parameters)
        self.warnings += [text for value in answer.headers.get_list("warning") for text in WARNING.findall(value)]
        is_json = JSON in answer.headers.get("content-type", "")
        result: Manifest = answer.json() if is_json else {"message": answer.text}
        if answer.status_code >= 400:
            raise ApiError(f"{method} {path}", answer.status_code, result)
        return result

    def path(self, api_version: str, kind: str, *, namespace: str | None = None, name: str | None = None) -> str:
        """The path of a collection, or of one object when it has a name."""
        resource = self._resource(api_version, kind)
        parts = [_root(api_version)]
        if resource["namespaced"] and namespace:
            parts += ["namespaces", namespace]
        return "/".join([*parts, resource["name"], *([name] if name else [])])

    def _resource(self, api_version: str, kind: str) -> Manifest:
        if (api_version, kind) not in self._resources:
            for found in self.request("GET", _root(api_version))["resources"]:
                if "/" not in found["name"]:
                    self._resources[api_version, found["kind"]] = found
        return self._resources[api_version, kind]

    def _path_of(self, manifest: Manifest, *, named: bool) -> str:
        metadata = manifest["metadata"]
        name = metadata["name"] if named else None
        return self.path(manifest["apiVersion"], manifest["kind"], namespace=metadata.get("namespace"), name=name)

    def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create, with unknown and duplicate fields refused."""
        parameters = {"fieldValidation": "Strict"} | _dry_run(dry_run)
        return self.request("POST", self._path_of(manifest, named=False), body=manifest, **parameters)

    def replace(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Replace, with unknown and duplicate fields refused."""
        parameters = {"fieldValidation": "Strict"} | _dry_run(dry_run)
        return self.request("PUT", self._path_of(manifest, named=True), body=manifest, **parameters)

    def apply(self, manifest: Manifest, *, manager: str = "tests", dry_run: bool = False) -> Manifest:
        """Server-side apply, taking over what another manager holds."""
        parameters = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"} | _dry_run(dry_run)
        path = self._path_of(manifest, named=True)
        return self.request("PATCH", path, body=manifest, content_type=APPLY, **parameters)

    def merge(self, manifest: Manifest, change: Manifest, *, subresource: str = "") -> Manifest:
        """A JSON merge patch of the object that `manifest` names."""
        path = self._path_of(manifest, named=True) + (f"/{subresource}" if subresource else "")
        return self.request("PATCH", path, body=change, content_type=MERGE)

    def get(self, manifest: Manifest) -> Manifest | None:
        """The live object that `manifest` names, or None."""
        try:
            return self.request("GET", self._path_of(manifest, named=True))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(self, api_version: str, kind: str, *, namespace: str | None = None, **parameters: str) -> list[Manifest]:
        """Every object of a kind; `labelSelector` and such as keywords."""
        path = self.path(api_version, kind, namespace=namespace)
        items = self.request("GET", path, body=None, content_type=JSON, **parameters)["items"]
        return [{"apiVersion": api_version, "kind": kind} | item for item in items]

    def watch(self, path: str, **parameters: str) -> Iterator[Manifest]:
        """The objects of a watch's events, until the server ends it."""
        with self._http.stream("GET", path, params={"watch": "true"} | parameters) as answer:
            for line in answer.iter_lines():
                yield json.loads(line)["object"]

    def delete(self, manifest: Manifest, *, propagation: str = "Background") -> None:
        """Delete the object that `manifest` names; one that is gone already is fine."""
        try:
            self.request("DELETE", self._path_of(manifest, named=True), propagationPolicy=propagation)
        except ApiError as error:
            if error.code != 404:
                raise


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _dry_run(wanted: bool) -> dict[str, str]:
    return {"dryRun": "All"} if wanted else {}
