"""What kopf has brought of one kind, beside what the metadata of the same objects say there is.

kopf's handlers give whole objects (`take`), the informer of metadata keeps `seen`. Where the two differ for longer than
kopf needs, a name is `due` for a look at the object itself: kopf never reports what was deleted while it did not
watch, a bookmark carries it past an event that was lost, and it may not run at all. Decisions only; no I/O.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from fairlead_operator.cache.records import CachedResource, Name
from fairlead_operator.cache.store import Store
from fairlead_operator.kube.decoding import event_header, version_in
from fairlead_operator.kube.kinds import Kind

# kopf's connection has reported something later: what it has not reported by then is lost.
PASSED_SECONDS = 1.0
# kopf has read it, and is to call the handler; while much happens, that takes its time.
HELD_SECONDS = 10.0
# kopf knows what the metadata do not show (yet).
UNCONFIRMED_SECONDS = 5.0
# Versions at which objects went are kept for one to two of these.
REMEMBERED_SECONDS = 600.0
_BOOKMARK = {"type": "BOOKMARK"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the metadata of an object say."""

    uid: str
    version: int
    owner: Name

    @classmethod
    def read(cls, live: dict[str, Any]) -> "Seen":
        """The record of a live object, or of its metadata alone."""
        return cls(live["metadata"]["uid"], _version(live), _name(live))


@dataclass(slots=True)
class _Difference:
    since: float
    passed_at: float | None = None
    looked_at: bool = False


class Intake:
    """One kind. `store` gets every object; once it has all that the first list contained, it is `complete`.

    `clock` in seconds.
    """

    def __init__(self, kind: Kind, store: Store[CachedResource], *, clock: Callable[[], float]) -> None:
        self.kind = kind
        self.store = store
        self.seen: Store[Seen] = Store(self._seen_changed)
        self.complete = asyncio.Event()
        self._clock = clock
        self._differing: dict[Name, _Difference] = {}
        self._held: dict[Name, int] = {}
        self._heard_at = clock()
        self._reached = self._highest = self._forgotten = 0
        self._forgot_at = clock()

    def begin(self) -> None:
        """kopf starts anew: it lists first, and what it held is lost."""
        self._held.clear()
        self._reached = 0
        self._heard_at = self._clock()

    def take(self, event: str | None, live: dict[str, Any]) -> None:
        """kopf shows an object; without an `event`, from a list."""
        name, version = _name(live), _version(live)
        self._heard_at = self._clock()
        if self._held.get(name, 0) <= version:
            self._held.pop(name, None)
        if event == "DELETED":
            self.store.remove(name, version=version)
        elif not self.store.knows(name, version=version):
            self.store.put(name, CachedResource.read(live))
            if event is None:
                self.store.mark_unconfirmed(name)
        self._highest = max(self._highest, version)
        self._differing.pop(name, None)
        self._compare(name)

    def pass_on(self, line: bytes) -> bytes:
        """What kopf is to read of a line of its watch: an event that the store knows already is a bookmark to it.

        Most events are echoes of our own writes, whose answers contained the same.
        """
        self._heard_at = self._clock()
        version = version_in(line)
        self._reached = max(self._reached, version)
        found = event_header(line)
        if found is None:
            return line
        name = (found.namespace, found.name)
        record = self.store.get(name)
        if record is not None and record.version == found.version and record.uid.encode() in line:
            return orjson.dumps(_BOOKMARK | {"object": {"metadata": {"resourceVersion": str(found.version)}}})
        self._held[name] = version
        return line

    def note_completion(self) -> None:
        """The metadata have been listed: it is complete when all of it was brought, or looked at in vain."""
        self._compare_all()
        if all(each.looked_at for each in self._differing.values()):
            self.complete.set()

    def due(self, *, patience_seconds: float) -> list[Name]:
        """What has to be looked at now. kopf may be silent for `patience_seconds` before it counts as behind."""
        self._forget()
        self._compare_all()
        now = self._clock()
        return [name for name, each in self._differing.items() if self._is_due(name, each, now, patience_seconds)]

    def looked(self, name: Name, live: dict[str, Any] | None) -> bool:
        """Take in what the server itself says of an object; whether it was news that kopf should have brought."""
        seen, known = self.seen.get(name), self.store.get(name)
        self._differing.pop(name, None)
        if live is None:
            version = max(seen.version if seen else 0, known.version if known else 0)
            self.store.remove(name, version=version)
            return False
        is_news = not self.store.knows(name, version=_version(live))
        self.store.put(name, CachedResource.read(live))
        return is_news and seen is not None

    def not_answered(self, name: Name) -> None:
        """Looking failed; it is tried again later, and nobody waits for it any more."""
        if name in self._differing:
            self._differing[name] = _Difference(self._clock(), looked_at=True)

    def _seen_changed(self, name: Name, before: Seen | None, after: Seen | None) -> None:
        if after is None and before is not None:
            self.store.remove(name, version=max(before.version, self.seen.deleted_at(name)))
        self._compare(name)

    def _compare_all(self) -> None:
        """Answers to our own writes settle differences, too, and nothing reports that."""
        for name in list(self._differing):
            self._compare(name)

    def _compare(self, name: Name) -> None:
        seen = self.seen.get(name)
        is_same = self.store.get(name) is None if seen is None else self.store.knows(name, version=seen.version)
        if is_same:
            self._differing.pop(name, None)
        else:
            self._differing.setdefault(name, _Difference(self._clock()))

    def _is_due(self, name: Name, difference: _Difference, now: float, patience_seconds: float) -> bool:
        seen = self.seen.get(name)
        if seen is None:
            return now - difference.since >= UNCONFIRMED_SECONDS
        if self._held.get(name, 0) >= seen.version:
            return now - difference.since >= HELD_SECONDS
        if self._reached > seen.version:
            difference.passed_at = now if difference.passed_at is None else difference.passed_at
            if now - difference.passed_at >= PASSED_SECONDS:
                return True
        return now - max(difference.since, self._heard_at) >= patience_seconds

    def _forget(self) -> None:
        """Drop the versions at which objects went long ago: whatever still reports them is looked at."""
        if self._clock() - self._forgot_at >= REMEMBERED_SECONDS:
            self.store.forget_deleted(before=self._forgotten)
            self._forgotten, self._forgot_at = self._highest, self._clock()


def _name(live: dict[str, Any]) -> Name:
    return live["metadata"].get("namespace", ""), live["metadata"]["name"]


def _version(live: dict[str, Any]) -> int:
    return int(live["metadata"]["resourceVersion"])
