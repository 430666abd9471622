"""Whose turn it is: fair between handlers, within their limits, and nothing is lost when an event is cancelled."""

import asyncio

import pytest

from fairlead_workload.worker.handlers.slots import Slots


class Events:
    """Events of handlers that run until they are ended."""

    def __init__(self, slots):
        self._slots = slots
        self.running = []
        self._tasks = {}

    async def begin(self, *names):
        """Begin events named as their handler and a number: `slow1`."""
        for name in names:
            self._tasks[name] = asyncio.create_task(self._run(name))
        await asyncio.sleep(0)

    async def _run(self, name):
        async with self._slots.slot(name.rstrip("0123456789")):
            self.running.append(name)
            await asyncio.Event().wait()

    async def end(self, *names):
        for name in names:
            self._tasks[name].cancel()
            if name in self.running:
                self.running.remove(name)
        await asyncio.wait([self._tasks.pop(name) for name in names])
        await asyncio.sleep(0)


@pytest.fixture
async def events():
    return lambda concurrency, **limits: Events(Slots(concurrency, limits))


async def test_a_handler_runs_no_more_than_its_limit(events):
    found = events(10, slow=2, note=10)
    await found.begin("slow1", "slow2", "slow3")
    await found.begin("note1")
    assert found.running == ["slow1", "slow2", "note1"]
    await found.end("slow1")
    assert found.running == ["slow2", "note1", "slow3"]


async def test_a_free_slot_goes_to_the_handler_that_runs_least(events):
    found = events(3, slow=3, note=3)
    await found.begin("slow1", "slow2", "slow3", "slow4", "slow5", "note1", "note2", "note3")
    await found.end("slow1")
    assert found.running == ["slow2", "slow3", "note1"]
    await found.end("slow2", "slow3")
    assert found.running == ["note1", "slow4", "note2"]


async def test_handlers_that_run_equally_much_take_turns(events):
    found = events(1, a=1, b=1, c=1)
    await found.begin("a1", "a2", "a3", "b1", "b2", "c1")
    order = []
    while found.running:
        order += found.running
        await found.end(*found.running)
    assert order == ["a1", "a2", "b1", "c1", "a3", "b2"]


async def test_a_cancelled_event_takes_no_slot_along(events):
    found = events(1, a=1)
    await found.begin("a1", "a2", "a3", "a4")
    await found.end("a2")  # while it waits
    await found.end("a1", "a3")  # a3 in the moment in which it gets the slot
    assert found.running == ["a4"]
    await found.end("a4")
    await found.begin("a5")
    assert found.running == ["a5"]


async def test_one_that_is_alone_waits_for_all_that_runs_and_lets_nothing_begin():
    slots = Slots(2, {"a": 2})
    events = Events(slots)
    await events.begin("a1")
    await slots.enter()
    begun = []

    async def alone():
        async with slots.exclusive():
            begun.append("alone")
            await asyncio.Event().wait()

    async def batch():
        await slots.enter()
        begun.append("batch")

    tasks = [asyncio.create_task(alone()), asyncio.create_task(batch())]
    await asyncio.sleep(0)
    await events.begin("a2")
    assert (events.running, begun) == (["a1"], [])
    await events.end("a1")
    assert (events.running, begun) == ([], [])
    slots.leave()
    await asyncio.sleep(0)
    assert (events.running, begun) == ([], ["alone"])
    tasks[0].cancel()
    await asyncio.wait(tasks)
    await asyncio.sleep(0)
    assert (events.running, begun) == (["a2"], ["alone", "batch"])
    await events.end("a2")
