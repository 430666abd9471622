"""The deepest cause, out of pods and Events; and the message of a Job's pod."""

from typing import Any

import pytest

from fairlead_operator.diagnosis import causes
from fairlead_operator.diagnosis.job_result import parse
from fairlead_operator.reasons import Reason


def pod(name: str = "p", **container: Any) -> dict[str, Any]:
    """A pod with one container."""
    return {
        "metadata": {"name": name},
        "status": {"containerStatuses": [{"name": "api", "image": "i:1", "ready": False, "state": {}} | container]},
    }


def mount_event(message: str) -> dict[str, Any]:
    """What the kubelet says of a volume."""
    return {"reason": "FailedMount", "message": message, "involvedObject": {"kind": "Pod", "name": "p"}}


UNSCHEDULED = {
    "metadata": {"name": "p"},
    "status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]},
}
CRASHED = pod(lastState={"terminated": {"exitCode": 3, "message": "spec.queue.type: Kafka is not served"}})
MISSING = 'MountVolume.SetUp failed for volume "db" : secret "shop-db" not found'


@pytest.mark.parametrize(
    ("pods", "events", "reason", "text"),
    [
        ([pod(state={"waiting": {"reason": "ImagePullBackOff"}})], [], Reason.IMAGE_PULL, "image i:1"),
        ([pod()], [mount_event(MISSING)], Reason.MISSING_SECRET, "Secret shop-db is missing"),
        (
            [pod()],
            [mount_event("references non-existent secret key: password")],
            Reason.MISSING_SECRET,
            "a Secret lacks the key password",
        ),
        (
            [pod(state={"waiting": {"reason": "CreateContainerConfigError", "message": 'configmap "c" not found'}})],
            [],
            Reason.MISSING_CONFIG,
            "ConfigMap c is missing",
        ),
        ([CRASHED], [], Reason.CRASHING, "container api ends: spec.queue.type: Kafka is not served"),
        ([pod(state={"terminated": {"exitCode": 1}})], [], Reason.CRASHING, "exit code 1"),
        ([UNSCHEDULED], [], Reason.UNSCHEDULABLE, "0/3 nodes"),
        ([pod(state={"running": {}})], [], Reason.NOT_READY, "probe"),
        ([CRASHED, UNSCHEDULED], [mount_event(MISSING)], Reason.MISSING_SECRET, "shop-db"),
    ],
)
def test_the_deepest_cause(pods: list[Any], events: list[Any], reason: Reason, text: str) -> None:
    found = causes.deepest(pods, events)
    assert found is not None
    assert found.reason == reason
    assert text in found.message


SCHEDULED = {"metadata": {"name": "p"}, "status": {"conditions": [{"type": "PodScheduled", "status": "True"}]}}
CREATING = pod(state={"waiting": {"reason": "ContainerCreating"}})


@pytest.mark.parametrize(
    ("pods", "may_lack"),
    [
        pytest.param([], False, id="no pod"),
        pytest.param([{"metadata": {"name": "p"}}], False, id="a pod that nobody has looked at"),
        pytest.param([UNSCHEDULED], False, id="a pod without a node"),
        pytest.param([SCHEDULED], True, id="a pod on its node"),
        pytest.param([CREATING], True, id="containers that wait for their volumes"),
        pytest.param([SCHEDULED, CRASHED], True, id="one of two"),
        pytest.param([pod(state={"waiting": {"reason": "ImagePullBackOff"}})], False, id="an image that is not there"),
        pytest.param([CRASHED], False, id="a container that has run"),
        pytest.param([pod(state={"running": {}})], False, id="a container that runs"),
        pytest.param([CREATING | {"metadata": {"name": "p", "deletionTimestamp": "x"}}], False, id="a pod that goes"),
    ],
)
def test_events_are_looked_at_when_a_pod_may_wait_for_its_volumes(pods: list[Any], may_lack: bool) -> None:
    assert causes.may_lack_volumes(pods) is may_lack


@pytest.mark.parametrize(
    ("pods", "events"),
    [
        ([], []),
        ([], [mount_event(MISSING)]),
        ([pod(ready=True, state={"running": {}})], []),
        ([CRASHED | {"metadata": {"name": "p", "deletionTimestamp": "x"}}], []),
    ],
)
def test_no_cause(pods: list[Any], events: list[Any]) -> None:
    assert causes.deepest(pods, events) is None


def ended(name: str, at: int, said: str) -> dict[str, Any]:
    """A pod of a Job that failed."""
    end = {"exitCode": 1, "message": said, "finishedAt": f"2026-01-01T00:00:0{at}Z"}
    found = pod(name, state={"terminated": end})
    return found | {"status": found["status"] | {"phase": "Failed"}}


def test_of_the_tries_of_a_job_only_the_last_counts() -> None:
    first, last = ended("p", 1, "a: no such user"), ended("q", 2, "b: no such table")
    found = causes.deepest(causes.latest([last, CREATING, first]), [])
    assert found is not None
    assert found.message == "container api ends: b: no such table"
    assert causes.latest([CREATING]) == [CREATING]
    assert causes.latest([]) == []


def test_what_a_pod_that_ended_waited_for_at_first_is_no_cause_any_more() -> None:
    found = causes.deepest([ended("p", 1, "no such user")], [mount_event(MISSING)])
    assert found is not None
    assert found.reason == Reason.CRASHING


def test_the_last_refusal_of_a_pod_is_reported_without_what_changes_by_itself() -> None:
    def event(at: str, message: str, **more: Any) -> dict[str, Any]:
        return {"reason": "FailedCreate", "lastTimestamp": at, "message": message} | more

    old, new = event("2026-01-01T00:00:00Z", "no right"), event("2026-01-01T00:00:05Z", 'pods "x-1" is forbidden: few')
    found = causes.refused([new, event("2026-01-01T00:00:09Z", "else", reason="BackoffLimitExceeded"), old])
    assert found is not None
    assert (found.reason, found.message) == (Reason.QUOTA_EXCEEDED, "a pod is forbidden: few")
    assert causes.refused([]) is None


def test_the_message_of_a_jobs_pod() -> None:
    first = pod(state={"terminated": {"exitCode": 1, "message": "old", "finishedAt": "2026-01-01T00:00:00Z"}})
    last = pod(state={"terminated": {"exitCode": 0, "message": "new", "finishedAt": "2026-01-01T00:00:09Z"}})
    assert causes.termination_message([last, first]) == "new"
    assert causes.termination_message([]) == ""


GOOD = '{"version": 1, "hash": "h", "bindings": [{"role": "datastore", "type": "MySQL", "state": "Ready", "x": 1}]}'


def test_a_message_of_ours_is_read_without_what_is_unknown() -> None:
    assert parse(GOOD, expected="h") == [{"role": "datastore", "type": "MySQL", "state": "Ready"}]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "killed",
        "[]",
        "null",
        '{"version": 2, "hash": "h", "bindings": []}',
        '{"version": 1, "hash": "other", "bindings": []}',
        '{"version": 1, "hash": "h"}',
        '{"version": 1, "hash": "h", "bindings": [{"role": "datastore"}]}',
        '{"version": 1, "hash": "h", "bindings": [{"role": "a", "type": "b", "state": "Splendid"}]}',
        '{"version": 1, "hash": "h", "bindings": ["x"]}',
    ],
)
def test_anything_else_is_no_message(message: str) -> None:
    assert parse(message, expected="h") is None
