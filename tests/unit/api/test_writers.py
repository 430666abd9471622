"""Many writers of one document: all of them succeed, and nothing of any of them is lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from fairlead_workload.errors import Refused
from fairlead_workload.stores.document_locks import IN_A_ROW

from .stage import Answer, Service, make_service, outage

MANY = 64
KEY = "018f0000-0000-7000-8000-000000000000"
REVIEW = f"/v1/reviews/{KEY}"
CART = "/v1/carts/a"
ANYTHING = {"if-match": "*"}


@pytest.fixture
async def stocked(service: Service) -> Service:
    await service.keep("products", {"id": "pen", "name": "Pen", "price": 1})
    await service.keep("reviews", {"id": KEY, "productId": "pen"})
    return service


@pytest.fixture
async def another(stocked: Service) -> AsyncIterator[Service]:
    """Another process on the same store."""
    other = make_service(stocked.bindings.document, stocked.store, stocked.queue, stocked.clock)
    yield other
    await other.close()


async def all_at_once(*services: Service, method: str, url: str, headers: dict[str, str]) -> list[Answer]:
    """MANY writers, each of a field of its own."""
    return await asyncio.gather(
        *(
            services[number % len(services)].send(method, url, {"productId": "pen", f"n{number}": number}, headers)
            for number in range(MANY)
        )
    )


def versions(answers: list[Answer]) -> set[str]:
    return {answer.headers["etag"] for answer in answers}


@pytest.mark.parametrize(
    ("url", "headers"), [(REVIEW, {}), (REVIEW, ANYTHING), ("/v1/readings/7/2026-01-31T09:05:00Z", {}), (CART, {})]
)
async def test_every_put_succeeds_with_a_version_of_its_own(
    stocked: Service, url: str, headers: dict[str, str]
) -> None:
    await stocked.send("PUT", url, {"productId": "pen"})
    answers = await all_at_once(stocked, method="PUT", url=url, headers=headers)
    assert {answer.status for answer in answers} == {200}
    assert len(versions(answers)) == MANY


async def test_one_put_creates_and_the_others_replace(stocked: Service) -> None:
    answers = await all_at_once(stocked, method="PUT", url=CART, headers={})
    answers += await all_at_once(stocked, method="PUT", url="/v1/readings/7/2026-01-31T09:05:00Z", headers={})
    assert sorted(answer.status for answer in answers) == [200] * (2 * MANY - 2) + [201] * 2


@pytest.mark.parametrize("url", [REVIEW, CART])
async def test_after_patches_every_field_is_there(stocked: Service, url: str) -> None:
    await stocked.keep("carts", {"id": "a"})
    answers = await all_at_once(stocked, method="PATCH", url=url, headers={})
    assert {answer.status for answer in answers} == {200}
    found = (await stocked.send("GET", url)).json
    assert {f"n{number}": number for number in range(MANY)}.items() <= found.items()


async def test_writers_of_two_processes_all_succeed(stocked: Service, another: Service) -> None:
    answers = await all_at_once(stocked, another, method="PATCH", url=REVIEW, headers={})
    assert {answer.status for answer in answers} == {200}
    assert len(versions(answers)) == MANY
    ((review,), (pen,)) = await stocked.stored("reviews"), await stocked.stored("products")
    assert {f"n{number}": number for number in range(MANY)}.items() <= review.document.items()
    assert pen.version == 1000


async def test_writers_who_wait_for_each_other_seldom_read(stocked: Service) -> None:
    answers = await all_at_once(stocked, method="PATCH", url=REVIEW, headers={})
    assert {answer.status for answer in answers} == {200}
    reads = [key for resource, key, _ in stocked.store.reads if resource == "reviews"]
    assert len(reads) == -(-MANY // (IN_A_ROW + 1))


async def test_a_writer_of_another_process_gets_its_turn_while_many_wait(stocked: Service, another: Service) -> None:
    """It commits when somebody here reads, at the latest."""
    many = asyncio.create_task(all_at_once(stocked, method="PATCH", url=REVIEW, headers={}))
    answer = await another.send("PATCH", REVIEW, {"other": 1})
    assert (answer.status, many.done()) == (200, False)
    assert {each.status for each in await many} == {200}


async def test_what_another_process_did_meanwhile_is_not_refused_on_what_was_before(
    stocked: Service, another: Service
) -> None:
    """The second writer takes over a document that is gone by then."""
    gone: list[int] = []

    async def delete() -> None:
        gone.append((await another.send("DELETE", REVIEW)).status)

    stocked.store.faults.after["commit"] = delete
    first, second = await asyncio.gather(
        stocked.send("PATCH", REVIEW, {"stars": 1}),
        stocked.send("PUT", REVIEW, {"productId": "pen"}, {"if-none-match": "*"}),
    )
    assert (first.status, gone, second.status) == (200, [204], 201)


async def test_with_an_etag_one_succeeds_and_the_others_are_refused(stocked: Service) -> None:
    answers = await all_at_once(stocked, method="PATCH", url=REVIEW, headers={"if-match": '"1000"'})
    assert sorted(answer.status for answer in answers) == [200] + [412] * (MANY - 1)


async def test_with_idempotency_keys_each_is_carried_out_once(stocked: Service) -> None:
    async def send(number: int) -> Answer:
        return await stocked.send("PATCH", REVIEW, {f"n{number}": number}, {"idempotency-key": f'"{number}"'})

    answers = await asyncio.gather(*(send(number % 8) for number in range(24)))
    assert {answer.status for answer in answers} == {200}, "a repetition waits for its turn, and has its answer"
    assert len(versions(answers)) == 8


async def test_deletes_and_puts_may_meet(stocked: Service) -> None:
    puts = [stocked.send("PUT", REVIEW, {"productId": "pen"}) for _ in range(16)]
    deletes = [stocked.send("DELETE", REVIEW) for _ in range(16)]
    answers = await asyncio.gather(*(one for pair in zip(puts, deletes, strict=True) for one in pair))
    assert {answer.status for answer in answers} == {200, 201, 204}


async def test_an_outage_answers_everybody_who_waits_at_once(stocked: Service) -> None:
    hanging = asyncio.Event()
    reached = asyncio.Event()

    async def hang() -> None:
        reached.set()
        await hanging.wait()

    stocked.store.faults.before["commit"] = hang
    writers = asyncio.create_task(all_at_once(stocked, method="PATCH", url=REVIEW, headers={}))
    await reached.wait()
    async with outage(stocked.store, "datastore"):
        reads = len(stocked.store.reads)
        hanging.set()
        assert {(answer.status, answer.problem) for answer in await writers} == {(503, "unavailable")}
        assert len(stocked.store.reads) == reads, "nobody asked again, one after the other"
    assert (await stocked.send("PATCH", REVIEW, {"stars": 1})).status == 200


async def test_a_write_back_that_is_not_published_is_part_of_no_other(stocked: Service) -> None:
    await stocked.keep("carts", {"id": "a", "items": 1})
    reached, later = asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        reached.set()
        await later.wait()
        raise Refused("queue", "too large")

    stocked.queue.faults.before["publish"] = fail
    lost = asyncio.create_task(stocked.send("PATCH", CART, {"lost": 1}))
    await reached.wait()
    kept = asyncio.create_task(stocked.send("PATCH", CART, {"kept": 1}))
    await asyncio.sleep(0)
    later.set()
    assert (await lost).status == 500
    assert (await kept).json.keys() == {"id", "items", "kept", "changedAt"}
