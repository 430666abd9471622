"""Every status that an operator writes in a namespace of the tests is held against the kstatus rules, as it is written.

One watch at the side serves the whole run. Tests make a namespace in which an operator is to run by `own_namespace`, so
none of them can forget it.
"""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from fairlead_contract.names import FIELD_MANAGER

from ..kstatus import kstatus_check
from .client import Client, Manifest
from .waiting import eventually

WATCH_SECONDS = 2
AGAIN_SECONDS = 0.2


@dataclass
class Record:
    """What was written in one namespace. `rivals`: two operators write there at once, so no order can be asked for."""

    rivals: bool = False
    statuses: list[Manifest] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    last: dict[str, Manifest] = field(default_factory=dict)

    def take(self, event: str, resource: Manifest) -> None:
        """Check this version of a resource against the one before."""
        uid = resource["metadata"]["uid"]
        before = self.last.get(uid)
        self.last[uid] = resource
        if _is_ours(resource) and (before is None or before.get("status") != resource["status"]):
            self.statuses.append(resource["status"])
            found = kstatus_check(before, resource, ordered=not self.rivals)
            told = f"{resource['metadata']['name']}: {json.dumps(resource['status']['conditions'])}"
            self.faults += [f"{fault}: {told}" for fault in found]
        if event == "DELETED":
            del self.last[uid]

    def versions(self) -> dict[str, int]:
        """The version of each resource that is there, as far as is known."""
        return {uid: int(live["metadata"]["resourceVersion"]) for uid, live in list(self.last.items())}


class StatusRecorder:
    """Watches the ApiServices of a cluster within its context, and keeps a record of each namespace asked for."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._path = client.path("fairlead.dev/v1alpha1", "ApiService")
        self._records: dict[str, Record] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._lost = ""

    def __enter__(self) -> "StatusRecorder":
        self._version = self._client.request("GET", self._path, limit="1")["metadata"]["resourceVersion"]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @contextmanager
    def recording(self, namespace: str) -> Iterator[Record]:
        """A record of a namespace that is empty yet; no fault may be in it when the block has ended."""
        record = self._records[namespace] = Record()
        try:
            yield record
            self.catch_up(namespace)
            assert record.faults == []
        finally:
            del self._records[namespace]

    def record(self, namespace: str) -> Record:
        """The record of a namespace that is being recorded."""
        return self._records[namespace]

    def catch_up(self, namespace: str) -> None:
        """Wait until everything that was written there until now has been checked."""

        def has_seen_all() -> bool:
            assert not self._lost, self._lost
            live = self._client.list("fairlead.dev/v1alpha1", "ApiService", namespace=namespace)
            seen = self._records[namespace].versions()
            there = {each["metadata"]["uid"]: int(each["metadata"]["resourceVersion"]) for each in live}
            return seen.keys() <= there.keys() and all(seen.get(uid, 0) >= there[uid] for uid in there)

        eventually(has_seen_all, what=f"every status in {namespace} is checked")

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                self._watch()
        except Exception as error:  # noqa: BLE001  # outermost loop of the thread: whoever asks is told
            self._lost = f"the watch of all statuses ended: {error!r}"

    def _watch(self) -> None:
        """Follow for a moment; the server ends watches when a definition changes."""
        parameters = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_SECONDS)}
        parameters["resourceVersion"] = self._version
        try:
            with self._client._http.stream("GET", self._path, params=parameters) as answer:
                for line in answer.iter_lines() if answer.status_code == 200 else ():
                    self._take(json.loads(line))
                code = answer.status_code
        except httpx.TransportError:
            code = 0
        if code != 200:
            time.sleep(AGAIN_SECONDS)

    def _take(self, event: Manifest) -> None:
        resource = event["object"]
        if event["type"] == "ERROR":
            raise ConnectionError(f"not everything was seen: {resource}")
        self._version = resource["metadata"]["resourceVersion"]
        record = self._records.get(resource["metadata"].get("namespace", ""))
        if record is not None:
            record.take(event["type"], resource)


@contextmanager
def own_namespace(admin: Client, statuses: StatusRecorder, *, prefix: str = "test") -> Iterator[str]:
    """A namespace that is deleted at the end of the block, in which every status that is written is checked."""
    name = f"{prefix}-{uuid.uuid4().hex[:10]}"
    manifest: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    try:
        with statuses.recording(name):
            admin.create(manifest)
            yield name
    finally:
        admin.delete(manifest)


def _is_ours(resource: Manifest) -> bool:
    """Whether an operator wrote the status, or part of it; some tests write one by hand."""
    entries = resource["metadata"].get("managedFields", ())
    return any(each["manager"] == FIELD_MANAGER and each.get("subresource") == "status" for each in entries)
