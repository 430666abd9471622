"""The lifecycle of one resource, in phases: it is created, edited so that children go, and deleted.

A phase ends when the objects are as expected and nothing changes any more; what was added and deleted is counted.
"""

import difflib
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..client import Client, Manifest
from ..operator.harness import example
from ..waiting import eventually
from .exchange import Request
from .object_log import ObjectLog, meaning
from .process import Process
from .proxy import FaultProxy
from .recovery import RECOVERY_SECONDS

PHASES = ("create", "edit", "delete")
TIMEOUT_SECONDS = 180.0
QUIET_SECONDS = 1.0
# The operator looks again at everything that is not well more often than this.
STUCK_SECONDS = 40.0
POLL_SECONDS = 0.05
MOST_LINES, LONGEST_LINE = 60, 200
# A start reads every kind again; what is more than that, and more than tries now and then, is a loop.
START_REQUESTS = 100
HOT_PER_SECOND = 10.0


@dataclass(frozen=True)
class End:
    """How a phase ended: what is there, how often each object was added and deleted, and what the operator sent."""

    state: list[str]
    events: Counter[str]
    writes: list[Request]
    requests: int
    seconds: float

    def exceeds(self, expected: "End") -> str:
        """What was added, deleted or requested too often; or empty."""
        if self.events != expected.events:
            more, fewer = self.events - expected.events, expected.events - self.events
            return f"added or deleted more often: {dict(more)}, less often: {dict(fewer)}"
        limit = 3 * expected.requests + START_REQUESTS + HOT_PER_SECOND * self.seconds
        return f"{self.requests} requests in {self.seconds:.1f} s" if self.requests > limit else ""


@dataclass(frozen=True)
class Lane:
    """A namespace, its operator behind an endpoint of the namespace's name, and what observes it."""

    admin: Client
    proxy: FaultProxy
    object_log: ObjectLog
    namespace: str
    operator: Process


@dataclass
class Lifecycle:
    """One resource. The lifecycles in a lane follow each other, unless the lane `has_others` meanwhile: then only
    requests about this one by name are counted. An operator that has ended is started again when it is to
    `be_killed`; else that is a failure.
    """

    lane: Lane
    name: str
    be_killed: bool = False
    has_others: bool = False
    _watched: int = 0
    _generation: int = 0

    def counts(self, request: Request) -> bool:
        """Whether it is a request of the operator for this resource: no watch, no Lease, no discovery."""
        if request.replica != self.lane.namespace or request.method == "WATCH" or request.resource == "leases":
            return False
        by_name = request.name == self.name or request.name.startswith(f"{self.name}-")
        return by_name if self.has_others else bool(request.namespace)

    def writes(self, request: Request) -> bool:
        """Whether it is a write of the operator for this resource."""
        return request.writes and self.counts(request)

    def run(self, phase: str, *, expected: End | None = None) -> End:
        """Do what the user does, and wait for the end of the phase; for any state at rest when nothing is expected."""
        self.act(phase)
        return self.reach(phase, expected=expected)

    def act(self, phase: str) -> None:
        """Do what the user does."""
        self._start = (time.monotonic(), len(self.lane.proxy.requests))
        self._before = self.lane.object_log.additions_and_deletions(self._owner)
        admin, manifest = self.lane.admin, initial_manifest(self.lane.namespace, self.name)
        if phase == "create":
            self._generation = admin.create(manifest)["metadata"]["generation"]
        elif phase == "edit":
            self._generation = admin.merge(manifest, {"spec": edited_spec(manifest)})["metadata"]["generation"]
        else:
            admin.delete(manifest)

    def reach(self, phase: str, *, expected: End | None = None, timeout_seconds: float = TIMEOUT_SECONDS) -> End:
        """Wait for the end of the phase. AssertionError when it is another one, or does not come in time."""
        state = self._await(phase, expected, time.monotonic() + timeout_seconds)
        at, number = self._start
        requests = [each for each in self.lane.proxy.requests[number:] if self.counts(each)]
        events = self.lane.object_log.additions_and_deletions(self._owner) - self._before
        end = End(state, events, [each for each in requests if each.writes], len(requests), time.monotonic() - at)
        if expected is not None and (fault := end.exceeds(expected)):
            raise AssertionError(f"{phase}: {fault}")
        return end

    def resumes(self, *, since: float, match: Callable[[Request], bool] = lambda request: True) -> None:
        """AssertionError unless a write that matches, of this moment or later, succeeds within ten seconds of it."""

        def resumed() -> bool:
            found = (each for each in self._since(since) if self.writes(each) and match(each))
            return any(each.code in {200, 201} for each in found)

        left_seconds = RECOVERY_SECONDS - (time.monotonic() - since)
        eventually(resumed, what="writes again after the fault", timeout_seconds=left_seconds)

    def condition(self, name: str) -> Manifest:
        """One condition of the resource as it is now, or an empty one."""
        found = [each for each in self.lane.object_log.objects(self._owner) if each["kind"] == "ApiService"]
        conditions = [each for live in found for each in live.get("status", {}).get("conditions", ())]
        return next((each for each in conditions if each["type"] == name), {})

    def kinds(self) -> set[str]:
        """The kinds of all that is there now."""
        return {each["kind"] for each in self.lane.object_log.objects(self._owner)}

    @property
    def _owner(self) -> tuple[str, str]:
        return self.lane.namespace, self.name

    def _await(self, phase: str, expected: End | None, deadline: float) -> list[str]:
        seen: object = None
        moved_at = judged_at = time.monotonic()
        while (now := time.monotonic()) < deadline:
            moment = (self.lane.object_log.version(self._owner), len(self.lane.operator.started_at))
            if not self._is_up() or moment != seen or self._is_busy(since=now - QUIET_SECONDS):
                seen, moved_at = moment, now
            elif now - moved_at > QUIET_SECONDS and judged_at <= moved_at and self._is_at_rest(phase):
                judged_at, state = now, self._state()
                if expected is None or state == expected.state:
                    return state
            elif now - moved_at > STUCK_SECONDS:
                break
            time.sleep(POLL_SECONDS)
        wanted = expected.state if expected else []
        raise AssertionError(
            f"{phase}: not reached in time:\n{difference(wanted, self._state())}\n{self._last_activity()}"
        )

    def _is_up(self) -> bool:
        """Whether the operator runs and watches; one that has ended is started again."""
        if not self.lane.operator.alive:
            assert self.be_killed, f"the operator has ended: {self.lane.operator.exit_code}"
            self.lane.operator.start()
        starts, since = len(self.lane.operator.started_at), self.lane.operator.started_at[-1]
        if self._watched < starts:
            asked = any(each.resource == "apisvcs" and each.method == "WATCH" for each in self._since(since))
            self._watched = starts if asked else self._watched
        return self._watched == starts

    def _is_busy(self, *, since: float) -> bool:
        return any(self.counts(each) for each in self._since(since))

    def _since(self, moment: float) -> Iterator[Request]:
        requests = self.lane.proxy.requests
        newest_first = (requests[index] for index in range(len(requests) - 1, -1, -1))
        found = itertools.takewhile(lambda each: each.at > moment, newest_first)
        return (each for each in found if each.replica == self.lane.namespace)

    def _is_at_rest(self, phase: str) -> bool:
        objects = self.lane.object_log.objects(self._owner)
        if phase == "delete":
            return not objects
        generations = [each["metadata"]["generation"] for each in objects if each["kind"] == "ApiService"]
        ready = self.condition("Ready")
        # The object log may be late, so that its content is from before the edit.
        return ready.get("status") == "True" and [ready["observedGeneration"]] == generations == [self._generation]

    def _last_activity(self) -> str:
        """The last requests and log lines of the operator."""
        asked = [str(each) for each in self._since(time.monotonic() - TIMEOUT_SECONDS) if self.counts(each)]
        return "\n".join([*reversed(asked[:40]), *self.lane.operator.log.read_text().splitlines()[-20:]])

    def _state(self) -> list[str]:
        objects = self.lane.object_log.objects(self._owner)
        return meaning(objects, same={self.lane.namespace: "NAMESPACE", self.name: "NAME"})


def initial_manifest(namespace: str, name: str) -> Manifest:
    """The resource at first: with a worker and an Ingress, and what is outside the cluster goes with it."""
    ingress = {"type": "Ingress", "ingress": {"hostnames": ["orders.example.com"]}}
    return example(namespace, name=name, deletionPolicy="Delete", exposure=ingress)


def edited_spec(manifest: Manifest) -> Manifest:
    """A merge patch for the spec: another runtime document, and neither queue, nor worker, nor Ingress."""
    resources = manifest["spec"]["api"]["resources"]
    sync = [{key: value for key, value in each.items() if key != "writes"} for each in resources]
    gone = {"exposure": None, "queue": None, "worker": None}
    scaling = {"worker": None, "api": {"min": 3}}
    return gone | {"api": {"title": "Orders, edited", "resources": sync}, "scaling": scaling}


def difference(expected: list[str], found: list[str]) -> str:
    """Line by line, for the eye; empty when there is none."""

    def lines(state: list[str]) -> list[str]:
        return [line for text in state for line in json.dumps(json.loads(text), indent=1).splitlines()]

    differing = difflib.unified_diff(lines(expected), lines(found), "expected", "found", lineterm="", n=4)
    return "\n".join(line[:LONGEST_LINE] for line in itertools.islice(differing, MOST_LINES))
