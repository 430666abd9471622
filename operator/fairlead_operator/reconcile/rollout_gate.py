"""How many ApiServices of a class get new pods at a time because their class, or the operator, changed.

A rollout holds a slot from the moment when its Deployments may be written until the newest pods have replaced all
others. A failed rollout keeps its slot, so a bad class affects few ApiServices. A user's own edit neither waits nor
takes a slot: its author looks after it, and it may be the correction. The slots are read from the stores each time, so
a new leader goes on where the last one stopped.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.records import Name
from fairlead_operator.drift.desired import DesiredChild
from fairlead_operator.manifests import ReadOnlyManifest
from fairlead_operator.reasons import ConditionDetail, Reason


def is_own(resource: ReadOnlyManifest) -> bool:
    """Whether the resource's own spec is still to be rolled out: it is new, or was edited since it last served."""
    serving = resource.get("status", {}).get("serving")
    return serving is None or bool(serving["generation"] != resource["metadata"]["generation"])


def is_repair(desired: DesiredChild, status: ReadOnlyManifest) -> bool:
    """Whether a child that differs is what the status says it was: then it is restored."""
    return any(each.get("hash") == desired.digest for each in status.get("children", ()))


def is_switch(desired: DesiredChild, status: ReadOnlyManifest, runtime_hash: str) -> bool:
    """Whether an absent child comes with a runtime document other than that which serves: the pods that run may not
    be what it leads to. One that the status knows was there is put back, whatever serves."""
    serving = status.get("serving", {}).get("runtimeHash", runtime_hash)
    known = ((each.get("group", ""), each["kind"], each["name"]) for each in status.get("children", ()))
    return bool(serving != runtime_hash) and desired.ref not in known


def may_start(owner: Name, *, rolling: Collection[Name], most: int) -> bool:
    """Whether `owner` may roll out beside those that do. Who has begun may always go on, also with a correction."""
    return owner in rolling or len(rolling) < most


def queued(class_name: str) -> ConditionDetail:
    """Why a resource waits."""
    text = f"as many ApiServices of the class {class_name} roll out as its rollout.maxConcurrent lets; waiting for one"
    return ConditionDetail(Reason.ROLLOUT_QUEUED, text)


class Rollouts:
    """The slots, and the queue for them. `start` is called with the name of an ApiService that may try again."""

    def __init__(self, cache: ClusterCache, *, start: Callable[[Name], None]) -> None:
        self._cache = cache
        self._start = start
        self._admitted: dict[Name, str] = {}
        self._waiting: dict[str, dict[Name, None]] = {}
        self._most: dict[str, int] = {}

    @contextmanager
    def deciding(self, owner: Name) -> Iterator[None]:
        """The pass over one resource. It joins the queue again if it still has to wait; others may get its slot."""
        self._admitted.pop(owner, None)
        for line in self._waiting.values():
            line.pop(owner, None)
        try:
            yield
        finally:
            self.wake()

    def admit(self, owner: Name, class_name: str, *, most: int) -> bool:
        """Take a slot, or join the queue. The slot is kept until `begun`, or the owner's next pass."""
        self._most[class_name] = most
        if may_start(owner, rolling=self._rolling(class_name), most=most):
            self._admitted[owner] = class_name
            return True
        self._waiting.setdefault(class_name, {})[owner] = None
        return False

    def begun(self, owner: Name) -> None:
        """What was to be written is written, and the stores know it."""
        self._admitted.pop(owner, None)

    def wake(self) -> None:
        """Start as many waiting ApiServices as there are free slots. Each decides in its own pass."""
        for class_name, line in self._waiting.items():
            if line:
                free = self._most[class_name] - len(self._rolling(class_name))
                for owner in list(islice(line, max(free, 0))):
                    self._start(owner)

    def _rolling(self, class_name: str) -> set[Name]:
        unfinished = {child.owner for child in self._cache.unfinished() if self._counts(child, class_name)}
        return unfinished | {owner for owner, admitted_in in self._admitted.items() if admitted_in == class_name}

    def _counts(self, child: Any, class_name: str) -> bool:
        record = self._cache.services.get(child.owner)
        if record is None or record.uid != child.owner_uid:
            return False
        content = record.content
        is_of_class = content.get("status", {}).get("className") == class_name
        return is_of_class and "deletionTimestamp" not in content["metadata"] and not is_own(content)
