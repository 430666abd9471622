"""Tasks that are not our own are cancelled, and never waited for without end."""

import asyncio
import logging

import pytest

from fairlead_operator.front.cancellation import cancel


async def stubborn(cancellations: int, *, released: asyncio.Event) -> None:
    """Ignore so many cancellations."""
    for _ in range(cancellations):
        try:
            await released.wait()
            return
        except asyncio.CancelledError:
            pass
    await released.wait()


async def failing() -> None:
    """Answer a cancellation with an error."""
    try:
        await asyncio.Event().wait()
    finally:
        raise RuntimeError("while it ended")


async def test_all_that_end_are_awaited(caplog: pytest.LogCaptureFixture) -> None:
    released = asyncio.Event()
    tasks = [asyncio.create_task(stubborn(0, released=released)), asyncio.create_task(failing())]
    await asyncio.sleep(0)
    await cancel(tasks)
    assert all(task.done() for task in tasks)
    assert caplog.records == []


async def test_a_task_that_misses_the_first_cancellation_gets_a_second(caplog: pytest.LogCaptureFixture) -> None:
    released = asyncio.Event()
    task = asyncio.create_task(stubborn(1, released=released))
    await asyncio.sleep(0)
    await cancel([task], wait_seconds=0.05)
    assert task.cancelled()
    assert caplog.records == []


async def test_a_task_that_does_not_end_is_named_and_left(caplog: pytest.LogCaptureFixture) -> None:
    released = asyncio.Event()
    task = asyncio.create_task(stubborn(2, released=released), name="watcher for apiservices")
    await asyncio.sleep(0)
    with caplog.at_level(logging.ERROR):
        await cancel([task], wait_seconds=0.05)
    assert not task.done()
    assert [record.__dict__["tasks"] for record in caplog.records] == [["watcher for apiservices"]]
    released.set()
    await task


async def test_nothing_to_cancel_takes_no_time() -> None:
    await cancel([])
