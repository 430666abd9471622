"""The one way to the API server: typed errors, bounded requests in flight, and no write without the lease.

A child is written by server-side apply only: `apply_new` creates and never merges into what is there (the resource
version "1" is none that an object can have), `apply_known` changes the object of a known uid and no other.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import TypeVar

import orjson

from fairlead_contract import names
from fairlead_operator.errors import ApiError, Conflict, Gone, Invalid, NotFound, Unauthorized, Unreachable
from fairlead_operator.kube.api_errors import error_of
from fairlead_operator.kube.credentials import Credentials
from fairlead_operator.kube.decoding import loads
from fairlead_operator.kube.kinds import Kind
from fairlead_operator.kube.transport import JSON, AnswerObserver, Transport
from fairlead_operator.manifests import Manifest

__all__ = ["AnswerObserver", "Client", "Manifest"]
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
# What is asked for where the metadata of objects are enough.
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
WATCH_SECONDS = 300
# Each ApiService has a ConfigMap of 70 KB and more: this many of the largest kind may be in memory at a time.
PAGE_SIZE = 100
RETRIES = 3
MAX_WAIT_SECONDS = 10.0
T = TypeVar("T")
Event = tuple[str, Manifest]


class Client:
    """Close it, or use it as a context. `may_write` raises NotLeading when a write must not be sent now.

    With `dry_run`, the server checks every write and answers it, and keeps nothing.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        in_flight: int = 32,
        may_write: Callable[[], None] = lambda: None,
        observe: AnswerObserver | None = None,
        dry_run: bool = False,
    ) -> None:
        self._credentials = credentials
        self._slots = asyncio.Semaphore(in_flight)
        self._may_write = may_write
        self._transport = Transport(credentials, may_write=may_write, observe=observe)
        self._for_writes = {"dryRun": "All"} if dry_run else {}

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    async def apply_new(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create by apply. Conflict when an object of that name is there, whoever made it."""
        body = _with_metadata(manifest, resourceVersion="1")
        return await self._apply(kind, body, force=False)

    async def create_or_get(self, kind: Kind, manifest: Manifest) -> tuple[Manifest | None, bool]:
        """The new object, and True; else the object that has its name, or None if it is gone by now, and False."""
        metadata = manifest["metadata"]
        try:
            return await self.apply_new(kind, manifest), True
        except Conflict:
            return await self.get(kind, namespace=metadata["namespace"], name=metadata["name"]), False

    async def apply_known(self, kind: Kind, manifest: Manifest, *, uid: str) -> Manifest:
        """Apply to the object of that uid. Conflict or Invalid when another object has the name by now."""
        return await self._apply(kind, _with_metadata(manifest, uid=uid), force=True)

    async def _apply(self, kind: Kind, body: Manifest, *, force: bool) -> Manifest:
        path = kind.path(namespace=body["metadata"].get("namespace", ""), name=body["metadata"]["name"])
        parameters = {"fieldManager": names.FIELD_MANAGER, "force": str(force).lower()}
        return await self.request("PATCH", path, body=body, content_type=APPLY, parameters=parameters)

    async def get(self, kind: Kind, *, namespace: str = "", name: str) -> Manifest | None:
        """The live object, or None."""
        try:
            return await self.request("GET", kind.path(namespace=namespace, name=name))
        except NotFound:
            return None

    async def delete(self, kind: Kind, *, namespace: str, name: str, uid: str) -> None:
        """Delete the object of that uid in the background; one that is gone or another one by now is left."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self.request("DELETE", kind.path(namespace=namespace, name=name), body=body)
        except NotFound:
            return
        except Conflict:
            live = await self.get(kind, namespace=namespace, name=name)
            if live is not None and live["metadata"]["uid"] == uid:
                raise

    async def merge(self, kind: Kind, change: Manifest, *, namespace: str, name: str) -> Manifest:
        """A JSON merge patch."""
        path = kind.path(namespace=namespace, name=name)
        parameters = {"fieldManager": names.FIELD_MANAGER}
        return await self.request("PATCH", path, body=change, content_type=MERGE, parameters=parameters)

    async def replace_status(
        self, kind: Kind, status: Manifest, *, namespace: str, name: str, uid: str, version: int | None = None
    ) -> Manifest | None:
        """Give the object of that uid this whole status; None when it is gone, or another has its name by now.

        With a `version`, Invalid when it is another one by now. The API server takes any uid beside a status, so the
        patch itself has to look at it.
        """
        path = kind.path(namespace=namespace, name=name, subresource="status")
        parameters = {"fieldManager": names.FIELD_MANAGER}
        patch: list[Manifest] = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        if version is not None:
            patch.insert(0, {"op": "test", "path": "/metadata/resourceVersion", "value": str(version)})
        try:
            return await self.request("PATCH", path, body=patch, content_type=JSON_PATCH, parameters=parameters)
        except NotFound:
            return None
        except Invalid:
            live = await self.get(kind, namespace=namespace, name=name)
            if live is not None and live["metadata"]["uid"] == uid:
                raise
            return None

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """A plain create, for Events and Leases."""
        path = kind.path(namespace=manifest["metadata"]["namespace"])
        return await self.request("POST", path, body=manifest, parameters={"fieldManager": names.FIELD_MANAGER})

    async def list_all(
        self, kind: Kind, *, namespace: str = "", selector: str = "", fields: str = ""
    ) -> tuple[list[Manifest], str]:
        """Every object, and the resource version to watch from: see `read_all`."""
        return await self.read_all(kind, _itself, namespace=namespace, selector=selector, fields=fields)

    async def read_all(
        self,
        kind: Kind,
        read: Callable[[Manifest], T],
        *,
        namespace: str = "",
        selector: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> tuple[list[T], str]:
        """What `read` makes of every object, and the resource version to watch from.

        Objects come in pages, and no more than one page of them is held at a time. Gone starts anew, once, in one page.
        `selector` is about labels, `fields` a field selector.
        """
        options = {"labelSelector": selector, "fieldSelector": fields, "limit": str(PAGE_SIZE)}
        parameters = {key: value for key, value in options.items() if value}
        path, accept = kind.path(namespace=namespace), METADATA_LIST if metadata_only else JSON
        try:
            return await self._pages(path, parameters, read, accept)
        except Gone:
            del parameters["limit"]
            return await self._pages(path, parameters, read, accept)

    async def _pages(
        self, path: str, parameters: dict[str, str], read: Callable[[Manifest], T], accept: str
    ) -> tuple[list[T], str]:
        items: list[T] = []
        continue_token = ""
        while True:
            more = {"continue": continue_token} if continue_token else {}
            page = await self.request("GET", path, parameters=parameters | more, accept=accept)
            items += map(read, page.get("items") or ())
            continue_token = page["metadata"].get("continue", "")
            if not continue_token:
                return items, page["metadata"]["resourceVersion"]

    async def watch(
        self,
        kind: Kind,
        *,
        since: str,
        seconds: int = WATCH_SECONDS,
        quiet_seconds: float | None = None,
        gather_seconds: float = 0.0,
        namespace: str = "",
        selector: str = "",
        metadata_only: bool = False,
        known: Callable[[bytes], Event | None] | None = None,
        ended: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[Event]:
        """Events as (type, object), bookmarks included, until the server ends the watch, which is after `seconds`.

        It ends earlier when nothing came for `quiet_seconds`; `ended` is called when it was the server that ended it.
        With `gather_seconds`, what comes within them is read at once, which takes less of the processor.
        `known` may read the text of an event itself; where it gives None, it is parsed. Raises Gone when `since` is too
        old, and Unreachable when in all `seconds` nothing came, nor the end.
        """
        parameters = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(seconds),
        } | ({"labelSelector": selector} if selector else {})
        path = kind.path(namespace=namespace)
        async for line in self._transport.lines(
            path,
            parameters=parameters,
            accept=METADATA if metadata_only else JSON,
            seconds=seconds,
            quiet_seconds=quiet_seconds,
            gather_seconds=gather_seconds,
            ended=ended,
        ):
            yield (known(line) if known else None) or _event(f"WATCH {path}", line)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Manifest | list[Manifest] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        parameters: dict[str, str] | None = None,
        guarded: bool = True,
    ) -> Manifest:
        """The answer's body. `guarded` writes need the lease, which is checked again before every attempt.

        A 429, and a 503 that asks for it, are tried again after the wait asked for; a 401 once with new credentials.
        """
        data = orjson.dumps(body) if body is not None else None
        query = (parameters or {}) | ({} if method == "GET" else self._for_writes)
        headers = {"Accept": accept} | ({"Content-Type": content_type} if data is not None else {})
        for attempt in range(RETRIES + 1):
            try:
                async with self._slots:
                    if guarded and method != "GET":
                        self._may_write()
                    return await self._transport.send(
                        method, path, parameters=query, data=data, headers=headers, guarded=guarded
                    )
            except Unauthorized:
                if attempt:
                    raise
                self._credentials.refresh()
            except ApiError as error:
                wait = error.retry_after_seconds
                if attempt == RETRIES or not wait or error.code not in {429, 503} or wait > MAX_WAIT_SECONDS:
                    raise
                await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")


def _event(request: str, line: bytes) -> Event:
    try:
        event = loads(line)
    except orjson.JSONDecodeError as error:
        raise Unreachable(f"{request}: {error}") from error
    if event["type"] == "ERROR":
        raise error_of(request, event["object"].get("code", 500), event["object"], "")
    return event["type"], event["object"]


def _itself(item: Manifest) -> Manifest:
    return item


def _with_metadata(manifest: Manifest, **fields: str) -> Manifest:
    return manifest | {"metadata": manifest["metadata"] | fields}
