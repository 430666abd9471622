"""Coalescing: which calls travel together, and what becomes of each when some fail. The backend is scripted."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead_workload.coalescing import Coalescer
from fairlead_workload.errors import Refused, Unavailable


class Backend:
    """Answers each item with itself in capitals. `held`: a batch waits until the test lets it end."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[tuple[str, list[str]]] = []
        self.failing: dict[str, Exception] = {}  # items that make their whole batch fail
        self.refused: dict[str, Exception] = {}  # items that have an error of their own
        self._held = held
        self._gates: list[asyncio.Event] = []

    async def run(self, lane: str, items: list[str]) -> Sequence[str | Exception]:
        self.batches.append((lane, items))
        if self._held:
            gate = asyncio.Event()
            self._gates.append(gate)
            await gate.wait()
        for item in items:
            if item in self.failing:
                raise self.failing[item]
        return [self.refused.get(item, item.upper()) for item in items]

    async def end(self, batch: int) -> None:
        """Let a batch end, and everything happen that follows from it."""
        self._gates[batch].set()
        await settled()


async def settled() -> None:
    """Let the event loop do what is ready."""
    for _ in range(10):
        await asyncio.sleep(0)


def coalescer(backend: Backend, **options: Any) -> Coalescer[str, str, str]:
    return Coalescer(backend.run, dependency="datastore", **options)


async def outcomes(futures: Sequence["asyncio.Future[str]"]) -> list[str | BaseException]:
    return list(await asyncio.gather(*futures, return_exceptions=True))


# Who travels together


async def test_calls_of_one_tick_share_a_batch_and_lanes_do_not() -> None:
    backend = Backend()
    calls = coalescer(backend)
    futures = [calls.share("one", "a"), calls.share("two", "b"), calls.share("one", "c")]
    assert await outcomes(futures) == ["A", "B", "C"]
    assert backend.batches == [("one", ["a", "c"]), ("two", ["b"])]


async def test_equal_reads_are_carried_out_once() -> None:
    backend = Backend()
    calls = coalescer(backend)
    assert await outcomes([calls.share("l", item) for item in "abab"]) == ["A", "B", "A", "B"]
    assert backend.batches == [("l", ["a", "b"])]


async def test_a_read_never_joins_a_batch_that_was_sent_before() -> None:
    backend = Backend(held=True)
    calls = coalescer(backend)
    first = calls.share("l", "a")
    await settled()
    second = calls.share("l", "a")
    await settled()
    assert backend.batches == [("l", ["a"]), ("l", ["a"])]
    await backend.end(1)
    assert second.done()
    assert not first.done()
    await backend.end(0)
    assert await outcomes([first, second]) == ["A", "A"]


async def test_while_all_places_are_taken_calls_gather() -> None:
    backend = Backend(held=True)
    calls = coalescer(backend, in_flight=2)
    futures = []
    for item in "abcd":
        futures.append(calls.call("l", item))
        await settled()
    assert backend.batches == [("l", ["a"]), ("l", ["b"])]
    await backend.end(1)
    assert backend.batches[2:] == [("l", ["c", "d"])]
    await backend.end(0)
    await backend.end(2)
    assert await outcomes(futures) == ["A", "B", "C", "D"]


async def test_a_batch_is_bounded_and_lanes_take_turns() -> None:
    backend = Backend()
    calls = coalescer(backend, batch_limit=2, in_flight=1)
    await outcomes([*(calls.call("one", item) for item in "abcde"), calls.call("two", "x")])
    assert backend.batches == [("one", ["a", "b"]), ("two", ["x"]), ("one", ["c", "d"]), ("one", ["e"])]


async def test_heavy_items_make_smaller_batches_and_the_heaviest_travel_alone() -> None:
    backend = Backend()
    calls = coalescer(backend, batch_limit=4, weigh=len)
    await outcomes([calls.call("l", item) for item in ("aa", "bb", "c", "dddd", "eeeeeeee", "f", "g")])
    assert [items for _, items in backend.batches] == [["aa", "bb"], ["c"], ["dddd"], ["eeeeeeee"], ["f", "g"]]


async def test_items_are_sorted_where_that_is_asked_for() -> None:
    backend = Backend()
    calls = coalescer(backend, order=lambda item: item)
    assert await outcomes([calls.call("l", item) for item in "cab"]) == ["C", "A", "B"]
    assert backend.batches == [("l", ["a", "b", "c"])]


async def test_calls_with_a_common_key_go_one_after_another_in_their_order() -> None:
    backend = Backend(held=True)
    calls = coalescer(backend)
    futures = [calls.call("l", "a", ["1", "2"]), calls.call("l", "b", ["2"]), calls.call("m", "c", ["2", "3"])]
    futures += [calls.call("l", "d", ["3"]), calls.call("l", "e", ["4"])]
    await settled()
    assert backend.batches == [("l", ["a", "e"])]
    await backend.end(0)
    assert backend.batches[1:] == [("l", ["b"])]
    await backend.end(1)
    assert backend.batches[2:] == [("m", ["c"])]
    await backend.end(2)
    await backend.end(3)
    assert await outcomes(futures) == ["A", "B", "C", "D", "E"]


# Failures


@pytest.mark.parametrize("count", [1, 2, 7, 16])
async def test_what_makes_a_batch_fail_fails_alone(count: int) -> None:
    backend = Backend()
    items = [f"i{n}" for n in range(count)]
    bad = items[count // 2]
    backend.failing[bad] = Refused("datastore", "never")
    calls = coalescer(backend)
    results = await outcomes([calls.call("l", item, [item]) for item in items])
    assert {item: str(result) for item, result in zip(items, results, strict=True)} == {
        item: "datastore: never" if item == bad else item.upper() for item in items
    }


async def test_an_outage_fails_all_each_with_an_error_of_its_own() -> None:
    backend = Backend()
    backend.failing["b"] = Unavailable("datastore", "gone")
    calls = coalescer(backend)
    results = await outcomes([calls.call("l", item) for item in "abc"])
    assert [str(result) for result in results] == ["datastore: gone"] * 3
    assert len({id(result) for result in results}) == 3
    assert len(backend.batches) == 1
    backend.failing.clear()
    assert await calls.call("l", "a") == "A"


async def test_items_have_their_own_results_and_errors() -> None:
    backend = Backend()
    backend.refused["b"] = KeyError("b")
    calls = coalescer(backend)
    results = await outcomes([calls.call("l", item) for item in "abc"])
    assert [str(result) for result in results] == ["A", "'b'", "C"]
    assert len(backend.batches) == 1


async def test_an_error_frees_the_keys_of_its_item() -> None:
    backend = Backend()
    backend.failing["a"] = ValueError("a")
    calls = coalescer(backend)
    results = await outcomes([calls.call("l", "a", ["k"]), calls.call("l", "b", ["k"])])
    assert [str(result) for result in results] == ["a", "B"]


async def test_a_backend_that_loses_results_fails_its_callers() -> None:
    async def run(lane: str, items: list[str]) -> list[str]:
        return items[1:]

    calls: Coalescer[str, str, str] = Coalescer(run, dependency="datastore")
    results = await outcomes([calls.call("l", item) for item in "ab"])
    assert [type(result) for result in results] == [ValueError, ValueError]


# Callers that leave


@pytest.mark.parametrize("make", [Coalescer.share, Coalescer.call], ids=["share", "call"])
async def test_a_caller_that_is_cancelled_changes_nothing_for_others(make: Callable[..., Any]) -> None:
    backend = Backend(held=True)
    calls = coalescer(backend)
    leaving, staying = make(calls, "l", "a"), make(calls, "l", "a")
    await settled()
    leaving.cancel()
    await backend.end(0)
    assert await staying == "A"
    assert backend.batches == [("l", ["a"] if make is Coalescer.share else ["a", "a"])]


async def test_closing_finishes_what_was_asked_for_and_takes_no_more() -> None:
    backend = Backend()
    calls = coalescer(backend, in_flight=1, batch_limit=1)
    futures = [calls.call("l", "a", ["k"]), calls.call("l", "b", ["k"]), calls.call("m", "c")]
    await calls.close()
    assert await outcomes(futures) == ["A", "B", "C"]
    with pytest.raises(Unavailable):
        calls.share("l", "a")
    await calls.close()


async def test_a_batch_that_is_cancelled_holds_up_no_call_behind_it() -> None:
    backend = Backend(held=True)
    calls = coalescer(backend)
    first, second = calls.call("l", "a", ["k"]), calls.call("l", "b", ["k"])
    await settled()
    (task,) = asyncio.all_tasks() - {asyncio.current_task()}
    task.cancel()
    await settled()
    assert first.cancelled()
    await backend.end(1)
    assert await second == "B"


async def test_the_end_of_the_loop_cancels_who_waits() -> None:
    backend = Backend(held=True)
    calls = coalescer(backend)
    future = calls.call("l", "a")
    await settled()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await settled()
    assert future.cancelled()


# Any calls at all

_calls = st.lists(
    st.tuples(st.sampled_from("xy"), st.frozensets(st.sampled_from("123"), max_size=2), st.booleans(), st.booleans())
)


# Everything is drawn beforehand: Hypothesis ends an example by an exception, which belongs into no task.
@given(_calls, st.integers(1, 4), st.integers(1, 3), st.lists(st.integers(0, 3), min_size=1, max_size=8))
async def test_any_calls(
    wanted: list[tuple[str, frozenset[str], bool, bool]], batch_limit: int, in_flight: int, pauses: list[int]
) -> None:
    ticks = cycle(pauses)
    under_way: list[set[str]] = []
    carried_out: list[int] = []

    async def run(lane: str, items: list[int]) -> list[int]:
        keys = [key for item in items for key in wanted[item][1]]
        assert len(keys) == len({*keys}), "a key is twice in a batch"
        assert not {*keys} & set().union(*under_way), "a key is in flight twice"
        assert len(items) <= batch_limit
        assert {wanted[item][0] for item in items} == {lane}
        under_way.append({*keys})
        assert len(under_way) <= in_flight
        for _ in range(next(ticks)):
            await asyncio.sleep(0)
        under_way.remove({*keys})
        if any(wanted[item][2] for item in items):
            raise ValueError(items[0])
        carried_out.extend(items)
        return items

    calls: Coalescer[str, int, int] = Coalescer(
        run, dependency="datastore", batch_limit=batch_limit, in_flight=in_flight
    )
    futures = []
    for number, (lane, keys, _, pauses_after) in enumerate(wanted):
        futures.append(calls.call(lane, number, keys))
        if pauses_after:
            await asyncio.sleep(0)
    results = await asyncio.gather(*futures, return_exceptions=True)
    await calls.close()
    for number, ((_, _, bad, _), result) in enumerate(zip(wanted, results, strict=True)):
        assert (type(result) is ValueError) if bad else (result == number)
    assert sorted(carried_out) == [number for number, (_, _, bad, _) in enumerate(wanted) if not bad]
    for key in "123":
        order = [number for number in carried_out if key in wanted[number][1]]
        assert order == sorted(order), "calls of a key have overtaken each other"
