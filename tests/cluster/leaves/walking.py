"""The walk: one resource for each leaf, all side by side, step by step through their cases."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from fairlead_operator.reasons import ConditionDetail
from fairlead_operator.reconcile.planner import PreparedPlan

from ..client import ApiError, Client, Manifest
from ..operator.harness import Running, Sent
from ..test_crds import differences
from .cases import Case, Step
from .state import State, faults, prepare, states

EDITORS = 8
PAUSE_SECONDS = 2.0
# A slow machine only takes longer; a resource that is stuck stays as it is.
STANDSTILL_SECONDS = 120.0
VERSION = "fairlead.dev/v1alpha1"
# All of them roll out at once: how many may is a matter of other tests.
AT_ONCE = {"maxConcurrent": 1000}
BASE_CLASSES: dict[str, dict[str, Any]] = {
    "standard": {"aws": {"region": "eu-central-1"}, "rollout": AT_ONCE},
    "other": {"aws": {"region": "eu-west-1"}, "rollout": AT_ONCE},
    "third": {"monitoring": {"labels": {"release": "prometheus"}}, "rollout": AT_ONCE},
}


@dataclass
class Walker:
    """The resource of one leaf, on its way. `faults` says what went wrong, `effect` which steps changed something."""

    case: Case
    name: str
    faults: list[str] = field(default_factory=list)
    refused: list[Step] = field(default_factory=list)
    effect: list[Step] = field(default_factory=list)
    before: Any = None
    base: Any = None

    @property
    def effective(self) -> bool:
        """Whether setting or changing it changed a child or the status."""
        return bool({Step.SET, Step.CHANGE} & set(self.effect))

    @property
    def sort(self) -> str:
        """What kind of leaf it has turned out to be."""
        if self.case.immutable:
            return "immutable"
        return ("required, " if self.case.leaf.required else "") + ("effective" if self.effective else "without effect")


class Unsettled(Exception):
    """Some resources never came to rest."""


class Walk:
    """All walkers of one run. Classes belong to the cluster: their names begin with the namespace's."""

    def __init__(self, client: Client, namespace: str, operator: Running, cases: Sequence[Case]) -> None:
        self._client = client
        self._namespace = namespace
        self._operator = operator
        self.events_read: list[Sent] = []
        self.forbidden: list[Sent] = []
        self.walkers = [Walker(case, f"leaf-{number:03}") for number, case in enumerate(cases)]

    def run(self) -> None:
        """Every step for all. What goes wrong is in the walkers."""
        for name, spec in BASE_CLASSES.items():
            self._client.create(self._class(name, spec))
        for step in Step:
            try:
                self._take(step)
            except (Unsettled, ApiError) as error:
                for walker in self.walkers:
                    walker.faults.append(f"{step}: the walk stopped: {error}")
                break

    def _take(self, step: Step) -> None:
        began = time.monotonic()
        with ThreadPoolExecutor(EDITORS) as editors:
            list(editors.map(self._move, self.walkers, [step] * len(self.walkers)))
        moved = time.monotonic()
        self._settle()
        settled = time.monotonic()
        self._judge(step)
        spent = (moved - began, settled - moved, time.monotonic() - settled)
        print(f"{step}: moved in {spent[0]:.1f} s, settled in {spent[1]:.1f} s, judged in {spent[2]:.1f} s")

    def clean(self) -> None:
        """Delete what is not in the namespace, and release resources whose teardown nobody would do."""
        for each in self._client.list(VERSION, "ApiService", namespace=self._namespace):
            if each["metadata"].get("finalizers"):
                self._client.merge(each, {"metadata": {"finalizers": None}})
        for each in self._client.list(VERSION, "ApiServiceClass"):
            if each["metadata"]["name"].startswith(self._namespace):
                self._client.delete(each)

    def _move(self, walker: Walker, step: Step) -> None:
        case = walker.case
        try:
            if case.resource is None:
                self._bring(self._service(walker.name, case.specs[step]))
            else:
                brought = self._bring(self._class(walker.name, case.specs[step]), dry_run=case.only_asked)
                if not case.only_asked:
                    # A status does not say which version of a class it is about.
                    self._operator.until_known(brought)
                if step is Step.BASE:
                    self._bring(self._service(walker.name, case.resource | {"className": walker.name}))
        except ApiError as error:
            said = "; ".join([error.message, *error.causes])
            walker.refused.append(step)
            expected = case.refused.get(step)
            if expected is None or expected not in said:
                walker.faults.append(f"{step}: refused with {said!r}, expected {expected!r}")
            return
        if step in case.refused:
            walker.faults.append(f"{step}: not refused, expected {case.refused[step]!r}")

    def _bring(self, document: Manifest, *, dry_run: bool = False) -> Manifest:
        live = self._client.get(document)
        if live is None:
            return self._client.create(document)
        return self._client.replace(live | {"spec": document["spec"]}, dry_run=dry_run)

    def _service(self, name: str, spec: Manifest) -> Manifest:
        class_name = {"className": self._class_name(spec["className"])} if "className" in spec else {}
        metadata = {"name": name, "namespace": self._namespace}
        return {"apiVersion": VERSION, "kind": "ApiService", "metadata": metadata, "spec": spec | class_name}

    def _class(self, name: str, spec: Manifest) -> Manifest:
        metadata = {"name": self._class_name(name)}
        return {"apiVersion": VERSION, "kind": "ApiServiceClass", "metadata": metadata, "spec": spec}

    def _class_name(self, name: str) -> str:
        return f"{self._namespace}-{name}"

    def _settle(self) -> None:
        """Until every status says that nothing is under way, and nothing has been sent for a while; or Unsettled."""
        before, since = self._unsettled(), time.monotonic()
        while time.monotonic() - since < STANDSTILL_SECONDS:
            now = self._unsettled()
            if now != before:
                before, since = now, time.monotonic()
            if not now and self._is_quiet():
                return
            time.sleep(PAUSE_SECONDS)
        raise Unsettled(f"for {STANDSTILL_SECONDS:.0f} s there was no change of {before[:3]}")

    def _is_quiet(self) -> bool:
        self._remember()
        self._operator.settle()
        self._remember()
        return not self._unsettled()

    def _remember(self) -> None:
        """Keep little of what was sent, because `settle` reads all of it again and again."""
        sent = list(self._operator.sent)
        del self._operator.sent[: len(sent)]
        self.forbidden += [each for each in sent if each.code == 403]
        self.events_read += [each for each in sent if each.method == "GET" and each.path.endswith("/events")]

    def _unsettled(self) -> list[str]:
        found = self._client.list(VERSION, "ApiService", namespace=self._namespace)
        by_name = {walker.name: walker for walker in self.walkers}
        return [
            f"{by_name[each['metadata']['name']].case.leaf}: {_ready(each)}"
            for each in found
            if not State(each, {}).settled
        ]

    def _judge(self, step: Step) -> None:
        found = states(self._client, self._namespace)
        classes = {each["metadata"]["name"]: each for each in self._client.list(VERSION, "ApiServiceClass")}
        for walker in self.walkers:
            if walker.name in found:
                self._judge_one(walker, step, found[walker.name], classes)

    def _judge_one(self, walker: Walker, step: Step, state: State, classes: Mapping[str, Manifest]) -> None:
        prepared = prepare(self._operator.settings.image, state, classes)
        if isinstance(prepared, ConditionDetail):
            walker.faults.append(f"{step}: {prepared.reason}: {prepared.message}")
            return
        expected = walker.case.stalled.get(step, "")
        walker.faults += [f"{step}: {fault}" for fault in faults(state, prepared, stalled=expected)]
        self._compare(walker, step, state, prepared)

    def _compare(self, walker: Walker, step: Step, state: State, prepared: PreparedPlan) -> None:
        now = state.comparable(prepared)
        if step is Step.BASE:
            walker.base = now
        elif now != walker.before:
            walker.effect.append(step)
        if state.stalled and _children(now) != _children(walker.before):
            walker.faults.append(f"{step}: Stalled, and yet the children changed")
        walker.before = now
        if step is Step.REVERT and now != walker.base:
            walker.faults.append(f"revert: not as at first: {_differences(walker.base, now)}")


def _ready(resource: Manifest) -> str:
    conditions = {each["type"]: each for each in resource.get("status", {}).get("conditions", ())}
    ready = conditions.get("Ready", {})
    return f"{ready.get('reason', 'no status')} {ready.get('message', '')}"


def _children(comparable: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (comparable or {}).items() if key not in {"status", "finalizers"}}


def _differences(base: Any, now: Any) -> list[str]:
    return [*differences(base, now), *(f"{place} (now first)" for place in differences(now, base))][:6]
