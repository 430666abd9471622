"""A store stays true to the server, whatever the server does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from aiohttp import web

from fairlead_operator import kinds
from fairlead_operator.cluster.informer import MAX_PAUSE_SECONDS, MIN_PAUSE_SECONDS, Informer
from fairlead_operator.cluster.store import Child, Store

from .server import config_map, events, fault, page, serving


class Times:
    """A clock that only sleeping moves, and the pauses that were slept."""

    def __init__(self, rounds: int) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.rounds = rounds
        self.over = asyncio.Event()

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        if len(self.pauses) >= self.rounds:
            self.over.set()
            await asyncio.Event().wait()


async def run(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], rounds: int
) -> tuple[Store[Child], Times, list[tuple[str, bool]]]:
    """Let an informer go `rounds` times around; the store, the pauses, and what the listener was told."""
    told: list[tuple[str, bool]] = []
    store: Store[Child] = Store(lambda name, before, after: told.append((name[1], after is not None)))
    times = Times(rounds)
    async with serving(answer) as client:
        informer = Informer(client, kinds.CONFIG_MAP, store, read=Child.read, clock=times.clock, sleep=times.sleep)
        task = asyncio.create_task(informer.run())
        over = asyncio.create_task(times.over.wait())
        await asyncio.wait([task, over], return_when=asyncio.FIRST_COMPLETED)
        assert not task.done(), "the informer ended"
        for each in (task, over):
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each
    return store, times, told


def is_watch(request: web.Request) -> bool:
    return "watch" in request.query


async def test_lists_then_follows_the_watch() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if not is_watch(request):
            return page(config_map("a", 1), config_map("b", 2))
        added, changed, gone = config_map("c", 11), config_map("a", 12), config_map("b", 13)
        return await events(request, ("ADDED", added), ("MODIFIED", changed), ("DELETED", gone))

    store, _, told = await run(answer, 1)
    assert sorted(name[1] for name in store) == ["a", "c"]
    assert told == [("a", True), ("b", True), ("c", True), ("a", True), ("b", False)]


async def test_goes_on_where_the_watch_ended_without_a_new_list() -> None:
    since: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if not is_watch(request):
            since.append("list")
            return page(version=10)
        since.append(request.query["resourceVersion"])
        return await events(request, ("BOOKMARK", config_map("", 10 + len(since))))

    await run(answer, 3)
    assert since == ["list", "10", "12", "13"]


@pytest.mark.parametrize("code", [410, 500, 403])
async def test_after_an_error_it_lists_anew_and_notices_what_went(code: int) -> None:
    lists = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal lists
        if is_watch(request):
            return await events(request, ("ERROR", {"code": code, "metadata": {}}))
        lists += 1
        return page(*([config_map("a", 1), config_map("b", 2)] if lists == 1 else [config_map("b", 2)]))

    store, _, told = await run(answer, 2)
    assert [name[1] for name in store] == ["b"]
    assert told[-1] == ("a", False)


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
        store: Store[Child] = Store()
        informer = Informer(client, kinds.CONFIG_MAP, store, read=Child.read, clock=times.clock, sleep=times.sleep)
        task = asyncio.create_task(informer.run())
        await times.over.wait()
        assert informer.synced.is_set() is synced
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

    store, _, told = await run(answer, 2)
    assert len(store) == 0
    assert told == [("a", True), ("a", False)]


async def test_a_duplicate_and_an_old_event_change_nothing() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if not is_watch(request):
            return page(config_map("a", 9))
        return await events(request, ("MODIFIED", config_map("a", 9)), ("MODIFIED", config_map("a", 4)))

    _, _, told = await run(answer, 1)
    assert told == [("a", True)]
