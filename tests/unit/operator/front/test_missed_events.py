"""What kopf does not bring is fetched, and kopf is restarted when that was needed twice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from aiohttp import web

from fairlead_operator.cache.records import CachedResource
from fairlead_operator.cache.store import Store
from fairlead_operator.front.front import Front
from fairlead_operator.front.intake import Intake, Seen
from fairlead_operator.front.missed_events import MissedEventFetcher
from fairlead_operator.kube import kinds

from ..server import fault, serving
from .stage import live


class Idle:
    """A front that watches, and brings nothing."""

    def __init__(self) -> None:
        self.is_watching = True
        self.missed_counts: list[int] = []
        self.looked_after = 0

    def watches(self, _: object) -> bool:
        return self.is_watching

    def patience_seconds(self, _: object) -> float:
        return 2.0

    def missed(self, events: int) -> None:
        self.missed_counts.append(events)

    def look_after(self, _: object) -> None:
        self.looked_after += 1


class Case:
    """One kind, of which only the metadata are reported; a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0
        self.objects: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.is_listed = self.is_served = True
        self.metrics: list[tuple[str, int]] = []
        self.store = Store[CachedResource]()
        self.intakes = Intake(kinds.API_SERVICE, self.store, clock=lambda: self.now)
        self.front = Idle()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        name = request.path.rsplit("/", 1)[1]
        self.asked.append(name)
        return web.json_response(self.objects[name]) if name in self.objects else fault(404)

    def metadata(self, name: str, version: int) -> None:
        self.intakes.seen.put(("shop", name), Seen.read(live(name, version)))


@asynccontextmanager
async def missed_events(case: Case) -> AsyncIterator[MissedEventFetcher]:
    async with serving(case.answer) as client:
        yield MissedEventFetcher(
            client,
            case.intakes,
            cast("Front", case.front),
            is_listed=lambda: case.is_listed,
            is_served=lambda: case.is_served,
            missed=lambda kind, objects: case.metrics.append((kind, objects)),
        )


async def test_what_is_missing_is_fetched_and_counted() -> None:
    case = Case()
    async with missed_events(case) as it:
        for name in ("orders", "late"):
            case.objects[name] = live(name, 9)
            case.metadata(name, 7)
        await it.look()
        assert case.asked == []
        case.now += 2.0
        await it.look()
        await it.look()
    assert sorted(case.asked) == ["late", "orders"]
    assert {record.version for record in case.store.values()} == {9}
    assert case.metrics == [("ApiService", 2)]
    assert case.front.missed_counts == [2]


async def test_what_is_missing_while_kopf_does_not_watch_is_no_reason_to_restart_it() -> None:
    case = Case()
    case.front.is_watching = False
    case.objects["orders"] = live("orders", 7)
    case.metadata("orders", 7)
    case.now += 5.0
    async with missed_events(case) as it:
        await it.look()
    assert (len(case.store), case.front.missed_counts, case.metrics) == (1, [], [("ApiService", 1)])


async def test_what_is_gone_by_then_is_no_fault() -> None:
    case = Case()
    case.intakes.take("ADDED", live("orders", 5))
    case.metadata("orders", 7)
    case.now += 5.0
    async with missed_events(case) as it:
        await it.look()
    assert (case.asked, len(case.store), case.front.missed_counts, case.metrics) == (["orders"], 0, [], [])


async def test_an_error_is_tried_again_and_holds_the_start_up_no_longer() -> None:
    case = Case()
    case.metadata("orders", 7)
    case.now += 5.0

    async def broken(request: web.Request) -> web.StreamResponse:
        case.asked.append(request.path)
        return fault(500)

    case.answer = broken  # type: ignore[method-assign]
    async with missed_events(case) as it:
        await it.look()
        assert case.intakes.complete.is_set()
        await it.look()
        assert len(case.asked) == 1
        case.now += 2.0
        await it.look()
        assert len(case.asked) == 2


@pytest.mark.parametrize("is_listed", [True, False])
async def test_nothing_is_complete_before_the_metadata_were_listed(is_listed: bool) -> None:
    case = Case()
    case.is_listed = is_listed
    async with missed_events(case) as it:
        await it.look()
    assert case.intakes.complete.is_set() is is_listed


@pytest.mark.parametrize("is_served", [True, False])
async def test_a_kind_that_is_served_is_looked_after(is_served: bool) -> None:
    case = Case()
    case.is_served = is_served
    async with missed_events(case) as it:
        await it.look()
    assert case.front.looked_after == int(is_served)
