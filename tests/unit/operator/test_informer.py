"""A store stays true to the server, whatever the server does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web

from fairlead_operator.cache.informer import MAX_PAUSE_SECONDS, MIN_PAUSE_SECONDS
from fairlead_operator.cache.records import CachedChild
from fairlead_operator.cache.store import Store
from fairlead_operator.cache.watch_windows import FEW, MANY
from fairlead_operator.errors import OperatorError, Unreachable

from .informing import AT_ONCE, GATHER_SECONDS, NOTHING, SILENCE, Scripted, Times, follow, go, informer
from .server import config_map, events, fault, page, serving

MARK = ("BOOKMARK", config_map("", 110))


async def run(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
    rounds: int,
    *,
    read: Callable[[dict[str, Any]], CachedChild] = CachedChild.read,
) -> tuple[Store[CachedChild], Times, list[tuple[str, bool]]]:
    """Let an informer go `rounds` times around; the store, the pauses, and what was reported to the listener."""
    reported: list[tuple[str, bool]] = []
    store: Store[CachedChild] = Store(lambda name, before, after: reported.append((name[1], after is not None)))
    times = Times(rounds)
    async with serving(answer) as client:
        await go(informer(client, store, times, read=read), times)
    return store, times, reported


def is_watch(request: web.Request) -> bool:
    return "watch" in request.query


async def test_lists_then_follows_the_watch() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if not is_watch(request):
            return page(config_map("a", 1), config_map("b", 2))
        added, changed, gone = config_map("c", 11), config_map("a", 12), config_map("b", 13)
        return await events(request, ("ADDED", added), ("MODIFIED", changed), ("DELETED", gone))

    store, _, reported = await run(answer, 1)
    assert sorted(name[1] for name in store) == ["a", "c"]
    assert reported == [("a", True), ("b", True), ("c", True), ("a", True), ("b", False)]


async def test_windows_overlap_and_need_no_new_list() -> None:
    since: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if not is_watch(request):
            since.append("list")
            return page(version=10)
        since.append(request.query["resourceVersion"])
        return await events(request, ("BOOKMARK", config_map("", 10 + len(since))))

    await run(answer, 4)
    assert since == ["list", "10", "10", "12", "13"]


def many(first: int, count: int, *, objects: int) -> list[tuple[str, dict[str, Any]]]:
    """Events of versions from `first` on, about so many objects in turn."""
    return [("MODIFIED", config_map(f"n{number % objects}", first + number)) for number in range(count)]


@pytest.mark.parametrize(
    ("objects", "requested"),
    [
        pytest.param(
            2 * MANY, ["list", "10", "110", "10"], id="many objects: the window starts where the stretch began"
        ),
        pytest.param(2, ["list", "10", "110", "list", "200"], id="few objects, many events: a list is less"),
    ],
)
async def test_while_busy_events_are_sent_once_and_repeated_when_it_is_calm(objects: int, requested: list[str]) -> None:
    since: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        since.append(request.query.get("resourceVersion", "list"))
        if not is_watch(request):
            return page(version=10 if len(since) == 1 else 200)
        return await events(request, *(many(11, 2 * MANY, objects=objects) if len(since) == 2 else []), MARK)

    await run(answer, 3)
    assert since == requested


async def test_events_are_gathered_only_while_busy() -> None:
    server = Scripted([NOTHING, many(11, 30, objects=30), many(41, 30, objects=30), NOTHING, NOTHING, NOTHING])
    await follow(server)
    assert server.gathered == [0.0, 0.0, GATHER_SECONDS, GATHER_SECONDS, 0.0, 0.0]


async def test_a_stretch_of_many_events_goes_on_until_they_are_few() -> None:
    since: list[int] = []
    counts = [MANY + 1, MANY - 1, FEW + 1, FEW, 0]

    async def answer(request: web.Request) -> web.StreamResponse:
        if not is_watch(request):
            return page(*(config_map(f"n{number}", 5) for number in range(1000)), version=10)
        since.append(int(request.query["resourceVersion"]))
        return await events(request, *many(100 * len(since), counts[len(since) - 1], objects=1000), MARK)

    await run(answer, 5)
    assert since == [10, 120, 218, 305, 10]


async def test_a_stretch_of_many_events_ends_after_some_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead_operator.cache.watch_windows.LONGEST_SECONDS", 2.5)
    since: list[int] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if not is_watch(request):
            return page(*(config_map(f"n{number}", 5) for number in range(1000)), version=10)
        since.append(int(request.query["resourceVersion"]))
        return await events(request, *many(100 * len(since), MANY + 1, objects=1000))

    await run(answer, 6)
    assert since == [10, 120, 220, 320, 10, 520]


class Log:
    """A server that keeps every event and sends each watch those after `since`; `loses` says which it drops."""

    def __init__(self, *kept: tuple[str, dict[str, Any]]) -> None:
        self.kept = kept
        self.requested: list[int] = []
        self.loses: Callable[[int, int], bool] = lambda window, version: False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if not is_watch(request):
            return page(version=10)
        since, window = int(request.query["resourceVersion"]), len(self.requested)
        self.requested.append(since)
        reported = [each for each in self.kept if version(each[1]) > since and not self.loses(window, version(each[1]))]
        return await events(request, *reported)


def version(live: dict[str, Any]) -> int:
    return int(live["metadata"]["resourceVersion"])


LIFE = (
    ("ADDED", config_map("a", 11)),
    ("MODIFIED", config_map("a", 12)),
    ("ADDED", config_map("b", 13)),
    ("DELETED", config_map("a", 14)),
    ("ADDED", config_map("c", 15)),
)


@pytest.mark.parametrize("lost", [11, 12, 13, 14, 15])
async def test_an_event_that_one_window_loses_comes_with_the_next(lost: int) -> None:
    log = Log(*LIFE)
    log.loses = lambda window, version: window == 0 and version == lost
    store, _, _ = await run(log.answer, 3)
    assert sorted(name[1] for name in store) == ["b", "c"]
    assert log.requested[:2] == [10, 10]


async def test_a_repeated_event_is_neither_read_nor_passed_on_and_a_deleted_object_stays_deleted() -> None:
    log = Log(*LIFE)
    read: list[int] = []

    def counting(live: dict[str, Any]) -> CachedChild:
        read.append(version(live))
        return CachedChild.read(live)

    _, _, reported = await run(log.answer, 4, read=counting)
    assert log.requested == [10, 10, 15, 15]
    assert read == [11, 12, 13, 15]
    assert reported == [("a", True), ("a", True), ("b", True), ("a", False), ("c", True)]


async def test_a_list_reads_only_what_it_did_not_know() -> None:
    read: list[int] = []

    def counting(live: dict[str, Any]) -> CachedChild:
        read.append(version(live))
        return CachedChild.read(live)

    lists = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal lists
        if is_watch(request):
            return fault(410)
        lists += 1
        return page(config_map("a", 1), config_map("b", 1 + lists))

    await run(answer, 3, read=counting)
    assert read == [1, 2, 3, 4]


async def test_a_window_that_failed_is_repeated_from_its_place_and_two_in_a_row_end_in_a_list() -> None:
    reported, lost = [("BOOKMARK", config_map("", 12))], Unreachable("reset")
    server = Scripted([reported, SILENCE, reported, AT_ONCE, lost, reported, lost, NOTHING, AT_ONCE])
    await follow(server)
    assert server.requested == ["list", "10", "10", "10", "12", "12", "list", "10", "10", "10", "10"]


async def test_a_silent_window_is_followed_by_the_next_at_once() -> None:
    server = Scripted([SILENCE] * 3)
    times = await follow(server)
    assert times.pauses == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("window", [Unreachable("reset"), []], ids=["lost", "ended at once"])
async def test_where_watches_fail_for_ever_lists_come_instead_and_not_in_a_storm(
    window: list[tuple[str, dict[str, Any]]] | OperatorError,
) -> None:
    server = Scripted([window] * 8)
    times = await follow(server)
    assert server.requested.count("list") == 7
    assert all(MIN_PAUSE_SECONDS <= pause <= MAX_PAUSE_SECONDS for pause in times.pauses)


async def test_a_quiet_kind_is_never_listed_again() -> None:
    server = Scripted([NOTHING] * 8)
    times = await follow(server)
    assert server.requested.count("list") == 1
    assert times.pauses == [0.0] * 8


async def test_windows_of_all_kinds_do_not_end_in_step() -> None:
    server = Scripted([NOTHING] * 60)
    await follow(server)
    assert set(server.seconds) == {5, 6}


async def test_a_repeated_event_is_not_read_again() -> None:
    reads: list[tuple[str, str]] = []

    def read(live: dict[str, Any]) -> CachedChild:
        reads.append((live["metadata"]["name"], live["metadata"]["resourceVersion"]))
        return CachedChild.read(live)

    async def answer(request: web.Request) -> web.StreamResponse:
        if not is_watch(request):
            return page(config_map("a", 1))
        mislabelled = config_map("d", 13, labels={"name": "a", "fairlead.dev/apisvc": "orders"})
        reported = [config_map("a", 1), config_map("b", 11), config_map("a", 12), mislabelled]
        return await events(request, *(("MODIFIED", each) for each in reported))

    store, _, reported = await run(answer, 3, read=read)
    assert reads == [("a", "1"), ("b", "11"), ("a", "12"), ("d", "13")]
    assert {name[1] for name in store} == {"a", "b", "d"}
    assert len(reported) == 4


async def test_another_object_of_the_same_name_and_version_is_read() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if not is_watch(request):
            return page(config_map("a", 12, uid="before"))
        return await events(request, ("MODIFIED", config_map("a", 12, uid="restored")))

    seen: list[str] = []

    def read(live: dict[str, Any]) -> CachedChild:
        seen.append(live["metadata"]["uid"])
        return CachedChild.read(live)

    await run(answer, 1, read=read)
    assert seen == ["before"], "a store keeps what it has at the same version"


@pytest.mark.parametrize("code", [410, 500, 403])
async def test_after_an_error_it_lists_again_and_notices_what_went(code: int) -> None:
    lists = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal lists
        if is_watch(request):
            return await events(request, ("ERROR", {"code": code, "metadata": {}}))
        lists += 1
        return page(*([config_map("a", 1), config_map("b", 2)] if lists == 1 else [config_map("b", 2)]))

    store, _, reported = await run(answer, 2)
    assert [name[1] for name in store] == ["b"]
    assert reported[-1] == ("a", False)


@pytest.mark.parametrize("code", [401, 403, 404, 410, 429, 500, 503, 504])
async def test_no_answer_to_a_list_ends_it_and_the_pauses_grow_to_five_seconds(code: int) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return fault(code)

    _, times, _ = await run(answer, 8)
    assert all(MIN_PAUSE_SECONDS <= pause <= MAX_PAUSE_SECONDS for pause in times.pauses)
    assert max(times.pauses[3:]) > 2 * MIN_PAUSE_SECONDS


@pytest.mark.parametrize(("code", "synced"), [(403, True), (404, True), (500, False)])
async def test_a_kind_that_may_not_be_read_does_not_keep_the_others_waiting(code: int, synced: bool) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return fault(code)

    times = Times(1)
    async with serving(answer) as client:
        store: Store[CachedChild] = Store()
        following = informer(client, store, times)
        task = asyncio.create_task(following.run())
        await times.over.wait()
        assert following.synced.is_set() is synced
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_watch_that_is_closed_at_once_is_opened_once_a_second() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await events(request) if is_watch(request) else page()

    _, times, _ = await run(answer, 20)
    assert times.now >= 20 * MIN_PAUSE_SECONDS


async def test_what_the_server_no_longer_serves_is_gone() -> None:
    lists = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal lists
        lists += 1
        if lists > 1:
            return fault(404)
        return page(config_map("a", 1))

    store, _, reported = await run(answer, 2)
    assert len(store) == 0
    assert reported == [("a", True), ("a", False)]


async def test_a_duplicate_and_an_old_event_change_nothing() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if not is_watch(request):
            return page(config_map("a", 9))
        return await events(request, ("MODIFIED", config_map("a", 9)), ("MODIFIED", config_map("a", 4)))

    _, _, reported = await run(answer, 1)
    assert reported == [("a", True)]
