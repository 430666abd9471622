"""Write-back among processes that share the cache, when something comes between showing a write and publishing it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from fairlead_workload.caches.base import State
from fairlead_workload.caches.memory import MemoryCache
from fairlead_workload.caches.strategy import STAGED_SECONDS
from fairlead_workload.errors import Refused, Unavailable

from .stage import Answer, Service, open_two, outage

CART = "/v1/carts/a"
PATH = "carts/a"
KEY = {"idempotency-key": '"k1"'}


@pytest.fixture
async def two() -> AsyncIterator[tuple[Service, Service, MemoryCache]]:
    async with open_two() as opened:
        yield opened


async def items(service: Service) -> int | None:
    answer = await service.send("GET", CART)
    return answer.json["items"] if answer.status == 200 else None


# What is published stays, what is not goes.


async def test_a_write_is_shown_for_as_long_as_the_queue_has_it(two: tuple[Service, Service, MemoryCache]) -> None:
    one, other, _ = two
    assert (await one.send("PUT", CART, {"items": 1})).status == 201
    one.clock.now += 3600
    assert (await items(one), await items(other)) == (1, 1)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_write_whose_process_dies_while_it_publishes_is_shown_for_a_minute_at_most(
    two: tuple[Service, Service, MemoryCache], moment: str
) -> None:
    one, other, _ = two
    await one.keep("carts", {"id": "a", "items": 1})
    reached = asyncio.Event()

    async def die() -> None:
        for faults in (one.store.faults, one.queue.faults, one.cache_faults):
            faults.error = RuntimeError("killed")
        reached.set()
        await asyncio.Event().wait()

    getattr(one.queue.faults, moment)["publish"] = die
    dying = asyncio.create_task(one.send("PATCH", CART, {"items": 2}))
    await reached.wait()
    assert await items(other) == 2
    one.clock.now += STAGED_SECONDS
    assert await items(other) == 1, "the store has no other yet"
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)


async def test_what_was_written_before_stays_shown_when_the_next_write_cannot_be_published(
    two: tuple[Service, Service, MemoryCache],
) -> None:
    one, other, _ = two
    await one.keep("carts", {"id": "a", "items": 1})
    await one.send("PATCH", CART, {"items": 2})
    async with outage(one.queue, "queue"):
        assert (await one.send("PATCH", CART, {"items": 3})).status == 503
    assert (await items(one), await items(other)) == (2, 2)


async def test_a_write_that_could_not_be_kept_in_the_cache_is_kept_when_it_is_back(
    two: tuple[Service, Service, MemoryCache],
) -> None:
    one, other, _ = two

    async def lose_the_cache() -> None:
        one.cache_faults.error = Unavailable("cache", "connection refused")

    one.queue.faults.after["publish"] = lose_the_cache
    assert (await one.send("PUT", CART, {"items": 1})).status == 201
    await one.pauses.begun()
    one.cache_faults.error = None
    await one.pauses.end()
    one.clock.now += 3600
    assert await items(other) == 1


# Two writers.


async def test_no_version_stands_for_two_documents_when_the_cache_was_lost(
    two: tuple[Service, Service, MemoryCache],
) -> None:
    one, other, memory = two
    await one.keep("carts", {"id": "a", "items": 1})
    first = await one.send("PUT", CART, {"items": 2})
    await memory.close()
    one.clock.now += 0.001
    second = await other.send("PUT", CART, {"items": 3})
    assert (first.status, second.status) == (200, 200)
    assert first.headers["etag"] != second.headers["etag"]
    got = await one.send("GET", CART, headers={"if-none-match": first.headers["etag"]})
    assert (got.status, got.json["items"]) == (200, 3)


async def concurrent(one: Service, other: Service, error: Exception | None) -> tuple[Answer, Answer]:
    """A write of one process, and one of another which begins before that is published."""
    reached, later = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        reached.set()
        await later.wait()
        if error is not None:
            raise error

    one.queue.faults.before["publish"] = hang
    first = asyncio.create_task(one.send("PATCH", CART, {"first": 1}))
    await reached.wait()
    second = asyncio.create_task(other.send("PATCH", CART, {"second": 1}))
    waiting = asyncio.create_task(other.pauses.begun())
    await asyncio.wait([second, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    later.set()
    answered = await first
    await other.pauses.end()
    return answered, await second


async def test_a_write_that_is_not_published_is_part_of_no_other_of_another_process(
    two: tuple[Service, Service, MemoryCache],
) -> None:
    one, other, _ = two
    await one.keep("carts", {"id": "a", "items": 1})
    lost, kept = await concurrent(one, other, Refused("queue", "too large"))
    assert lost.status == 500
    assert kept.json.keys() == {"id", "items", "second", "changedAt"}


async def test_writes_of_two_processes_are_published_in_the_order_of_their_versions(
    two: tuple[Service, Service, MemoryCache],
) -> None:
    one, other, _ = two
    await one.keep("carts", {"id": "a", "items": 1})
    first, second = await concurrent(one, other, None)
    assert second.json.keys() == {"id", "items", "first", "second", "changedAt"}
    versions = [event["data"]["version"] for event in await one.queue.events()]
    assert [f'"{version}"' for version in versions] == [first.headers["etag"], second.headers["etag"]]


async def test_a_write_that_was_not_seen_is_decided_on_again(two: tuple[Service, Service, MemoryCache]) -> None:
    one, other, _ = two
    await one.keep("carts", {"id": "a", "items": 1})

    async def write_meanwhile() -> None:
        assert (await other.send("PATCH", CART, {"first": 1})).status == 200

    one.store.faults.after["get"] = write_meanwhile  # what it has read is not the newest any more
    answer = await one.send("PATCH", CART, {"second": 1})
    assert answer.json.keys() == {"id", "items", "first", "second", "changedAt"}


async def test_a_clock_that_is_behind_keeps_nobody_from_writing(two: tuple[Service, Service, MemoryCache]) -> None:
    one, other, _ = two
    ahead = await one.send("PUT", CART, {"items": 1})
    one.clock.now -= 3600
    behind = await other.send("PUT", CART, {"items": 2})
    assert behind.status == 200
    assert int(behind.headers["etag"][1:-1]) == int(ahead.headers["etag"][1:-1]) + 1
    version = int(behind.headers["etag"][1:-1])
    await other.bindings.caches["carts"].discard(PATH, version)  # as a dead letter
    assert (await one.send("PUT", CART, {"items": 3})).status == 201


# Idempotency-Key.


async def lose_the_reply() -> None:
    raise Unavailable("queue", "the reply is lost")


async def test_a_publish_of_unknown_outcome_is_repeated_with_the_same_message(
    two: tuple[Service, Service, MemoryCache],
) -> None:
    one, other, _ = two
    one.queue.faults.after["publish"] = lose_the_reply
    assert (await one.send("PUT", CART, {"items": 1}, KEY)).status == 503
    (message,) = await one.queue.messages()
    assert await items(other) is None, "whoever was refused does not see it"
    answer = await one.send("PUT", CART, {"items": 1}, KEY)
    assert answer.status == 201
    assert await one.queue.messages() == [message]
    assert answer.headers["etag"] == f'"{(await one.queue.events())[0]["data"]["version"]}"'


async def test_a_repetition_that_cannot_publish_can_be_repeated_at_once(
    two: tuple[Service, Service, MemoryCache],
) -> None:
    one, _, _ = two
    async with outage(one.queue, "queue"):
        for _ in range(3):
            assert (await one.send("PUT", CART, {"items": 1}, KEY)).status == 503
    assert (await one.send("PUT", CART, {"items": 1}, KEY)).status == 201
    assert len(await one.queue.messages()) == 1


async def test_what_the_queue_refuses_leaves_the_key_to_another_attempt(
    two: tuple[Service, Service, MemoryCache],
) -> None:
    one, _, _ = two

    async def refuse() -> None:
        raise Refused("queue", "too large")

    one.queue.faults.before["publish"] = refuse
    assert (await one.send("PUT", CART, {"items": 1}, KEY)).status == 500
    one.clock.now += 1
    answer = await one.send("PUT", CART, {"items": 1}, KEY)
    assert (answer.status, answer.headers.get("idempotency-replayed")) == (201, None)


async def test_whoever_takes_over_keeps_what_is_shown(two: tuple[Service, Service, MemoryCache]) -> None:
    one, other, memory = two
    reached = asyncio.Event()

    async def die() -> None:
        reached.set()
        await asyncio.Event().wait()

    one.queue.faults.before["publish"] = die
    dying = asyncio.create_task(one.send("PUT", CART, {"items": 1}, KEY))
    await reached.wait()
    one.clock.now += 31  # the lease of its process has run out
    assert (await other.send("PUT", CART, {"items": 1}, KEY)).status == 201
    one.clock.now += 3600
    entry = memory.peek(PATH)
    assert entry is not None
    assert entry.state is State.DIRTY
    one.cache_faults.error = RuntimeError("killed")
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
