"""kopf before an API server by script, with our handlers and our session: the faults are the server's."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import kopf
import orjson
from aiohttp import web

from fairlead_operator.cache.records import CachedResource, Name
from fairlead_operator.cache.store import Store
from fairlead_operator.front.front import Front
from fairlead_operator.front.intake import Intake
from fairlead_operator.kube import kinds
from fairlead_operator.kube.credentials import Credentials
from fairlead_operator.kube.kinds import Kind
from fairlead_operator.kube.pacing import Pacing

from ..server import fault, listening, page

WAIT_SECONDS = 20.0
PACKAGE = str(Path(kopf.__file__).parent)
ROOT = kinds.API_SERVICE.root
SERVICES, CLASSES = kinds.API_SERVICE.path(), kinds.API_SERVICE_CLASS.path()
Watch = Callable[[web.Request], Awaitable[web.StreamResponse]]


def live(name: str, version: int, **more: Any) -> dict[str, Any]:
    """An ApiService."""
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-of-{name}", "resourceVersion": str(version)}
    return {"apiVersion": kinds.API_SERVICE.api_version, "kind": "ApiService", "metadata": metadata, **more}


def event(what: str, item: dict[str, Any]) -> bytes:
    """A line of a watch."""
    return orjson.dumps({"type": what, "object": item}) + b"\n"


def bookmark(version: int) -> bytes:
    """The line that says there is no news until this version."""
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


def error(code: int) -> bytes:
    """The line that ends a watch with an error."""
    return event("ERROR", {"kind": "Status", "code": code, "message": "said so", "metadata": {}})


def nested(levels: int) -> str:
    """JSON of so many objects within each other."""
    return '{"a":' * levels + "1" + "}" * levels


class Script:
    """Lists are `items`; each watch takes the next of `watches`, and when there are none left it stays open."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.version = 10
        self.served: tuple[Kind, ...] = (kinds.API_SERVICE, kinds.API_SERVICE_CLASS)
        self.watches: list[bytes] = []
        self.endless: bytes | None = None
        self.answers: dict[str, web.Response | list[web.Response]] = {}
        self.requests: list[tuple[float, str, dict[str, str], str]] = []
        self.open: list[web.StreamResponse] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Whatever is asked."""
        query = dict(request.query)
        self.requests.append((time.monotonic(), request.path, query, request.headers.get("Authorization", "")))
        scripted = self.answers.get(request.path)
        if scripted:
            return scripted.pop(0)
        if request.path in {"/api", "/api/v1", "/apis", ROOT}:
            return web.json_response(self._discovery(request.path))
        if "watch" not in query:
            return self._list(request.path, query)
        return await self._watch(request)

    def asked(self, path: str, *, watch: bool = False) -> int:
        """How often it was listed, or watched."""
        return len([each for _, asked, each, _ in self.requests if asked == path and ("watch" in each) is watch])

    async def send(self, line: bytes) -> None:
        """Send it in every watch of ApiServices that is open."""
        for each in self.open:
            with suppress(ConnectionError):
                await each.write(line)

    def _list(self, path: str, query: dict[str, str]) -> web.Response:
        del query
        return page(*(self.items if path == SERVICES else ()), version=self.version)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        made = web.StreamResponse()
        await made.prepare(request)
        if request.path == SERVICES and (self.watches or self.endless is not None):
            await made.write(self.watches.pop(0) if self.watches else self.endless or b"")
            return made
        if request.path == SERVICES:
            self.open.append(made)
        await asyncio.sleep(float(request.query["timeoutSeconds"]))
        return made

    def _discovery(self, path: str) -> dict[str, Any]:
        group, version = kinds.API_SERVICE.group, kinds.API_SERVICE.version
        ours = {"name": group, "versions": [{"version": version}], "preferredVersion": {"version": version}}
        namespaces = {"name": "namespaces", "singularName": "namespace", "kind": "Namespace", "namespaced": False}
        definitions = {"name": "customresourcedefinitions", "singularName": "", "kind": "CustomResourceDefinition"}
        return {
            "/api": {"versions": ["v1"]},
            "/api/v1": {"resources": [namespaces | {"verbs": ["list", "watch"]}]},
            "/apis": {"groups": [ours] if self.served else []},
            ROOT: {
                "resources": [
                    {
                        "name": kind.plural,
                        "singularName": kind.name.lower(),
                        "kind": kind.name,
                        "namespaced": kind.namespaced,
                        "verbs": ["list", "watch", "get", "patch"],
                    }
                    for kind in self.served
                ]
            },
            "definitions": definitions,
        }[path]


class Playing:
    """A front that runs, and what it brought: (name, version) in order, None for gone. Pauses are short."""

    def __init__(self, script: Script, url: str) -> None:
        self.script = script
        self.brought: list[tuple[str, int | None]] = []
        self.restarts: list[str] = []
        self.pauses: list[float] = []
        self.codes: Counter[tuple[str, str, int]] = Counter()
        self.tokens = ["first"]
        clock = asyncio.get_running_loop().time
        self.services = Store[CachedResource](self._changed)
        self.intakes = Intake(kinds.API_SERVICE, self.services, clock=clock)
        self.credentials = Credentials(lambda: kopf.ConnectionInfo(server=url, token=self.tokens[0]), clock=clock)
        self.front = Front(
            self.credentials,
            [self.intakes, Intake(kinds.API_SERVICE_CLASS, Store[CachedResource](), clock=clock)],
            namespace="",
            pacing=Pacing(clock=clock),
            observe=self._observe,
            restarted=self.restarts.append,
            clock=clock,
            sleep=self._sleep,
        )

    def version(self, name: str) -> int | None:
        """Which version of an ApiService is known."""
        record = self.services.get(("shop", name))
        return record.version if record else None

    def _changed(self, name: Name, _: CachedResource | None, after: CachedResource | None) -> None:
        self.brought.append((name[1], after.version if after else None))

    def _observe(self, method: str, path: str, code: int) -> None:
        self.codes[method, path, code] += 1

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0.01)


@asynccontextmanager
async def playing(script: Script) -> AsyncIterator[Playing]:
    """A front that runs while the block does. At its end nothing of kopf's may be left."""
    async with listening(script.answer) as url:
        before = asyncio.all_tasks()
        stage = Playing(script, url)
        task = asyncio.create_task(stage.front.run())
        try:
            yield stage
        finally:
            task.cancel()
            await asyncio.wait([task])
        assert task.cancelled(), task.exception()
        assert names(kopfs(asyncio.all_tasks() - before)) == []


def kopfs(tasks: Iterable[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """Those of kopf's: all but ours and the server's."""
    return [task for task in tasks if not task.done() and PACKAGE in _file(task)]


def _file(task: asyncio.Task[Any]) -> str:
    """Where the code of a task is."""
    return str(getattr(getattr(task.get_coro(), "cr_code", None), "co_filename", ""))


def names(tasks: Iterable[asyncio.Task[Any]]) -> list[str]:
    """What they are called."""
    return sorted(task.get_name() for task in tasks)


async def until(check: Callable[[], Any], *, what: str) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not check():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


__all__ = ["CLASSES", "SERVICES", "Script", "bookmark", "error", "event", "fault", "live", "nested", "playing", "until"]
