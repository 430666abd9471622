"""When a status is written: ends at once, progress after a short delay, details after a longer one."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.records import CachedResource
from fairlead_operator.errors import ApiError, Outdated
from fairlead_operator.kube.client import Client
from fairlead_operator.reasons import ConditionDetail, Reason
from fairlead_operator.status.conditions import View
from fairlead_operator.status.writer import BUSY_SECONDS, DETAIL_SECONDS, StatusWriter

from .server import fault, serving

OWNER = ("shop", "orders")
WELL = View(generation=1, image="image:1")
PROVISIONING = replace(
    WELL, pending=ConditionDetail(Reason.PROVISIONING, "the Job runs"), provision={"state": "Running"}
)
ROLLING = replace(WELL, pending=ConditionDetail(Reason.ROLLING_OUT, "not yet"), provision={"state": "Succeeded"})
DETAIL = replace(ROLLING, children=[{"kind": "Service", "name": "orders-api"}])
STALLED = replace(WELL, stalled=ConditionDetail(Reason.CONFLICT, "there already"))


class Stage:
    """A resource whose status is what was written last, and a clock that moves by hand."""

    def __init__(
        self, client: Client, cache: ClusterCache, written: list[dict[str, Any]], refusals: list[int] | None = None
    ) -> None:
        self.now = 100.0
        self.busy = False
        self.refusals = refusals if refusals is not None else []  # codes of the next answers
        self.cache = cache
        self.written = written
        self.writer = StatusWriter(
            client,
            cache,
            record_event=self._record_event,
            busy=lambda: self.busy,
            now=lambda: "2026-01-01T00:00:00Z",
            clock=lambda: self.now,
        )

    async def _record_event(self, *_: Any) -> None:
        """Nobody listens."""

    async def write(self, view: View, *, after_seconds: float = 0.0) -> tuple[int, float | None]:
        """How many writes that made, and what the writer asks for."""
        self.now += after_seconds
        before = len(self.written)
        record = self.cache.services.get(OWNER)
        assert record is not None
        held = await self.writer.write(record.content, view)
        return len(self.written) - before, held


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    cache, written, refusals = ClusterCache(), [], []
    metadata = {"name": "orders", "namespace": "shop", "uid": "u", "resourceVersion": "5", "generation": 1}
    cache.services.put(OWNER, CachedResource.read({"metadata": metadata, "spec": {}}))

    async def answer(request: web.Request) -> web.StreamResponse:
        if refusals:
            return fault(refusals.pop())
        live = cache.services.get(OWNER)
        assert live is not None
        *tests, change = await request.json()
        assert {"op": "test", "path": "/metadata/uid", "value": "u"} in tests
        assert (change["op"], change["path"]) == ("add", "/status")
        written.append(change["value"])
        changed = {"status": written[-1], "metadata": metadata | {"resourceVersion": str(live.version + 1)}}
        return web.json_response(live.content | changed)

    async with serving(answer) as client:
        yield Stage(client, cache, written, refusals)


async def test_at_rest_every_step_is_written_at_once(stage: Stage) -> None:
    for view in (PROVISIONING, ROLLING, WELL):
        assert await stage.write(view) == (1, None)


async def test_details_wait_for_the_next_step_or_some_seconds(stage: Stage) -> None:
    await stage.write(ROLLING)
    assert await stage.write(DETAIL) == (0, DETAIL_SECONDS)
    assert await stage.write(DETAIL, after_seconds=1.0) == (0, DETAIL_SECONDS - 1.0)
    assert await stage.write(DETAIL, after_seconds=DETAIL_SECONDS - 1.0) == (1, None)
    more = replace(DETAIL, children=[*DETAIL.children, {"kind": "Deployment", "name": "orders-api"}])
    assert await stage.write(more) == (0, DETAIL_SECONDS), "the delay starts again"
    assert await stage.write(WELL) == (1, None)


async def test_while_others_wait_so_do_steps_but_not_for_ever(stage: Stage) -> None:
    stage.busy = True
    assert await stage.write(PROVISIONING) == (0, BUSY_SECONDS)
    assert await stage.write(ROLLING, after_seconds=4.0) == (0, BUSY_SECONDS - 4.0)
    assert await stage.write(DETAIL, after_seconds=BUSY_SECONDS - 4.0) == (1, None)


async def test_what_was_held_back_is_written_as_soon_as_nobody_waits(stage: Stage) -> None:
    stage.busy = True
    await stage.write(PROVISIONING)
    stage.busy = False
    assert await stage.write(ROLLING, after_seconds=0.1) == (1, None)


async def test_what_could_not_be_written_is_not_held_back_again(stage: Stage) -> None:
    stage.refusals.append(500)
    with pytest.raises(ApiError):
        await stage.write(PROVISIONING)
    stage.busy = True
    assert await stage.write(PROVISIONING, after_seconds=0.1) == (1, None)
    assert await stage.write(ROLLING) == (0, BUSY_SECONDS), "the delay starts again"


@pytest.mark.parametrize(
    "end",
    [WELL, STALLED, replace(ROLLING, requested_at="now"), View(1, paused=True)],
    ids=["well", "stalled", "asked", "paused"],
)
async def test_ends_and_answers_wait_for_nobody(stage: Stage, end: View) -> None:
    stage.busy = True
    await stage.write(ROLLING)
    assert await stage.write(end) == (1, None)


async def test_that_a_resource_is_not_well_any_more_waits_for_nobody(stage: Stage) -> None:
    await stage.write(WELL)
    stage.busy = True
    assert await stage.write(ROLLING) == (1, None)


async def test_nothing_new_is_not_written(stage: Stage) -> None:
    await stage.write(ROLLING)
    assert await stage.write(ROLLING, after_seconds=3600.0) == (0, None)


async def test_the_class_that_was_the_default_one_is_held_on_to_at_once(stage: Stage) -> None:
    stage.busy = True
    given = replace(PROVISIONING, class_name="standard")
    assert await stage.write(given) == (1, None)
    assert await stage.write(replace(ROLLING, class_name="standard")) == (0, BUSY_SECONDS), "it is known by now"


@pytest.mark.parametrize(("spec", "name"), [({}, "built-in"), ({"className": "standard"}, "standard")])
async def test_a_class_that_cannot_become_another_one_waits(stage: Stage, spec: dict[str, str], name: str) -> None:
    stage.busy = True
    known = stage.cache.services.get(OWNER)
    assert known is not None
    content = known.content
    content["metadata"]["resourceVersion"] = "6"
    stage.cache.services.put(OWNER, CachedResource.read(content | {"spec": spec}))
    assert await stage.write(replace(PROVISIONING, class_name=name)) == (0, BUSY_SECONDS)


@pytest.mark.parametrize("code", [404, 422], ids=["gone", "another has its name"])
async def test_nothing_is_announced_of_a_resource_that_is_gone(code: int) -> None:
    cache, announced = ClusterCache(), []
    metadata = {"name": "orders", "namespace": "shop", "uid": "u", "resourceVersion": "5", "generation": 1}
    resource = {"metadata": metadata, "spec": {}}
    cache.services.put(OWNER, CachedResource.read(resource))

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return web.json_response(resource | {"metadata": metadata | {"uid": "another"}})
        return fault(code)

    async def record_event(_: Any, kind: str, reason: str, message: str) -> None:
        announced.append((kind, reason, message))

    async with serving(answer) as client:
        writer = StatusWriter(
            client,
            cache,
            record_event=record_event,
            busy=lambda: False,
            now=lambda: "2026-01-01T00:00:00Z",
            clock=lambda: 0.0,
        )
        await writer.write(resource, STALLED)
    assert announced == []


async def test_a_status_is_not_written_over_one_that_the_list_did_not_know() -> None:
    """The list contained version 5; meanwhile somebody wrote a status, and it is at version 9."""
    metadata = {"name": "orders", "namespace": "shop", "uid": "u", "resourceVersion": "5", "generation": 1}
    cache, patches = ClusterCache(), []
    cache.services.replace([(OWNER, CachedResource.read({"metadata": metadata, "spec": {}}))], version=5)

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "PATCH":
            patches.append(await request.json())
            return fault(422)
        return web.json_response({"metadata": metadata | {"resourceVersion": "9"}, "spec": {}})

    async with serving(answer) as client:
        with pytest.raises(Outdated):
            await Stage(client, cache, []).write(STALLED)
    assert {"op": "test", "path": "/metadata/resourceVersion", "value": "5"} in patches[0]
    record = cache.services.get(OWNER)
    assert record is not None
    assert record.version == 9


async def test_after_a_lost_answer_the_next_status_goes_on_from_what_is_there() -> None:
    metadata = {"name": "orders", "namespace": "shop", "uid": "u", "generation": 1}
    cache, live, patches = ClusterCache(), {"version": 5}, []

    def resource() -> dict[str, Any]:
        return {"metadata": metadata | {"resourceVersion": str(live["version"])}, "spec": {}}

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            return web.json_response(resource())
        patches.append(await request.json())
        wanted = [each["value"] for each in patches[-1] if each["path"] == "/metadata/resourceVersion"]
        if wanted not in ([], [str(live["version"])]):
            return fault(422)
        live["version"] += 1
        return fault(504) if len(patches) == 1 else web.json_response(resource())

    cache.services.put(OWNER, CachedResource.read(resource()))
    async with serving(answer) as client:
        stage = Stage(client, cache, [])
        with pytest.raises(ApiError):
            await stage.write(STALLED)
        with pytest.raises(Outdated):
            await stage.write(STALLED)
        await stage.write(STALLED)
    assert live["version"] == 7
    assert [each["path"] for each in patches[2]] == ["/metadata/uid", "/status"]


async def test_a_status_goes_on_from_one_that_was_seen_during_the_pass(stage: Stage) -> None:
    await stage.write(PROVISIONING)
    begun = stage.cache.services.get(OWNER)
    assert begun is not None
    at_begin = begun.content
    conditions = [each | {"lastTransitionTime": "2025-01-01T00:00:00Z"} for each in at_begin["status"]["conditions"]]
    newer = at_begin["metadata"] | {"resourceVersion": "99"}
    rewritten = at_begin | {"metadata": newer, "status": {"conditions": conditions}}
    stage.cache.services.put(OWNER, CachedResource.read(rewritten))
    await stage.writer.write(at_begin, STALLED)
    times = {each["type"]: each["lastTransitionTime"] for each in stage.written[-1]["conditions"]}
    assert times["Ready"] == "2026-01-01T00:00:00Z"
    assert times["WorkerAvailable"] == "2025-01-01T00:00:00Z"
