"""Every status that an operator writes in a namespace of the tests is held against the kstatus rules, as it is written.

One watch serves the whole run. Tests make a namespace in which an operator is to run by `own_namespace`, so
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
from .client import ApiError, Client, Manifest
from .waiting import eventually

API_SERVICE = ("fairlead.dev/v1alpha1", "ApiService")
WATCH_SECONDS = 2
AGAIN_SECONDS = 0.2


@dataclass
class Record:
    """What was written in one namespace. `several_operators` write there at once, so no order can be expected."""

    several_operators: bool = False
    statuses: list[Manifest] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    last: dict[str, Manifest] = field(default_factory=dict)

    def take(self, event: str, resource: Manifest) -> None:
        """Check this version of a resource against the one before."""
        uid = resource["metadata"]["uid"]
        self._check(resource, ordered=not self.several_operators)
        if event == "DELETED":
            del self.last[uid]

    def resume(self, listed: list[Manifest]) -> None:
        """Go on from these, after a gap: what was written in it has been missed, so they follow on nothing."""
        for resource in listed:
            self._check(resource, ordered=False)
        self.last = {each["metadata"]["uid"]: each for each in listed}

    def _check(self, resource: Manifest, *, ordered: bool) -> None:
        uid = resource["metadata"]["uid"]
        before = self.last.get(uid)
        self.last[uid] = resource
        if _is_ours(resource) and (before is None or before.get("status") != resource["status"]):
            self.statuses.append(resource["status"])
            found = kstatus_check(before, resource, ordered=ordered)
            conditions = f"{resource['metadata']['name']}: {json.dumps(resource['status']['conditions'])}"
            self.faults += [f"{fault}: {conditions}" for fault in found]

    def versions(self) -> dict[str, int]:
        """The version of each resource that is there, as far as is known."""
        return {uid: int(live["metadata"]["resourceVersion"]) for uid, live in list(self.last.items())}


class StatusRecorder:
    """Watches the ApiServices of a cluster within its context, and keeps a record of each namespace asked for."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._path = client.path(*API_SERVICE)
        self._records: dict[str, Record] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._lost = ""

    def __enter__(self) -> "StatusRecorder":
        self._list()
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
            assert not record.faults, "\n".join(record.faults)
        finally:
            del self._records[namespace]

    def record(self, namespace: str) -> Record:
        """The record of a namespace that is being recorded."""
        return self._records[namespace]

    def catch_up(self, namespace: str) -> None:
        """Wait until everything that was written there until now has been checked."""

        def has_seen_all() -> bool:
            assert not self._lost, self._lost
            live = self._client.list(*API_SERVICE, namespace=namespace)
            seen = self._records[namespace].versions()
            there = {each["metadata"]["uid"]: int(each["metadata"]["resourceVersion"]) for each in live}
            return seen.keys() <= there.keys() and all(seen.get(uid, 0) >= there[uid] for uid in there)

        eventually(has_seen_all, what=f"every status in {namespace} is checked")

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                self._follow()
        except Exception as error:  # noqa: BLE001  # outermost loop of the thread: `catch_up` raises it
            self._lost = f"the watch of all statuses ended: {error!r}"

    def _follow(self) -> None:
        """Watch for a moment. A server ends watches when a definition changes, and may forget what was before."""
        try:
            if self._watch():
                return
            self._list()
        except (ApiError, httpx.TransportError, RecursionError):
            pass  # it is tried again, and whoever asks meanwhile waits
        time.sleep(AGAIN_SECONDS)

    def _watch(self) -> bool:
        """Whether every event was received."""
        parameters = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_SECONDS)}
        parameters["resourceVersion"] = self._version
        with self._client._http.stream("GET", self._path, params=parameters) as answer:
            if answer.status_code != 200:
                return False
            return all(self._take(line) for line in answer.iter_lines())

    def _list(self) -> None:
        # The version of a list is that of the whole cluster, and nobody has an ApiService in this namespace.
        nothing = self._client.path(*API_SERVICE, namespace="kube-system")
        self._version = self._client.request("GET", nothing)["metadata"]["resourceVersion"]
        for namespace, record in list(self._records.items()):
            record.resume(self._client.list(*API_SERVICE, namespace=namespace))

    def _take(self, line: str) -> bool:
        """Check the resource of an event; False when events were missed."""
        try:
            event: Manifest = json.loads(line)
        except RecursionError:
            return True  # nested deeper than Python reads: no operator has read it either
        if event["type"] == "ERROR":
            return False
        resource = event["object"]
        self._version = resource["metadata"]["resourceVersion"]
        record = self._records.get(resource["metadata"].get("namespace", ""))
        if record is not None:
            record.take(event["type"], resource)
        return True


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
