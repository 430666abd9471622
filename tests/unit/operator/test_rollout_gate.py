"""Who may roll out because the class or the operator changed, who waits, and who goes on."""

from dataclasses import replace
from typing import Any

import pytest

from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.records import CachedChild, CachedResource, Name
from fairlead_operator.cache.workload_state import Rollout
from fairlead_operator.drift.desired import DesiredChild
from fairlead_operator.kube import kinds
from fairlead_operator.reconcile.rollout_gate import Rollouts, is_own, is_repair, is_switch, may_start

DONE = Rollout("api", complete=True, failed="", available=True, replicas="1/1", refused="")
ROLLING = replace(DONE, complete=False)
FAILED = replace(ROLLING, failed="out of time")
A, B, C, D = (("shop", name) for name in "abcd")


def resource(owner: Name, *, generation: int = 1, serving: int | None = 1, class_name: str = "gold") -> dict[str, Any]:
    status: dict[str, Any] = {"className": class_name}
    if serving is not None:
        status["serving"] = {"generation": serving, "runtimeHash": "x"}
    metadata = {"namespace": owner[0], "name": owner[1], "uid": owner[1], "generation": generation}
    return {"metadata": metadata, "spec": {}, "status": status}


def at(content: dict[str, Any], version: int) -> dict[str, Any]:
    return content | {"metadata": content["metadata"] | {"resourceVersion": str(version)}}


class Stage:
    """A world with rollouts, where time passes by hand."""

    def __init__(self) -> None:
        self.cache = ClusterCache()
        self.started: list[Name] = []
        self.rollouts = Rollouts(self.cache, start=self.started.append)
        self._version = 0

    def service(self, owner: Name, **given: Any) -> None:
        self._version += 1
        content = resource(owner, **given)
        self.cache.services.put(owner, CachedResource.read(at(content, self._version)))

    def deployment(self, owner: Name, facts: Rollout, *, owner_uid: str = "") -> None:
        self._version += 1
        child = CachedChild(owner[1], self._version, owner, owner_uid or owner[1], False, "", facts)
        self.cache.children[kinds.DEPLOYMENT].put((owner[0], f"{owner[1]}-api"), child, silent=True)

    def decide(self, owner: Name, *, most: int, class_name: str = "gold", writes: bool = True) -> bool:
        """One pass that wants to roll out."""
        with self.rollouts.deciding(owner):
            admitted = self.rollouts.admit(owner, class_name, most=most)
            if admitted and writes:
                self.deployment(owner, ROLLING)
                self.rollouts.begun(owner)
        return admitted

    def passes_by(self, owner: Name) -> None:
        """One pass that wants nothing of the kind."""
        with self.rollouts.deciding(owner):
            pass


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    for owner in (A, B, C, D):
        stage.service(owner)
        stage.deployment(owner, DONE)
    return stage


@pytest.mark.parametrize(
    ("rolling", "most", "may"),
    [
        ((), 1, True),
        ((B,), 1, False),
        ((B,), 2, True),
        ((A, B), 1, True),
        ((B, C, D), 2, False),
    ],
    ids=["nobody rolls out", "all places are taken", "a place is free", "it has begun", "more than may"],
)
def test_a_rollout_starts_when_there_is_a_place(rolling: tuple[Name, ...], most: int, may: bool) -> None:
    assert may_start(A, rolling=rolling, most=most) is may


@pytest.mark.parametrize(
    ("generation", "serving", "own"),
    [(1, None, True), (2, 1, True), (2, 2, False)],
    ids=["never served", "edited since", "serves this spec"],
)
def test_a_spec_that_does_not_serve_yet_is_the_users_own(generation: int, serving: int | None, own: bool) -> None:
    assert is_own(resource(A, generation=generation, serving=serving)) is own


def test_what_the_status_knows_is_a_repair() -> None:
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a-api"}, "spec": {}}
    desired = DesiredChild.of(manifest)
    assert is_repair(desired, {"children": [{"hash": desired.digest}]})
    assert not is_repair(desired, {"children": [{"hash": "other"}]})
    assert not is_repair(desired, {})


@pytest.mark.parametrize(
    ("status", "held"),
    [
        pytest.param({}, False, id="nothing serves yet"),
        pytest.param({"serving": {"runtimeHash": "new"}}, False, id="what serves is the same document"),
        pytest.param({"serving": {"runtimeHash": "old"}}, True, id="another document serves"),
        pytest.param(
            {"serving": {"runtimeHash": "old"}, "children": [{"kind": "Service", "name": "a-grpc"}]},
            False,
            id="it was there, and somebody deleted it",
        ),
    ],
)
def test_a_new_child_of_another_runtime_document_waits_for_its_pods(status: dict[str, Any], held: bool) -> None:
    service = DesiredChild.of({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a-grpc"}})
    assert is_switch(service, status, "new") is held


def test_one_goes_on_when_another_is_through(stage: Stage) -> None:
    assert [stage.decide(owner, most=2) for owner in (A, B, C, D)] == [True, True, False, False]
    stage.started.clear()
    stage.deployment(A, DONE)
    stage.rollouts.wake()
    assert stage.started == [C]
    assert stage.decide(C, most=2)
    assert not stage.decide(D, most=2)


def test_a_place_is_taken_before_the_answer_to_the_write(stage: Stage) -> None:
    with stage.rollouts.deciding(A):
        assert stage.rollouts.admit(A, "gold", most=1)
        assert not stage.decide(B, most=1)


def test_a_write_whose_answer_is_lost_keeps_its_place_until_the_next_pass(stage: Stage) -> None:
    assert stage.decide(A, most=1, writes=False)
    assert not stage.decide(B, most=1)
    stage.started.clear()
    stage.passes_by(A)
    assert stage.started == [B]


def test_one_that_no_longer_needs_its_place_lets_the_next_go_on(stage: Stage) -> None:
    stage.decide(A, most=1)
    stage.decide(B, most=1)
    stage.decide(C, most=1)
    stage.deployment(A, DONE)
    stage.started.clear()
    stage.passes_by(B)
    assert stage.started == [C]


def test_nobody_is_started_while_all_places_are_taken(stage: Stage) -> None:
    stage.decide(A, most=1)
    stage.decide(B, most=1)
    for _ in range(3):
        stage.rollouts.wake()
    assert stage.started == []


def test_a_failed_rollout_keeps_its_place_and_may_itself_be_corrected(stage: Stage) -> None:
    stage.decide(A, most=1)
    stage.deployment(A, FAILED)
    assert not stage.decide(B, most=1)
    assert stage.decide(A, most=1)


def test_after_a_restart_the_places_are_known(stage: Stage) -> None:
    stage.decide(A, most=1)
    started: list[Name] = []
    again = Rollouts(stage.cache, start=started.append)
    assert not again.admit(B, "gold", most=1)
    stage.deployment(A, DONE)
    again.wake()
    assert started == [B]


def test_a_higher_limit_lets_more_go_on(stage: Stage) -> None:
    stage.decide(A, most=1)
    stage.decide(B, most=1)
    assert stage.decide(B, most=2)


@pytest.mark.parametrize("change", ["its own edit", "its first rollout", "another class", "an unowned one", "going"])
def test_what_takes_no_place(stage: Stage, change: str) -> None:
    if change == "its own edit":
        stage.service(A, generation=2)
    if change == "its first rollout":
        stage.service(A, serving=None)
    if change == "another class":
        stage.service(A, class_name="silver")
    if change == "going":
        content = resource(A)
        content["metadata"]["deletionTimestamp"] = "now"
        stage.cache.services.put(A, CachedResource.read(at(content, 999)))
    stage.deployment(A, ROLLING, owner_uid="other" if change == "an unowned one" else "")
    assert stage.decide(B, most=1)
