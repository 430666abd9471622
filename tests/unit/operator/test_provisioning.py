"""What a provision Job says is taken only as far as the status can hold it: its image may be anybody's."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.records import CachedChild
from fairlead_operator.cache.workload_state import JobEnd
from fairlead_operator.diagnosis.inspector import Inspector
from fairlead_operator.diagnosis.job_result import MOST_BINDINGS, failure_message, parse
from fairlead_operator.drift.desired import DesiredChild
from fairlead_operator.kube.client import Client
from fairlead_operator.reconcile.applier import Applied, Applier
from fairlead_operator.reconcile.provisioning import Provisioner, Provisioning, ProvisionRequest, has_succeeded
from fairlead_operator.status.conditions import View, assess

from .server import page, serving

BINDING = {"role": "datastore", "type": "PostgreSQL", "name": "shop", "state": "Ready"}


def said(*bindings: Any) -> str:
    return json.dumps({"version": 1, "hash": "abc", "bindings": list(bindings)})


def test_bindings_are_taken_as_they_are() -> None:
    queue = BINDING | {"role": "queue", "reason": "Created", "message": "made", "more": 1}
    assert parse(said(BINDING, queue), expected="abc") == [
        BINDING,
        {key: value for key, value in queue.items() if key != "more"},
    ]


@pytest.mark.parametrize(
    "message",
    [
        said(BINDING | {"state": "Fine"}),
        said(BINDING | {"type": ""}),
        said({"role": "queue", "state": "Ready"}),
        said("datastore"),
        said(None),
        json.dumps({"version": 1, "hash": "abc", "bindings": "Ready"}),
        json.dumps({"version": 1, "hash": "abc", "bindings": {"a": 1}}),
        json.dumps({"version": 1, "hash": "other", "bindings": []}),
        json.dumps([]),
        "[" * 4096,
        "",
    ],
)
def test_what_is_not_ours_is_no_result(message: str) -> None:
    assert parse(message, expected="abc") is None


def test_one_binding_of_each_role_and_no_more_than_the_status_holds() -> None:
    many = [BINDING | {"role": f"r{number}"} for number in range(40)]
    assert len(parse(said(*many), expected="abc") or ()) == MOST_BINDINGS
    assert parse(said(BINDING, BINDING | {"state": "Failed"}), expected="abc") == [BINDING | {"state": "Failed"}]


def test_a_credential_in_a_message_does_not_get_through() -> None:
    bad = BINDING | {"state": "Failed", "message": "no route to postgresql://shop:hunter2@db/shop"}
    [found] = parse(said(bad), expected="abc") or ()
    assert found["message"] == "no route to postgresql://***@db/shop"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (said(BINDING | {"state": "Failed", "message": "no such user"}), "datastore shop: no such user"),
        (said(BINDING, BINDING | {"role": "queue", "name": "", "state": "Failed", "message": "m"}), "queue: m"),
        (said(BINDING), ""),
        ("spec.datastore: url postgresql://shop:hunter2@db/shop", "spec.datastore: url postgresql://***@db/shop"),
        ("[1]", "[1]"),
        ("12", "12"),
        ("", ""),
    ],
    ids=["a failure", "the first failure", "no failure", "no result", "a list", "a number", "nothing"],
)
def test_what_a_message_says_is_wrong(message: str, expected: str) -> None:
    assert failure_message(message) == expected


OWNER = ("shop", "orders")
JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "orders-provision-abc", "namespace": "shop"}}
WANTED = DesiredChild.of(JOB)
OTHER = DesiredChild.of(JOB | {"spec": {"template": "of another image"}})
NOW = "2026-01-01T00:10:00Z"
STARTED = "2026-01-01T00:09:00Z"
SUCCEEDED = JobEnd("Succeeded", started_at=STARTED, ended_at=NOW)
AT_WORK = JobEnd("Running", started_at=STARTED)
LATE = JobEnd("Failed", "DeadlineExceeded: too long", started_at=STARTED)


def pod(message: str = "", *, exit_code: int = 0, phase: str = "Succeeded", **state: Any) -> dict[str, Any]:
    """A pod of a Job."""
    state = state or {"terminated": {"exitCode": exit_code, "finishedAt": "1", "message": message}}
    container = {"name": "provision", "image": "i:1", "ready": False, "state": state}
    return {"metadata": {"name": "p"}, "status": {"phase": phase, "containerStatuses": [container]}}


PULLING = pod(phase="Pending", waiting={"reason": "ImagePullBackOff"})
CREATING = pod(phase="Pending", waiting={"reason": "ContainerCreating"})
RUNS = pod(phase="Running", running={})
CRASHED = pod(said(BINDING | {"state": "Failed", "message": "no such user"}), exit_code=1, phase="Failed")
MOUNT = {
    "reason": "FailedMount",
    "message": 'secret "shop-db" not found',
    "involvedObject": {"kind": "Pod", "name": "p"},
}
QUOTA = {"reason": "FailedCreate", "message": 'Error creating: pods "orders-x7" is forbidden: exceeded quota: few'}


class Stage:
    """A provisioner before a cluster of one Job at most; what is written to it is in `written`."""

    def __init__(self, client: Client) -> None:
        self.pods: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.read: list[str] = []
        self.written: list[str] = []
        self.sent = ""
        self.status: dict[str, Any] = {}
        self.jobs = 1
        self.now = NOW
        self.busy = False
        self._client = client
        self.start()

    def start(self) -> None:
        """A new operator."""
        cache = ClusterCache()
        inspector = Inspector(self._client, cache, busy=lambda: self.busy, now=lambda: self.now)
        self._provisioner = Provisioner(Applier(self._client, cache), inspector)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            self.read.append(request.path.rpartition("/")[2])
            return page(*(self.pods if request.path.endswith("/pods") else self.events))
        self.written.append(request.method)
        self.sent = await request.text()
        metadata = {"namespace": "shop", "name": "orders-provision-abc", "uid": "job", "resourceVersion": "7"}
        return web.json_response({"metadata": metadata, "spec": {}})

    async def advance(
        self,
        end: JobEnd | None,
        *,
        uid: str = "u",
        desired: DesiredChild = WANTED,
        again: bool = False,
        reported: bool = True,
    ) -> Provisioning:
        """One step while the Job is such, or absent. `reported`: the status is written afterwards."""
        job = CachedChild(f"job-{self.jobs}", 1, OWNER, uid, deleting=False, digest="", facts=end)
        found = await self._provisioner.advance(
            ProvisionRequest(
                OWNER,
                uid,
                desired,
                expected="abc",
                bindings=(),
                previous=self.status,
                live={desired.ref: job} if end else {},
                again=again,
            ),
            applied=Applied(),
        )
        if reported:
            view = View(1, provision=found.status, provision_cause=found.cause, image="i")
            self.status = assess(view, self.status, now=NOW)
        return found


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A stage on which nothing has happened."""
    stages: list[Stage] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        return await stages[0].answer(request)

    async with serving(answer) as client:
        stages.append(Stage(client))
        yield stages[0]


def provisioned(stage: Stage) -> tuple[str, str, str]:
    """The condition Provisioned."""
    found = next(each for each in stage.status["conditions"] if each["type"] == "Provisioned")
    return found["status"], found["reason"], found["message"]


@pytest.mark.parametrize(
    ("pods", "events", "reason", "message"),
    [
        ([PULLING], [], "ImagePull", "image i:1 cannot be pulled"),
        ([CREATING], [MOUNT], "MissingSecret", "Secret shop-db is missing"),
        ([CRASHED], [], "Crashing", "container provision ends: datastore shop: no such user"),
        ([pod("out of disk", exit_code=1, phase="Failed")], [], "Crashing", "container provision ends: out of disk"),
        ([pod(exit_code=137, phase="Failed")], [], "Crashing", "container provision ends: exit code 137"),
        ([CRASHED, RUNS], [], "Crashing", "container provision ends: datastore shop: no such user"),
        ([], [QUOTA], "QuotaExceeded", "Error creating: a pod is forbidden: exceeded quota: few"),
    ],
    ids=["image", "Secret", "a result", "another message", "no message", "the next try", "no pod"],
)
async def test_what_delays_a_job_is_reported(
    stage: Stage, pods: list[Any], events: list[Any], reason: str, message: str
) -> None:
    stage.pods, stage.events = pods, events
    found = await stage.advance(AT_WORK)
    assert found.pending is not None
    assert found.pending.reason == "Provisioning"
    assert provisioned(stage) == ("Unknown", reason, f"Job orders-provision-abc: {message}")
    assert stage.written == []


@pytest.mark.parametrize(
    ("started_at", "busy"),
    [("", False), ("2026-01-01T00:09:53Z", False), ("2026-01-01T00:09:40Z", True)],
    ids=["its controller has not looked", "seven seconds", "twenty seconds while the cluster is slow"],
)
async def test_a_job_that_may_just_be_slow_costs_no_read(stage: Stage, started_at: str, *, busy: bool) -> None:
    stage.busy, stage.pods = busy, [PULLING]
    found = await stage.advance(JobEnd("Running", started_at=started_at))
    assert found.cause is None
    assert stage.read == []
    assert provisioned(stage) == ("Unknown", "Provisioning", "the provision Job runs")


@pytest.mark.parametrize("pods", [[RUNS], [CREATING], []], ids=["at work", "starts", "no pod yet"])
async def test_a_job_that_takes_long_has_no_fault(stage: Stage, pods: list[Any]) -> None:
    stage.pods = pods
    assert (await stage.advance(AT_WORK)).cause is None


async def test_when_its_time_is_over_what_the_job_waited_for_is_reported_though_its_pod_is_gone(stage: Stage) -> None:
    stage.pods, stage.events = [CREATING], [MOUNT]
    await stage.advance(AT_WORK)
    stage.pods, stage.events = [CREATING | {"metadata": {"name": "p", "deletionTimestamp": NOW}}], []
    await stage.advance(AT_WORK)
    assert provisioned(stage)[1] == "MissingSecret", "its pod goes first"
    stage.pods = []
    stage.start()
    for _ in range(2):
        found = await stage.advance(LATE)
        assert found.stalled is not None
        text = "orders-provision-abc failed: Secret shop-db is missing (DeadlineExceeded: too long); correct it and set"
        assert found.stalled.message.startswith(f"Job {text}")
        assert provisioned(stage) == ("False", "ProvisionFailed", found.stalled.message)


@pytest.mark.parametrize(
    ("end", "pods", "expected"),
    [
        (JobEnd("Failed", "BackoffLimitExceeded: no more"), [CRASHED], "failed: datastore shop: no such user;"),
        (LATE, [CRASHED], "failed: datastore shop: no such user (DeadlineExceeded: too long);"),
        (LATE, [], "failed: DeadlineExceeded: too long;"),
        (JobEnd("Failed", "BackoffLimitExceeded: no more"), [], "failed: BackoffLimitExceeded: no more;"),
    ],
    ids=["after all tries", "in time's last try", "nothing known", "pods are gone"],
)
async def test_why_a_job_failed(stage: Stage, end: JobEnd, pods: list[Any], expected: str) -> None:
    stage.pods = pods
    found = await stage.advance(end)
    assert found.stalled is not None
    assert expected in found.stalled.message


@pytest.mark.parametrize("end", [LATE, AT_WORK], ids=["failed", "stuck"])
async def test_a_job_in_trouble_gives_way_when_another_one_is_wanted(stage: Stage, end: JobEnd) -> None:
    stage.pods = [PULLING]
    await stage.advance(None)
    await stage.advance(end)
    stage.written.clear()
    stage.start()
    await stage.advance(end)
    assert stage.written == [], "nothing changed"
    assert (await stage.advance(end, desired=OTHER)).pending is not None
    assert stage.written == ["DELETE"]
    stage.written.clear()
    await stage.advance(None, desired=OTHER)
    await stage.advance(end, desired=OTHER)
    assert stage.written == ["PATCH"], "it is the one that is wanted"


async def test_a_job_at_work_is_not_disturbed_by_an_edit(stage: Stage) -> None:
    await stage.advance(None)
    stage.pods = [RUNS]
    await stage.advance(AT_WORK, desired=OTHER)
    assert stage.written == ["PATCH"]


def job_with(image: str) -> DesiredChild:
    """A Job as it is planned."""
    container = {"name": "provision", "image": image, "args": ["provision", "--hash", "abc"]}
    spec = {"template": {"spec": {"containers": [container]}}}
    return DesiredChild.of(WANTED.manifest | {"spec": spec})


@pytest.mark.parametrize(
    ("known", "is_done"),
    [
        ({"hash": "abc", "state": "Succeeded"}, True),
        ({"hash": "abc", "state": "Succeeded", "mark": "m1"}, True),
        ({"hash": "before", "state": "Succeeded", "mark": "m1"}, False),
        ({"hash": "abc", "state": "Succeeded", "job": "one"}, False),
        ({"hash": "abc", "state": "Failed", "mark": "m1"}, False),
        ({}, False),
    ],
)
def test_a_mark_is_no_news_of_provisioning(known: dict[str, str], is_done: bool) -> None:
    assert has_succeeded({"provision": known}, "abc") is is_done


async def test_a_store_that_was_provisioned_is_expected_by_every_later_job(stage: Stage) -> None:
    first = job_with("i:1")
    await stage.advance(None, desired=first)
    assert "--expected-mark" not in stage.sent
    stage.pods = [pod(said(BINDING | {"mark": "m1"}))]
    found = await stage.advance(SUCCEEDED, desired=first)
    assert found.status == {"hash": "abc", "state": "Succeeded", "mark": "m1"}
    stage.written.clear()
    stage.start()
    assert (await stage.advance(None, desired=first)).done, "it is not run again"
    assert stage.written == []

    stage.status["provision"] = {"hash": "before", "state": "Succeeded", "mark": "m1"}
    await stage.advance(None, desired=first)
    assert json.loads(stage.sent)["spec"]["template"]["spec"]["containers"][0]["args"][3:] == ["--expected-mark", "m1"]
    stage.pods = [RUNS]
    for _ in range(2):
        found = await stage.advance(AT_WORK, desired=first)
        assert found.status is not None
        assert (found.status["state"], found.status["mark"]) == ("Running", "m1")
    assert stage.written == ["PATCH"]
    changed = {"state": "Failed", "reason": "StoreChanged", "message": "the schema is gone"}
    stage.pods = [pod(said(BINDING | changed), exit_code=1, phase="Failed")]
    found = await stage.advance(JobEnd("Failed", "BackoffLimitExceeded: x", started_at=STARTED), desired=first)
    assert found.stalled is not None
    assert found.stalled.reason == "StoreChanged"
    assert "the schema is gone" in found.stalled.message
    assert found.status is not None
    assert found.status["mark"] == "m1"


async def end_without_result(stage: Stage, *, restart: bool, reported: bool = True) -> int:
    """Jobs succeed without a result, one after the other, each looked at for a while; how many until one stays."""
    await stage.advance(None)
    for number in range(1, 10):
        stage.jobs = number
        for second in range(0, 40, 2):
            if restart:
                stage.start()
            stage.now = f"2026-01-01T00:10:{second:02}Z"
            found = await stage.advance(SUCCEEDED, reported=reported or second % 4 == 0)
            if stage.written[-1] == "DELETE":
                break
        if stage.written[-1] != "DELETE":
            assert found.stalled is not None
            return number
        await stage.advance(None, reported=reported)
    return 0


@pytest.mark.parametrize("message", ["", "done", said(BINDING).replace("abc", "other")])
async def test_a_job_without_a_result_is_run_three_times_with_growing_pauses(stage: Stage, message: str) -> None:
    stage.pods = [pod(message)]
    assert await end_without_result(stage, restart=False) == 3
    assert stage.written == ["PATCH", "DELETE", "PATCH", "DELETE", "PATCH"]
    state, reason, text = provisioned(stage)
    assert (state, reason) == ("False", "ProvisionFailed")
    assert "without a result" in text
    assert "correct the image, in spec.runtime or in the class, or set the annotation" in text


@pytest.mark.parametrize("reported", [True, False], ids=["reported at once", "reported late"])
async def test_tries_without_a_result_count_whatever_happens_to_the_operator(stage: Stage, *, reported: bool) -> None:
    stage.pods = [pod()]
    assert await end_without_result(stage, restart=True, reported=reported) == 3


@pytest.mark.parametrize("way", ["request", "edit", "deletion"])
async def test_after_tries_without_a_result_all_are_made_again_when_asked_for(stage: Stage, way: str) -> None:
    stage.pods = [pod()]
    await end_without_result(stage, restart=False)
    desired = OTHER if way == "edit" else WANTED
    if way != "deletion":
        await stage.advance(SUCCEEDED, desired=desired, again=way == "request")
        assert stage.written[-1] == "DELETE"
    await stage.advance(None, desired=desired)
    assert "withoutResult" not in stage.status["provision"]
    stage.jobs, stage.pods = 9, [pod(said(BINDING))]
    assert (await stage.advance(SUCCEEDED, desired=desired)).done
    assert stage.status["provision"] == {"hash": "abc", "state": "Succeeded"}


async def test_a_job_without_a_result_stays_until_its_pause_is_over(stage: Stage) -> None:
    stage.pods = [pod()]
    for second, is_left in ((0, True), (4, True), (5, False)):
        stage.now = f"2026-01-01T00:10:{second:02}Z"
        found = await stage.advance(SUCCEEDED)
        assert found.pending is not None
        assert (stage.written == []) is is_left


async def test_the_pods_of_a_job_that_succeeded_are_read_once_though_the_status_is_not_written_yet(
    stage: Stage,
) -> None:
    stage.pods = [pod(said(BINDING))]
    first = await stage.advance(SUCCEEDED, reported=False)
    assert first == Provisioning({"hash": "abc", "state": "Succeeded"}, [BINDING])
    assert await stage.advance(SUCCEEDED, reported=False) == first
    assert await stage.advance(None, reported=False) == first, "somebody deletes the Job before the status reports it"
    assert stage.read == ["pods"]
    await stage.advance(SUCCEEDED, uid="another of that name", reported=False)
    assert stage.read == ["pods", "pods"]


async def test_a_result_that_was_replaced_before_the_status_had_it_is_no_result_any_more() -> None:
    made: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/pods"):
            return page(pod(said(BINDING)))
        made.append((await request.json())["metadata"]["name"])
        metadata = {"namespace": "shop", "name": made[-1], "uid": "job", "resourceVersion": "7"}
        return web.json_response({"metadata": metadata, "spec": {}})

    async with serving(answer) as client:
        provisioner = Provisioner(
            Applier(client, ClusterCache()), Inspector(client, ClusterCache(), busy=lambda: False, now=lambda: NOW)
        )

        async def advance(expected: str, *, is_there: bool) -> Provisioning:
            job = CachedChild("job", 1, OWNER, "u", deleting=False, digest="", facts=SUCCEEDED)
            name = f"orders-provision-{expected}"
            desired = DesiredChild.of(JOB | {"metadata": {"name": name, "namespace": "shop"}})
            request = ProvisionRequest(
                OWNER,
                "u",
                desired,
                expected=expected,
                bindings=(),
                previous={},
                live={desired.ref: job} if is_there else {},
                again=False,
            )
            return await provisioner.advance(request, applied=Applied())

        assert (await advance("abc", is_there=True)).done
        assert not (await advance("def", is_there=False)).done
        assert not (await advance("abc", is_there=False)).done
        assert made == ["orders-provision-def", "orders-provision-abc"]
