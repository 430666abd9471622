"""The one way to the API server: typed errors, bounded requests in flight, and no write without the lease.

A child is written by server-side apply only: `apply_new` creates and never merges into what is there (the resource
version "1" is none that an object can have), `apply_known` changes the object of a known uid and no other.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace, TracebackType
from typing import Any, Protocol, TypeVar

import aiohttp
import orjson

from fairlead_contract import names
from fairlead_operator.cluster.credentials import Credentials
from fairlead_operator.cluster.reading import loads
from fairlead_operator.errors import (
    BY_CODE,
    ApiError,
    Conflict,
    Gone,
    NotFound,
    NotLeading,
    Terminating,
    Unauthorized,
    Unreachable,
)
from fairlead_operator.kinds import Kind

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
REQUEST_SECONDS = 30.0
WATCH_SECONDS = 300
# How much later than asked for the server may end a watch; one that still says nothing then is dead.
GRACE_SECONDS = 2.0
CONNECT_SECONDS = 5.0
# The kernel gives a connection up after these, seconds or (the last one) milliseconds, when the other side is gone.
KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 9000}
# Each ApiService has a ConfigMap of 70 KB and more: this many of the largest kind may be in memory at a time.
PAGE_SIZE = 100
RETRIES = 3
MAX_WAIT_SECONDS = 10.0
Manifest = dict[str, Any]
T = TypeVar("T")


class Observer(Protocol):
    """Told of every answer, for the metrics."""

    def __call__(self, method: str, path: str, code: int) -> None: ...


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
        observe: Observer | None = None,
        dry_run: bool = False,
    ) -> None:
        self._credentials = credentials
        self._slots = asyncio.Semaphore(in_flight)
        self._may_write = may_write
        self._observe = observe or _ignore
        self._for_writes = {"dryRun": "All"} if dry_run else {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, socket_factory=_socket),
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
            headers={"User-Agent": "fairlead-operator", "Accept": JSON},
            auto_decompress=True,
            read_bufsize=2**20,
            trace_configs=[self._check_before_sending()],
        )

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def apply_new(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create by apply. Conflict when an object of that name is there, whoever made it."""
        body = _with_metadata(manifest, resourceVersion="1")
        return await self._apply(kind, body, force=False)

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

    async def merge(
        self, kind: Kind, change: Manifest, *, namespace: str, name: str, subresource: str = ""
    ) -> Manifest:
        """A JSON merge patch."""
        path = kind.path(namespace=namespace, name=name, subresource=subresource)
        parameters = {"fieldManager": names.FIELD_MANAGER}
        return await self.request("PATCH", path, body=change, content_type=MERGE, parameters=parameters)

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
        self, kind: Kind, read: Callable[[Manifest], T], *, namespace: str = "", selector: str = "", fields: str = ""
    ) -> tuple[list[T], str]:
        """What `read` makes of every object, and the resource version to watch from.

        Objects come in pages, and no more than one page of them is held at a time. Gone starts anew, once, in one page.
        `selector` is about labels, `fields` a field selector.
        """
        given = {"labelSelector": selector, "fieldSelector": fields, "limit": str(PAGE_SIZE)}
        parameters = {key: value for key, value in given.items() if value}
        path = kind.path(namespace=namespace)
        try:
            return await self._pages(path, parameters, read)
        except Gone:
            del parameters["limit"]
            return await self._pages(path, parameters, read)

    async def _pages(self, path: str, parameters: dict[str, str], read: Callable[[Manifest], T]) -> tuple[list[T], str]:
        items: list[T] = []
        following = ""
        while True:
            more = {"continue": following} if following else {}
            page = await self.request("GET", path, parameters=parameters | more)
            items += map(read, page.get("items") or ())
            following = page["metadata"].get("continue", "")
            if not following:
                return items, page["metadata"]["resourceVersion"]

    async def watch(
        self, kind: Kind, *, since: str, seconds: int = WATCH_SECONDS, namespace: str = "", selector: str = ""
    ) -> AsyncIterator[tuple[str, Manifest]]:
        """Events as (type, object), bookmarks included, until the server ends the watch, which is after `seconds`.

        Raises Gone when `since` is too old, and Unreachable when in all that time nothing came, nor the end.
        """
        parameters = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(seconds),
        } | ({"labelSelector": selector} if selector else {})
        timeout = aiohttp.ClientTimeout(
            total=seconds + GRACE_SECONDS, sock_connect=CONNECT_SECONDS, ceil_threshold=float("inf")
        )
        path = kind.path(namespace=namespace)
        heard = False
        try:
            async with self._open("GET", path, parameters=parameters, data=None, headers={}, timeout=timeout) as answer:
                self._observe("WATCH", path, answer.status)
                await _raise_for(answer, f"WATCH {path}")
                async for line in _lines(answer.content):
                    heard = True
                    yield _event(f"WATCH {path}", line)
        except (aiohttp.ClientError, ConnectionError, ssl.SSLError, orjson.JSONDecodeError) as error:
            raise Unreachable(f"WATCH {path}: {error or type(error).__name__}") from error
        except TimeoutError as error:
            if not heard:
                raise Unreachable(f"WATCH {path}: nothing came within {seconds + GRACE_SECONDS:.0f} s") from error

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Manifest | None = None,
        content_type: str = JSON,
        parameters: dict[str, str] | None = None,
        guarded: bool = True,
    ) -> Manifest:
        """The answer's body. `guarded` writes need the lease, which is checked again before every attempt.

        A 429, and a 503 that asks for it, are tried again after the wait asked for; a 401 once with new credentials.
        """
        data = orjson.dumps(body) if body is not None else None
        asked = (parameters or {}) | ({} if method == "GET" else self._for_writes)
        headers = {"Content-Type": content_type} if data is not None else {}
        for attempt in range(RETRIES + 1):
            try:
                async with self._slots:
                    if guarded and method != "GET":
                        self._may_write()
                    return await self._once(method, path, asked, data, headers, guarded=guarded)
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

    async def _once(
        self,
        method: str,
        path: str,
        parameters: dict[str, str],
        data: bytes | None,
        headers: dict[str, str],
        *,
        guarded: bool,
    ) -> Manifest:
        opened = self._open(method, path, parameters=parameters, data=data, headers=headers, guarded=guarded)
        try:
            async with opened as answer:
                self._observe(method, path, answer.status)
                await _raise_for(answer, f"{method} {path}")
                result: Manifest = loads(await answer.read())
                return result
        except (aiohttp.ClientError, TimeoutError, ConnectionError, ssl.SSLError, orjson.JSONDecodeError) as error:
            if isinstance(error.__cause__, NotLeading):
                raise error.__cause__ from None
            raise Unreachable(f"{method} {path}: {error or type(error).__name__}") from error

    def _open(
        self,
        method: str,
        path: str,
        *,
        parameters: dict[str, str],
        data: bytes | None,
        headers: dict[str, str],
        timeout: aiohttp.ClientTimeout | None = None,
        guarded: bool = False,
    ) -> "aiohttp.client._RequestContextManager":
        connection = self._credentials.current()
        return self._session.request(
            method,
            connection.server + path,
            params=parameters,
            data=data,
            headers=headers | connection.headers,
            ssl=connection.tls,
            timeout=timeout or _limits(method),
            allow_redirects=False,
            trace_request_ctx=guarded,
        )

    def _check_before_sending(self) -> aiohttp.TraceConfig:
        """Ask once more when the body, and the head with it, is about to go.

        Connecting takes time, and the process may have been stopped meanwhile for longer than the lease lasts.
        """

        async def check(
            _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceRequestChunkSentParams
        ) -> None:
            if context.trace_request_ctx:
                self._may_write()

        tracing = aiohttp.TraceConfig()
        tracing.on_request_chunk_sent.append(check)
        return tracing


def _limits(method: str) -> aiohttp.ClientTimeout:
    """A long list may take its time as long as it goes on coming."""
    if method == "GET":
        return aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=REQUEST_SECONDS)
    return aiohttp.ClientTimeout(total=REQUEST_SECONDS)


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that notices when the other side is gone without a word, where the system can be asked for that."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length: one event can be larger than the reader's own limit for a line."""
    pending: list[bytes] = []
    async for chunk in stream.iter_any():
        head, *rest = chunk.split(b"\n")
        pending.append(head)
        for following in rest:
            line = b"".join(pending)
            pending = [following]
            if line:
                yield line


def _event(request: str, line: bytes) -> tuple[str, Manifest]:
    event = loads(line)
    if event["type"] == "ERROR":
        raise _error(request, event["object"].get("code", 500), event["object"], "")
    return event["type"], event["object"]


async def _raise_for(answer: aiohttp.ClientResponse, request: str) -> None:
    if answer.status < 300:
        return
    content = await answer.read()
    try:
        body = loads(content)
    except orjson.JSONDecodeError:
        body = {"message": content[:200].decode(errors="replace")}
    raise _error(request, answer.status, body, answer.headers.get("Retry-After", ""))


def _error(request: str, code: int, body: Manifest, retry_after: str) -> ApiError:
    causes = (body.get("details") or {}).get("causes") or ()
    is_terminating = any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
    kind = Terminating if is_terminating else BY_CODE.get(code, ApiError)
    return kind(
        request,
        code=code,
        reason=str(body.get("reason", "")),
        message=str(body.get("message", "")),
        retry_after_seconds=float(retry_after) if retry_after.isdigit() else 0.0,
    )


def _itself(item: Manifest) -> Manifest:
    return item


def _ignore(method: str, path: str, code: int) -> None:
    """Nobody wants to know."""
    del method, path, code


def _with_metadata(manifest: Manifest, **fields: str) -> Manifest:
    return manifest | {"metadata": manifest["metadata"] | fields}
