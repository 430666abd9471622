"""What happened on the API server: every object of ours, and how often each was added and deleted.

One watch per kind serves any number of namespaces, so asking costs the API server nothing.
"""

import asyncio
import json
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp

from fairlead_contract import names
from fairlead_operator.kube import kinds
from fairlead_operator.kube.kinds import Kind

from ..client import Manifest
from ..kubeconfig import Connection

CONNECT_SECONDS = 30.0
AGAIN_SECONDS = 0.2
CLOSING_SECONDS = 0.1
KINDS = (*kinds.CHILDREN, kinds.API_SERVICE)
# Both lengths of hash that end in names and digests; which one it is differs between namespaces.
_HASH = re.compile(r"\b[0-9a-f]{20}\b|\b[0-9a-f]{10}\b")
_VOLATILE = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "deletionTimestamp")
Owner = tuple[str, str]  # namespace and name of an ApiService
Ref = tuple[str, str]  # kind and name


class ObjectLog:
    """Watches from the moment its context is entered, in a thread of its own. ReplicaSets and pods are not ours."""

    def __init__(self, kubeconfig: Path) -> None:
        self._connection = Connection.read(kubeconfig)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._lock = threading.Lock()
        self._objects: defaultdict[Owner, dict[Ref, Manifest]] = defaultdict(dict)
        self._events: defaultdict[Owner, Counter[str]] = defaultdict(Counter)
        self._versions: Counter[Owner] = Counter()
        self._open = 0
        self._ready = threading.Event()

    def __enter__(self) -> "ObjectLog":
        self._thread.start()
        self._watching = asyncio.run_coroutine_threadsafe(self._watch_all(), self._loop)
        assert self._ready.wait(CONNECT_SECONDS), "the watches are not open"
        return self

    def __exit__(self, *_: object) -> None:
        failed = self._watching.done()
        self._watching.cancel()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(CLOSING_SECONDS), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        assert not failed, "a watch of the object log ended, so it is incomplete"

    def version(self, owner: Owner) -> int:
        """Grows with everything that happens to the ApiService and what it has."""
        return self._versions[owner]

    def objects(self, owner: Owner) -> list[Manifest]:
        """All that is there now, the ApiService included."""
        with self._lock:
            return list(self._objects[owner].values())

    def additions_and_deletions(self, owner: Owner) -> Counter[str]:
        """How often each object was added and deleted; hashes in names are all one."""
        with self._lock:
            return self._events[owner].copy()

    async def _watch_all(self) -> None:
        self._http = aiohttp.ClientSession(
            self._connection.cluster["server"],
            headers=dict(self._connection.headers()),
            connector=aiohttp.TCPConnector(ssl=self._connection.ssl_context(), limit=0),
            timeout=aiohttp.ClientTimeout(),
            read_bufsize=2**24,
        )
        tasks = [asyncio.create_task(self._watch(kind)) for kind in KINDS]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            # First, because the connection of a request that is cancelled waits for the server to close it.
            await self._http.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, kind: Kind) -> None:
        """Follow one kind without a gap; the server ends watches when a definition changes."""
        selector = {"labelSelector": names.LABEL_APISVC} if kind.child else {}
        async with self._http.get(kind.path(), params={"limit": "1"}) as answer:
            since = (await answer.json())["metadata"]["resourceVersion"]
        self._open += 1
        if self._open == len(KINDS):
            self._ready.set()
        while True:
            parameters = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": since} | selector
            async with self._http.get(kind.path(), params=parameters) as answer:
                if answer.status == 200:
                    async for line in answer.content:
                        event = json.loads(line)
                        since = self._take(event["type"], kind, event["object"])
            await asyncio.sleep(AGAIN_SECONDS)

    def _take(self, event: str, kind: Kind, live: Manifest) -> str:
        """Write the event down; the resource version to go on from."""
        if event == "ERROR":
            raise ConnectionError(f"watching {kind.plural}: {live}")
        metadata = live["metadata"]
        if event == "BOOKMARK":
            return str(metadata["resourceVersion"])
        owner = (metadata["namespace"], metadata.get("labels", {}).get(names.LABEL_APISVC, metadata["name"]))
        ref = (kind.name, metadata["name"])
        with self._lock:
            self._versions[owner] += 1
            if event == "DELETED":
                self._objects[owner].pop(ref, None)
            else:
                self._objects[owner][ref] = live
            if event != "MODIFIED":
                name = metadata["name"].removeprefix(owner[1])
                self._events[owner][f"{event} {kind.name} {_HASH.sub('HASH', name)}"] += 1
        return str(metadata["resourceVersion"])


def meaning(objects: Iterable[Manifest], *, same: dict[str, str]) -> list[str]:
    """What the objects say, without what differs from one run to the next; `same` renames names.

    Hashes are numbered, so two that were equal still are, and two that were not are not.
    """
    texts = []
    for live in objects:
        text = json.dumps(_stable(live), sort_keys=True)
        for old, new in same.items():
            text = re.sub(rf"(?<![a-z0-9]){old}(?![a-z0-9])", new, text)
        texts.append(text)
    texts.sort(key=lambda text: _HASH.sub("HASH", text))
    numbers: dict[str, str] = {}
    return [_HASH.sub(lambda found: numbers.setdefault(found[0], f"HASH{len(numbers)}"), text) for text in texts]


def _stable(live: Manifest) -> Manifest:
    metadata = {key: value for key, value in live["metadata"].items() if key not in _VOLATILE}
    metadata["ownerReferences"] = [
        {key: value for key, value in owner.items() if key != "uid"} for owner in metadata.get("ownerReferences", ())
    ]
    kept = {"kind": live["kind"], "metadata": metadata}
    for key, value in live.items():
        if key not in {"apiVersion", "kind", "metadata", "status"}:
            kept[key] = _stable_spec(live["kind"], value) if key == "spec" else value
    if live["kind"] == kinds.API_SERVICE.name:
        kept["status"] = _stable_status(live.get("status", {}))
    return kept


def _stable_spec(kind: str, spec: Manifest) -> Manifest:
    """Without what the server and its controllers choose."""
    if kind == kinds.SERVICE.name:
        return {key: value for key, value in spec.items() if key not in {"clusterIP", "clusterIPs"}}
    if kind == kinds.JOB.name:
        pod = {key: value for key, value in spec["template"].items() if key != "metadata"}
        return {key: value for key, value in spec.items() if key != "selector"} | {"template": pod}
    return spec


def _stable_status(status: Manifest) -> Manifest:
    def timeless(each: Manifest, *also: str) -> dict[str, Any]:
        return {key: value for key, value in each.items() if key not in {"lastTransitionTime", *also}}

    conditions = [timeless(each) for each in status.get("conditions", ())]
    # Ordered by names that may end with a hash.
    children = sorted(_HASH.sub("HASH", json.dumps(timeless(each, "uid"))) for each in status.get("children", ()))
    return status | {"conditions": conditions, "children": children}
